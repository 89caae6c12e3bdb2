"""Check the expressions between braces, and derive their shapes: text, number, list or record."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jinja2 import nodes

from notifier.content.errors import ContentError
from notifier.content.filters import ALIASES, FILTERS, MAX_NUMBER, MAX_TEXT, Filter, printed_field
from notifier.content.sandbox import KNOWN_TESTS
from notifier.content.schema import MAX_ENTRIES, Many, Record, Scalar, Shape
from notifier.english import either

#: The deepest nesting of operations, and the largest number that may be written.
MAX_DEPTH, MAX_WRITTEN = 30, 10**9

#: The limit of steps for one text with any values. A step is one operation on the longest text (about
#: 5 µs); in a loop it counts once for each entry. So rendering a text takes at most about 0.3 s (docs/adr/0010).
MAX_WORK = 50_000

#: Messages for expressions that are not allowed.
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "Functions cannot be called. Remove the round brackets.",
    nodes.List: "Lists are not allowed here. Remove it.",
    nodes.Tuple: "Lists are not allowed here. Remove it.",
    nodes.Dict: "Dictionaries are not allowed here. Remove it.",
    nodes.Concat: "Texts cannot be joined with ~. Write them one after the other.",
}
_ORDER = frozenset({"lt", "lteq", "gt", "gteq"})


class Expressions:
    """Derive the shape of expressions. All methods raise ContentError for one that is not allowed."""

    def __init__(self, names: Mapping[str, Shape]) -> None:
        """Allow `names`, each with its shape."""
        self._names = dict(names)
        self._depth = 0
        self._work = 0
        self._times = 1
        self._known: dict[type[nodes.Node], Callable[..., Shape]] = {
            nodes.Name: self._name,
            nodes.Getattr: self._getattr,
            nodes.Getitem: self._getitem,
            nodes.Const: self._const,
            nodes.Neg: self._negative,
            nodes.Filter: self._filter,
            nodes.Test: self._test,
            nodes.Compare: self._compare,
            nodes.Not: self._not,
            nodes.And: self._both,
            nodes.Or: self._both,
            nodes.CondExpr: self._choice,
        }

    @contextmanager
    def knowing(self, own: Mapping[str, Shape], line: int) -> Iterator[None]:
        """Also allow the names of `own`, and count every step once per entry, within the body of a loop.

        Raise ContentError if a name is already taken.
        """
        for name in own:
            if name in self._names:
                raise ContentError(f"The name `{name}` is taken. Choose another.", line)
        before, self._names, self._times = self._names, self._names | dict(own), MAX_ENTRIES
        yield
        self._names, self._times = before, 1

    def printed(self, node: nodes.Expr) -> None:
        """Check an expression that is printed: it must be a text or a number."""
        self._spend(1, node.lineno)
        shape = self.shape(node)
        if isinstance(shape, Record):
            raise ContentError(f"This has several parts. Choose one: {_listed(shape.fields)}.", node.lineno)
        if isinstance(shape, Many):
            raise ContentError("A list cannot be printed directly. Use {% for %} or the filter join.", node.lineno)

    def shape(self, node: nodes.Node) -> Shape:
        """Return the shape of the expression."""
        visit = self._known.get(type(node))
        if visit is None:
            words = _WORDS.get(type(node), "Calculations are not supported. Use names, filters and comparisons only.")
            raise ContentError(words, node.lineno)
        if self._depth > MAX_DEPTH:
            raise ContentError("This is nested too deeply. Simplify it.", node.lineno)
        self._depth += 1
        found = visit(node)
        self._depth -= 1
        return found

    def _spend(self, work: int, line: int) -> None:
        self._work += work * self._times
        if self._work > MAX_WORK:
            where = "in this loop" if self._times > 1 else "between braces"
            raise ContentError(f"There is too much to compute {where}. Use fewer expressions and filters.", line)

    def _name(self, node: nodes.Name) -> Shape:
        found = self._names.get(node.name)
        if found is None:
            raise ContentError(
                f"`{node.name}` is not available in this email.{_hint(node.name, self._names)}", node.lineno
            )
        return found

    def _getattr(self, node: nodes.Getattr) -> Shape:
        return self._part(node.node, node.attr, node.lineno)

    def _getitem(self, node: nodes.Getitem) -> Shape:
        if not isinstance(node.arg, nodes.Const) or not isinstance(node.arg.value, str):
            raise ContentError("Square brackets can hold only the name of a part, in quotes.", node.lineno)
        return self._part(node.node, node.arg.value, node.lineno)

    def _part(self, owner: nodes.Expr, name: str, line: int) -> Shape:
        if not isinstance(owner, nodes.Name):
            raise ContentError("Only a name can be followed by a dot and a part.", line)
        shape = self.shape(owner)
        if not isinstance(shape, Record) or name not in shape.fields:
            known = shape.fields if isinstance(shape, Record) else {}
            raise ContentError(f"`{owner.name}` has no part `{name}`.{_hint(name, known)}", line)
        return shape.fields[name]

    def _const(self, node: nodes.Const) -> Shape:
        value = node.value
        if isinstance(value, int | float):
            if not abs(value) <= MAX_WRITTEN:
                raise ContentError("This number is too large. Use a smaller one.", node.lineno)
            return Scalar.number
        return Scalar.text

    def _negative(self, node: nodes.Neg) -> Shape:
        if not isinstance(node.node, nodes.Const):
            raise ContentError("Calculations are not supported here.", node.lineno)
        return self.shape(node.node)

    def _filter(self, node: nodes.Filter) -> Shape:
        known = FILTERS.get(node.name)
        if known is None or node.node is None:
            names = ", ".join(sorted(name for name in FILTERS if name not in ALIASES))
            raise ContentError(f"There is no filter `{node.name}`. Available filters: {names}.", node.lineno)
        shape = self.shape(node.node)
        if not known.takes(shape):
            raise ContentError(f"The filter `{node.name}` cannot be used on this value.", node.lineno)
        self._spend(known.work * (MAX_ENTRIES if _is_long(node.node) else 1), node.lineno)
        self._arguments(node, known, shape)
        return known.gives

    def _arguments(self, node: nodes.Filter, known: Filter, shape: Shape) -> None:
        names = list(known.parameters)
        if node.dyn_args is not None or node.dyn_kwargs is not None or len(node.args) > len(names):
            raise ContentError(f"The filter `{node.name}` has too many arguments. Remove some.", node.lineno)
        given = list(zip(names, node.args, strict=False)) + [(str(pair.key), pair.value) for pair in node.kwargs]
        for name, value in given:
            if name not in known.parameters or len([each for each, _ in given if each == name]) > 1:
                raise ContentError(
                    f"The filter `{node.name}` has no argument `{name}`, or it is given twice.", node.lineno
                )
            _check_constant(node.name, known.parameters[name], value)
        attribute = dict(given).get("attribute")
        records = isinstance(shape, Many) and not isinstance(shape.of, Scalar)
        if node.name == "join" and (attribute is not None or records):
            field = attribute.value if isinstance(attribute, nodes.Const) else ""
            if not printed_field(shape, field):
                raise ContentError("Name the part to join: join(', ', attribute='...').", node.lineno)

    def _test(self, node: nodes.Test) -> Shape:
        if node.name not in KNOWN_TESTS or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise ContentError(f"Use only {', '.join(KNOWN_TESTS)} after `is`.", node.lineno)
        self.shape(node.node)
        return Scalar.number

    def _compare(self, node: nodes.Compare) -> Shape:
        shapes = [self.shape(node.expr), *[self.shape(operand.expr) for operand in node.ops]]
        self._spend(len(node.ops), node.lineno)
        operators = {operand.op for operand in node.ops}
        if not operators <= _ORDER | {"eq", "ne"} or not all(isinstance(shape, Scalar) for shape in shapes):
            raise ContentError("Only texts and numbers can be compared, with == != < <= > >=.", node.lineno)
        if operators & _ORDER and not all(shape is Scalar.number for shape in shapes):
            raise ContentError("`<` and `>` compare numbers only.", node.lineno)
        return Scalar.number

    def _not(self, node: nodes.Not) -> Shape:
        self.shape(node.node)
        return Scalar.number

    def _both(self, node: nodes.BinExpr) -> Shape:
        left, right = self.shape(node.left), self.shape(node.right)
        if left == right:
            return left
        # The result may be either of the two, so return the shape that must not be printed, if there is one.
        return Scalar.text if _scalars(left, right) else right if isinstance(left, Scalar) else left

    def _choice(self, node: nodes.CondExpr) -> Shape:
        self.shape(node.test)
        if node.expr2 is None:
            raise ContentError("Add an `else` with what to show otherwise: ... if ... else ...", node.lineno)
        first, second = self.shape(node.expr1), self.shape(node.expr2)
        if not _scalars(first, second):
            raise ContentError("Only texts and numbers can be used in `if ... else ...`.", node.lineno)
        return first if first == second else Scalar.text


def _scalars(*shapes: Shape) -> bool:
    return all(isinstance(shape, Scalar) for shape in shapes)


def _check_constant(name: str, wanted: tuple[type, ...], node: nodes.Expr) -> None:
    value: Any = node.value if isinstance(node, nodes.Const) else None
    if type(value) not in wanted:
        words = either(_TYPES[each] for each in wanted)
        raise ContentError(f"The filter `{name}` needs {words} here.", node.lineno)
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ContentError(f"The filter `{name}` accepts at most {MAX_TEXT} characters.", node.lineno)
    if isinstance(value, int) and not 0 <= value <= MAX_NUMBER:
        raise ContentError(f"The filter `{name}` accepts numbers up to {MAX_NUMBER}.", node.lineno)


_TYPES = {int: "a number", bool: "true or false", str: "text in quotes"}


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _hint(name: str, names: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name[:100], list(names), n=1)
    if near:
        return f" Did you mean `{near[0]}`?"
    return f" Available names: {_listed(names)}." if names else ""


def _is_long(node: nodes.Node) -> bool:
    """Return whether the text of `node` can be as long as a whole list, because a list is joined in it."""
    return any(
        FILTERS[each.name].is_long for each in (node, *node.find_all(nodes.Filter)) if isinstance(each, nodes.Filter)
    )
