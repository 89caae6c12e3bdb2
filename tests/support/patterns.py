"""All regular expressions of the package, how the code uses them, and texts that are hard for each."""

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from re import _constants as constants
from re import _parser as parser
from typing import Any

import notifier

ROOT = Path(notifier.__path__[0]).parent

#: What `re` and its patterns do with a text.
METHODS = frozenset({"match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"})


@dataclass(slots=True)
class Found:
    """A pattern, and where it is."""

    pattern: re.Pattern[Any]
    methods: set[str] = field(default_factory=set)


class Collector:
    """Reads every module of the package: its source for what is written, the module for what became of it."""

    def __init__(self) -> None:
        """Collect. `found` is by `module:name`, or `module:function` for what is written inside of one."""
        self.found: dict[str, Found] = {}
        #: Calls that make a pattern of what is not known before: `module:function`.
        self.dynamic: set[str] = set()
        self.calls = 0
        trees = {_name_of(path): ast.parse(path.read_text()) for path in sorted((ROOT / "notifier").rglob("*.py"))}
        for name, tree in trees.items():
            self._read(name, tree)
        for tree in trees.values():
            self._note_uses(tree)
        # One pattern has many names, where it is imported and in the tables that hold it.
        alone: dict[tuple[Any, int], str] = {}
        for key, each in list(self.found.items()):
            first = alone.setdefault((each.pattern.pattern, each.pattern.flags), key)
            if first != key:
                self.found[first].methods |= each.methods
                del self.found[key]
        for each in self.found.values():
            each.methods = each.methods or {"search"}

    def _read(self, module: str, tree: ast.Module) -> None:
        for scope, call in _calls_of_re(tree):
            self.calls += 1
            if scope:
                self._add_local(f"{module}:{scope}", call)
        if any(isinstance(node, ast.Import) and node.names[0].name == "re" for node in tree.body) or _imports(tree):
            for name, value in vars(importlib.import_module(module)).items():
                for suffix, pattern in _patterns_in(value):
                    if not name.startswith("__"):
                        self.found.setdefault(f"{module}:{name}{suffix}", Found(pattern))

    def _add_local(self, place: str, call: ast.Call) -> None:
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        try:
            source = ast.literal_eval(call.args[0])
        except ValueError:
            self.dynamic.add(place)
            return
        flags = re.IGNORECASE if any("re.I" in ast.unparse(arg) for arg in call.args[1:]) else 0
        key, number = place, 2
        while key in self.found:
            key, number = f"{place}#{number}", number + 1
        self.found[key] = Found(re.compile(source, flags), {method} & METHODS)

    def _note_uses(self, tree: ast.Module) -> None:
        by_name: dict[str, list[Found]] = {}
        for key, found in self.found.items():
            by_name.setdefault(re.split(r"[\[.]", key.partition(":")[2])[0], []).append(found)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                value = node.value.value if isinstance(node.value, ast.Subscript) else node.value
                for found in by_name.get(getattr(value, "id", getattr(value, "attr", "")), ()):
                    found.methods.add(node.attr)


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module == "re" for node in tree.body)


