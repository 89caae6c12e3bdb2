"""Analyse a template's syntax tree: on which values its result depends, and how.

A name that is only printed, joined with `~` or passed to a macro that does the same is a hole in a constant text. A
name under `if`, `or`, `not` or `is none` is also tested. Under anything else (a filter, a comparison, a loop, a call)
it is watched, because the text around it depends on its value. A statement that is not handled here makes the whole
template NotFlat, so an incomplete list of statements can only cost speed, never correctness.

A loop over a name that is used for nothing else is a hole, too: each of its rows is filled in by itself, and what the
loop's body does with the parts of a row is read in the same way.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from jinja2 import nodes
from jinja2.visitor import NodeVisitor

from notifier.rendering.compiled.names_used import NamesUsed, row_loop

#: Names and filters whose result does not follow from the names within the expression.
_UNKNOWABLE_NAMES = frozenset(
    {"self", "super", "caller", "varargs", "kwargs", "lipsum", "cycler", "joiner", "namespace", "loop"}
)
_UNKNOWABLE_FILTERS = frozenset({"random"})
_FLAT_FILTERS = frozenset({"escape", "e", "safe"})
_FLAT_TESTS = frozenset({"none", "defined", "undefined"})
#: This filter works on finished text line by line, so it can be applied after the holes are filled.
WRAP = "wordwrap"

#: The template and macro that a name refers to; the macro is None for the whole template.
Imports = dict[str, tuple[str, str | None]]


class NotFlat(Exception):
    """A template, or a use of a value, that cannot be compiled in advance."""


class Macros(Protocol):
    """The source of imported macros."""

    def macro(self, template: str, name: str) -> tuple[list[str], NamesUsed] | None:
        """Return the parameters of a macro and how it uses them; None if there is no such macro."""


class TemplateReader(NodeVisitor):
    """Read one template or macro. `visit` is for an expression that is printed unchanged."""

    def __init__(self, macros: Macros, imports: Imports, unrolled: frozenset[str] | None = None) -> None:
        """Resolve `imports`, the names of other templates and their macros, by `macros`.

        Loops over the names `unrolled` are read together with their rows; None: all loops are.
        """
        self._unrolled = unrolled
        self.reading = NamesUsed()
        self._macros = macros
        self._imports = imports
        #: Loop variables, which follow from watched values.
        self._known: frozenset[str] = frozenset()

    def visit_all(self, several: Iterable[nodes.Node]) -> None:
        """Visit each node."""
        for node in several:
            self.visit(node)

    def watch(self, node: nodes.Node) -> None:
        """Record that the result depends on the values of all names in this expression."""
        for found in [node, *node.find_all((nodes.Name, nodes.Filter))]:
            if isinstance(found, nodes.Filter) and found.name in _UNKNOWABLE_FILTERS:
                raise NotFlat(f"the filter {found.name}")
            if isinstance(found, nodes.Name):
                self.visit(found)
                self.reading.watched |= {found.name} - self._known

    def test(self, node: nodes.Node) -> None:
        """Record that the result depends on whether this expression is true."""
        if isinstance(node, nodes.Test) and node.name in _FLAT_TESTS and isinstance(node.node, nodes.Name):
            node = node.node
        if isinstance(node, nodes.Name):
            self._load(node)
            self.reading.tested |= {node.name} - self._known
        elif isinstance(node, nodes.Not):
            self.test(node.node)
        elif isinstance(node, nodes.And | nodes.Or):
            self.test(node.left)
            self.test(node.right)
        else:
            self.watch(node)

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> None:
        """Watch an expression without its own method. Raise NotFlat for such a statement."""
        if not isinstance(node, nodes.Expr):
            raise NotFlat(f"a statement that is not followed: {type(node).__name__}")
        self.watch(node)

    def visit_Name(self, node: nodes.Name) -> None:
        if self._load(node):
            self.reading.printed.add(node.name)

    def _load(self, node: nodes.Name) -> bool:
        """Record a name. Return whether the context gives its value."""
        if node.name in _UNKNOWABLE_NAMES:
            raise NotFlat(f"the name {node.name}")
        if node.name in self._known or node.name in self._imports:
            return False
        self.reading.loaded.add(node.name)
        return True

    def visit_Output(self, node: nodes.Output | nodes.Concat) -> None:
        self.visit_all(node.nodes)

    visit_Concat = visit_Output

    def visit_TemplateData(self, node: nodes.Node) -> None:
        """Ignore the node: it is constant, or it is read elsewhere."""

    visit_Const = visit_Extends = visit_Import = visit_FromImport = visit_TemplateData

    def visit_CondExpr(self, node: nodes.CondExpr) -> None:
        self.test(node.test)
        self.visit_all([node.expr1] + ([node.expr2] if node.expr2 else []))

    def visit_Or(self, node: nodes.Or | nodes.And) -> None:
        self.test(node.left)
        self.visit_all([node.left, node.right])

    visit_And = visit_Or

    def visit_Not(self, node: nodes.Not) -> None:
        self.test(node)

    def visit_Test(self, node: nodes.Test) -> None:
        self.test(node)

    def visit_Filter(self, node: nodes.Filter) -> None:
        if node.name in _FLAT_FILTERS and node.node is not None:
            self.visit(node.node)
        else:
            self.watch(node)

    def visit_Call(self, node: nodes.Call) -> None:
        if isinstance(node.node, nodes.Name) and node.node.name == "super" and not (node.args or node.kwargs):
            return  # the block of the parent, which is read separately
        macro = self._macro(node.node)
        if macro is None or node.dyn_args or node.dyn_kwargs or len(node.args) > len(macro[0]):
            self.watch(node)
            return
        parameters, inside = macro
        pairs = [*zip(parameters, node.args, strict=False), *[(pair.key, pair.value) for pair in node.kwargs]]
        for parameter, argument in pairs:
            self.visit(argument)
            if parameter in inside.tested:
                self.test(argument)
            if parameter in inside.watched:
                self.watch(argument)

    def _macro(self, node: nodes.Expr) -> tuple[list[str], NamesUsed] | None:
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            template, name = self._imports.get(node.node.name, ("", None))
            return self._macros.macro(template, node.attr) if template and name is None else None
        if isinstance(node, nodes.Name):
            template, name = self._imports.get(node.name, ("", None))
            return self._macros.macro(template, name) if name else None
        return None

    def visit_If(self, node: nodes.If) -> None:
        self.test(node.test)
        self.visit_all([*node.body, *node.elif_, *node.else_])

    def visit_For(self, node: nodes.For) -> None:
        if node.recursive:
            raise NotFlat("a recursive loop")
        if self._is_row_loop(node):
            return
        self.watch(node.iter)
        before = self._known
        targets = {name.name for name in _names(node.target)}
        self._known = before | self._own(targets)
        if node.test is not None:
            self.watch(node.test)
        self.visit_all(node.body)
        self._known = before
        self.visit_all(node.else_)

    def _is_row_loop(self, node: nodes.For) -> bool:
        """Read a loop whose rows can be filled in one by one. Return False if it is none."""
        loop = row_loop(node)
        if loop is None or self._unrolled is None or loop.name in self._unrolled | self._imports.keys() | self._known:
            return False
        body = TemplateReader(self._macros, self._imports)
        body.visit_all(node.body)
        parts = frozenset(loop.parts)
        if self._known or parts & (body.reading.set_here | self._imports.keys()):
            return False
        self.reading.loops.append(loop.used(body.reading))
        self.reading.add(body.reading, without=parts)
        self.visit_all(node.else_)
        return True

    def visit_Assign(self, node: nodes.Assign) -> None:
        if not isinstance(node.target, nodes.Name):
            raise NotFlat("several names are set at once")
        self.watch(node.node)
        self.reading.set_here |= self._own({node.target.name})

    def _own(self, names: set[str]) -> set[str]:
        if names & self._imports.keys():
            raise NotFlat("an imported name gets another meaning")
        return names

    def visit_Block(self, node: nodes.Block) -> None:
        self.visit_all(node.body)

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> None:
        if node.filter.name != WRAP:
            raise NotFlat(f"a block in the filter {node.filter.name}")
        self.watch(node.filter)
        self.visit_all(node.body)


def _names(node: nodes.Node) -> list[nodes.Name]:
    return [node] if isinstance(node, nodes.Name) else list(node.find_all(nodes.Name))
