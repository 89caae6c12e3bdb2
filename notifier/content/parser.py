"""Parse a source with Jinja, without compiling it, and check it against the list of what is allowed."""

from collections.abc import Callable, Mapping, Sequence

from jinja2 import TemplateSyntaxError, nodes

from notifier.content.characters import UNSHOWABLE
from notifier.content.errors import ContentError
from notifier.content.expressions import Expressions
from notifier.content.sandbox import ENVIRONMENT
from notifier.content.schema import LOOP, Many, Shape

#: Limits of a source: characters (and bytes), lines, and tokens between braces.
MAX_SOURCE, MAX_LINES, MAX_TOKENS = 256 * 1024, 4000, 6000

#: The deepest nesting of `if` blocks.
MAX_NESTING = 10

_DATA = frozenset({"data", "comment", "raw_begin", "raw_end"})

#: The keyword of a statement, if Jinja's node has another name.
_WRITTEN = {
    "assign": "set", "assignblock": "set", "callblock": "call", "filterblock": "filter", "scope": "autoescape",
    "exprstmt": "do", "fromimport": "from",
}  # fmt: skip


def parse(source: str, names: Mapping[str, Shape]) -> nodes.Template:
    """Return the syntax tree of an allowed source. Raise ContentError with the line of anything that is not allowed."""
    _check_characters(source)
    try:
        _count(source)
        tree = ENVIRONMENT.parse(source)
        _check_constants(tree)
        _Reader(names).statements(tree.body)
    except TemplateSyntaxError as error:
        raise ContentError(f"{(error.message or 'cannot be read').rstrip('.')}.", error.lineno) from None
    except RecursionError:
        raise ContentError("This is nested too deeply. Simplify it.") from None
    except (ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, ContentError):
            raise
        # Causes: a number with thousands of digits, or a broken escape in a text.
        raise ContentError("A number or text between the braces is not valid. Correct it.") from None
    return tree


def fixed_length(tree: nodes.Template) -> int:
    """Return the characters that the text has with any values: of branches the shortest counts."""
    return _shortest(tree.body)


def _shortest(found: Sequence[nodes.Node]) -> int:
    return sum(map(_length, found))


def _length(node: nodes.Node) -> int:
    if isinstance(node, nodes.TemplateData):
        return len(node.data)
    if isinstance(node, nodes.Output):
        return _shortest(node.nodes)
    if isinstance(node, nodes.If):
        branches = [node.body, *(each.body for each in node.elif_), node.else_]
        return min(map(_shortest, branches))
    # A list or a value may be empty.
    return 0


def _check_characters(source: str) -> None:
    if len(source) > MAX_SOURCE or len(source.encode("utf-8", "replace")) > MAX_SOURCE:
        raise ContentError(f"This is longer than {MAX_SOURCE // 1024} kB. Shorten it.")
    if source.count("\n") >= MAX_LINES:
        raise ContentError(f"This has more than {MAX_LINES} lines. Shorten it.")
    broken = UNSHOWABLE.search(source.replace("\r\n", "\n"))
    if broken:
        line = source.count("\n", 0, broken.start()) + 1
        raise ContentError("This line contains a character that cannot be shown. Delete it and type it again.", line)


def _check_constants(tree: nodes.Template) -> None:
    r"""Raise ContentError for escapes such as `"\ud800"`, which could produce characters that are not allowed."""
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, str) and UNSHOWABLE.search(constant.value):
            raise ContentError("This line produces a character that cannot be shown. Delete it.", constant.lineno)


def _count(source: str) -> None:
    """Raise ContentError for too many tokens. Lexing is lazy, so this limits the time before anything is parsed."""
    tokens = 0
    for line, token, _ in ENVIRONMENT.lexer.tokeniter(source, None):
        tokens += token not in _DATA
        if tokens > MAX_TOKENS:
            raise ContentError("Too many expressions between braces. Use fewer.", line)


class _Reader:
    """Check the statements of one source."""

    def __init__(self, names: Mapping[str, Shape]) -> None:
        self._expressions = Expressions(names)
        self._in_loop = False
        self._known: dict[type[nodes.Node], Callable[..., None]] = {
            nodes.Output: self._output,
            nodes.If: self._if,
            nodes.For: self._for,
        }

    def statements(self, found: Sequence[nodes.Node], depth: int = 0) -> None:
        if depth > MAX_NESTING and found:
            raise ContentError("The `if` blocks are nested too deeply. Simplify them.", found[0].lineno)
        for node in found:
            visit = self._known.get(type(node))
            if visit is None:
                name = type(node).__name__.lower()
                words = f"`{_WRITTEN.get(name, name)}` is not allowed. Use only `if` and `for`."
                raise ContentError(words, node.lineno)
            visit(node, depth)

    def _output(self, node: nodes.Output, depth: int) -> None:
        for each in node.nodes:
            if not isinstance(each, nodes.TemplateData):
                self._expressions.printed(each)

    def _if(self, node: nodes.If, depth: int) -> None:
        self._expressions.shape(node.test)
        self.statements(node.body, depth + 1)
        # `elif` branches are siblings, so they do not count as nesting.
        self.statements(node.elif_, depth)
        self.statements(node.else_, depth + 1)

    def _for(self, node: nodes.For, depth: int) -> None:
        if self._in_loop:
            raise ContentError("Loops cannot be nested. Move one `for` out of the other.", node.lineno)
        if node.recursive or node.test is not None or not isinstance(node.target, nodes.Name):
            raise ContentError("Write a loop like this: {% for item in items %} ... {% endfor %}", node.lineno)
        if not isinstance(node.iter, nodes.Name):
            raise ContentError("A `for` can loop over the lists of this email only.", node.lineno)
        many = self._expressions.shape(node.iter)
        if not isinstance(many, Many):
            raise ContentError(f"`{node.iter.name}` is not a list, so it cannot be looped over.", node.lineno)
        own: dict[str, Shape] = {node.target.name: many.of, "loop": LOOP}
        self._in_loop = True
        with self._expressions.knowing(own, node.lineno):
            self.statements(node.body, depth + 1)
        self._in_loop = False
        self.statements(node.else_, depth + 1)