def _calls_of_re(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield (the function that it is in, "" for none; the call) for each use of the module `re`."""
    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        scope, node = stack.pop()
        if isinstance(node, ast.FunctionDef):
            scope = node.name
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and getattr(node.func.value, "id", "") == "re"
            and node.func.attr in METHODS | {"compile"}
        ):
            yield scope, node
        stack += [(scope, child) for child in ast.iter_child_nodes(node)]


def _patterns_in(value: Any, depth: int = 0) -> Iterator[tuple[str, re.Pattern[Any]]]:
    if isinstance(value, re.Pattern):
        yield "", value
    elif depth < 4 and isinstance(value, dict):
        for key, each in value.items():
            yield from ((f"[{key}]{rest}", pattern) for rest, pattern in _patterns_in(each, depth + 1))
    elif depth < 4 and isinstance(value, tuple | list):
        for number, each in enumerate(value):
            yield from ((f"[{number}]{rest}", pattern) for rest, pattern in _patterns_in(each, depth + 1))
    elif depth < 4 and hasattr(type(value), "__dataclass_fields__") and not isinstance(value, type):
        for name in type(value).__dataclass_fields__:
            found = _patterns_in(getattr(value, name, None), depth + 1)
            yield from ((f".{name}{rest}", pattern) for rest, pattern in found)


#: For any pattern.
GENERIC = (
    "a", " ", "0", "<", "@", "=", "-", ".", "\n", "\r\n", '"', "\\", "{", "[", "(", "/", "a.", "a@", "a ", "<a ", "={",
    ";=", "a-", "<!--", "{{", "://", "=?", "\t ", "\u00e9",
)  # fmt: skip


def hard_for(pattern: re.Pattern[Any]) -> list[tuple[str, str, str]]:
    """Return (prefix, what is repeated, suffix) of texts that make `pattern` look for long."""
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    found: dict[tuple[str, str, str], None] = {}
    for prefix, body in _pumps(list(parser.parse(text, pattern.flags & ~re.UNICODE)), ""):
        found[prefix, body, "\0!"] = None
        found[prefix, body, ""] = None
        # Each repetition may be the beginning of a match.
        found["", prefix + body, "\0"] = None
        found["", prefix + body * 3, "\0"] = None
    found |= dict.fromkeys(("", each, "\0") for each in GENERIC)
    return list(found)


def _pumps(nodes: list[Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield (a text that leads to it, a text that it takes) for each repetition in the tree of a pattern."""
    for operator, argument in nodes:
        if operator in _REPEATS and argument[1] > 3:
            bodies = {_sample(list(argument[2])): None} | dict.fromkeys(_others(list(argument[2])))
            yield from ((prefix, body) for body in bodies if body)
        for inner in _inside(operator, argument):
            yield from _pumps(inner, prefix)
        prefix += _sample([(operator, argument)]) if operator not in _REPEATS or argument[0] else ""


def _inside(operator: Any, argument: Any) -> list[list[Any]]:
    """The sequences within a node."""
    if operator in _REPEATS:
        return [list(argument[2])]
    if operator is constants.BRANCH:
        return [list(branch) for branch in argument[1]]
    if operator is constants.ATOMIC_GROUP:
        return [list(argument)]
    if operator in (constants.SUBPATTERN, constants.ASSERT, constants.ASSERT_NOT):
        return [list(argument[-1])]
    return []


_REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT)

_CATEGORIES = {
    constants.CATEGORY_DIGIT: "0", constants.CATEGORY_NOT_DIGIT: "a", constants.CATEGORY_SPACE: " ",
    constants.CATEGORY_NOT_SPACE: "a", constants.CATEGORY_WORD: "a", constants.CATEGORY_NOT_WORD: "-",
}  # fmt: skip


def _sample(nodes: list[Any]) -> str:
    """A short text that these nodes match, where there is an easy one."""
    return "".join(_sample_of(operator, argument) for operator, argument in nodes)


def _sample_of(operator: Any, argument: Any) -> str:
    if operator is constants.LITERAL:
        return chr(argument)
    if operator in (constants.ANY, constants.NOT_LITERAL):
        return "b" if argument == ord("a") else "a"
    if operator is constants.IN:
        return _of_set(argument)
    if operator in (constants.ASSERT, constants.ASSERT_NOT):
        return ""
    first = next(iter(_inside(operator, argument)), [])
    return _sample(first) * (max(1, argument[0]) if operator in _REPEATS else 1)


def _of_set(items: list[Any]) -> str:
    negated = bool(items) and items[0][0] is constants.NEGATE
    if negated:
        taken = re.compile("[^" + "".join(map(_written, items[1:])) + "]")
        return next((char for char in "a0- <@.\u00e9" if taken.match(char)), "")
    operator, argument = items[0]
    if operator is constants.RANGE:
        return chr(argument[0])
    return _CATEGORIES.get(argument, "") if operator is constants.CATEGORY else chr(argument)


def _written(item: Any) -> str:
    operator, argument = item
    if operator is constants.RANGE:
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    if operator is constants.CATEGORY:
        return {"0": r"\d", " ": r"\s", "a": r"\w", "-": r"\W"}[_CATEGORIES[argument]]
    return re.escape(chr(argument))


def _others(nodes: list[Any]) -> Iterator[str]:
    """Other texts that a repetition takes: each of its branches, and what its set has besides the first."""
    for operator, argument in nodes:
        if operator is constants.BRANCH:
            yield from filter(None, (_sample(list(branch)) for branch in argument[1]))
        elif operator is constants.SUBPATTERN:
            yield from _others(list(argument[-1]))
        elif operator is constants.IN and argument[0][0] is not constants.NEGATE:
            yield from filter(None, (_of_set([item]) for item in argument[1:4]))


def use(pattern: re.Pattern[Any], method: str) -> Callable[[str], object]:
    """Return what does with a text what the code does with it."""
    encode: Callable[[str], Any] = (lambda text: text.encode()) if isinstance(pattern.pattern, bytes) else str
    if method in ("sub", "subn"):
        empty: Any = encode("")
        return lambda text: pattern.sub(empty, encode(text))
    if method == "finditer":
        return lambda text: sum(1 for _ in pattern.finditer(encode(text)))
    return lambda text: getattr(pattern, method)(encode(text))
