"""Read a whole email template, with those that it extends and the macros that it imports."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jinja2 import nodes

from notifier.rendering.compiled.names_used import NamesUsed
from notifier.rendering.compiled.syntax_tree import Imports, NotFlat, TemplateReader

#: Returns the syntax tree of the template with this name.
Parse = Callable[[str], nodes.Template]


def read_template(name: str, parse: Parse, unrolled: frozenset[str] | None) -> NamesUsed:
    """Read the template `name` and everything that it extends or imports. Raise NotFlat.

    Loops over the names `unrolled` are read together with their rows; None: all loops are.
    """
    chain = list(_chain(name, parse))
    reader = TemplateReader(_Library(parse), _imports(chain), unrolled)
    for template in chain:
        reader.visit_all(template.body)
    return reader.reading


def _chain(name: str, parse: Parse) -> Iterable[nodes.Template]:
    """Yield the template and those that it extends, the child first."""
    seen = [name]
    while True:
        template = parse(seen[-1])
        yield template
        parents = [_constant(node.template) for node in template.find_all(nodes.Extends)]
        if not parents:
            return
        if len(parents) > 1 or parents[0] in seen:
            raise NotFlat("what this extends is not plain")
        seen += parents


def _constant(node: nodes.Node) -> str:
    if not isinstance(node, nodes.Const) or not isinstance(node.value, str):
        raise NotFlat("the name of a template is not a constant")
    return node.value


def _imports(templates: Iterable[nodes.Template]) -> Imports:
    found: Imports = {}
    for template in templates:
        every: list[nodes.Import | nodes.FromImport] = [
            *template.find_all(nodes.Import),
            *template.find_all(nodes.FromImport),
        ]
        for node in every:
            source = _constant(node.template)
            for alias, macro in _imported(node):
                if node.with_context or found.setdefault(alias, (source, macro)) != (source, macro):
                    raise NotFlat(f"the meaning of {alias} depends on the email")
    return found


def _imported(node: nodes.Import | nodes.FromImport) -> list[tuple[str, str | None]]:
    if isinstance(node, nodes.Import):
        return [(node.target, None)]
    return [(name, name) if isinstance(name, str) else (name[1], name[0]) for name in node.names]


@dataclass(frozen=True, slots=True)
class _Module:
    macros: dict[str, nodes.Macro]
    imports: Imports


class _Library:
    """The macros of imported templates, and how each uses its parameters."""

    def __init__(self, parse: Parse) -> None:
        self._parse = parse
        self._modules: dict[str, _Module] = {}
        self._read: dict[tuple[str, str], NamesUsed] = {}

    def macro(self, template: str, name: str) -> tuple[list[str], NamesUsed] | None:
        """Return the parameters of a macro and how it uses them; None if there is no such macro."""
        module = self._module(template)
        found = module.macros.get(name)
        if found is None:
            return None
        parameters = [argument.name for argument in found.args]
        if (template, name) not in self._read:
            # While it is being read, assume that it watches everything: it may call itself.
            self._read[template, name] = NamesUsed(watched=set(parameters))
            self._read[template, name] = self._macro(found, module)
        return parameters, self._read[template, name]

    def _macro(self, macro: nodes.Macro, module: _Module) -> NamesUsed:
        reader = TemplateReader(self, module.imports)
        for default in macro.defaults:
            reader.watch(default)
        reader.visit_all(macro.body)
        return reader.reading

    def _module(self, template: str) -> _Module:
        if template not in self._modules:
            tree = self._parse(template)
            macros = {node.name: node for node in tree.body if isinstance(node, nodes.Macro)}
            imports = _imports([tree]) | {name: (template, name) for name in macros}
            self._modules[template] = _Module(macros, imports)
            # Read the rest only for its refusals: nothing between the macros may change from email to email.
            TemplateReader(self, imports).visit_all(node for node in tree.body if not isinstance(node, nodes.Macro))
        return self._modules[template]
