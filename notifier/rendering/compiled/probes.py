"""The templates of a kind in an environment of their own, which shows where loops and wrapped texts begin and end."""

from typing import Final

from jinja2 import Environment, Template, nodes

from notifier.rendering.compiled.marked_render import ROW_END, mark_wrapped, row_begin
from notifier.rendering.compiled.names_used import row_loop
from notifier.rendering.compiled.syntax_tree import WRAP


class EmailEnvironment(Environment):
    """An environment of email templates; an overlay of it can mark the rows of loops."""

    #: The names over which loops are marked, and those of the loops that were marked, by their number.
    marked: frozenset[str] = frozenset()
    loops: list[str]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        if self.marked:
            self._mark_loops(tree)
        return tree

    def _mark_loops(self, node: nodes.Node) -> None:
        """Surround the body of each loop with marks. Like TemplateReader, find none in another loop or macro."""
        if isinstance(node, nodes.Macro):
            return
        if not isinstance(node, nodes.For):
            for child in node.iter_child_nodes():
                self._mark_loops(child)
            return
        loop = row_loop(node)
        if loop is not None and loop.name in self.marked:
            begin, end = (self._constant(text, node) for text in (row_begin(len(self.loops)), ROW_END))
            node.body = [begin, *node.body, end]
            self.loops.append(loop.name)
        for child in node.else_:
            self._mark_loops(child)

    def _constant(self, text: str, beside: nodes.Node) -> nodes.Output:
        output = nodes.Output([nodes.TemplateData(text)])
        return output.set_lineno(beside.lineno).set_environment(self)  # type: ignore[return-value]


class Probes:
    """The templates of one kind, to be rendered with marks."""

    def __init__(self, environment: EmailEnvironment, kind: str, looped: frozenset[str]) -> None:
        """Mark the loops over the names `looped`."""
        self.kind: Final = kind
        self._environment = environment.overlay()
        self._environment.filters = environment.filters | {WRAP: mark_wrapped}
        self._environment.marked, self._environment.loops = looped, []

    @property
    def loops(self) -> list[str]:
        """Return the name that each loop is over, by the number of the loop: those of the templates rendered so far."""
        return self._environment.loops

    def subject(self, known: dict[str, object]) -> str:
        """Render the subject with marks."""
        return self._template("subject.txt").render(known)

    def text(self, known: dict[str, object]) -> str:
        """Render the text with marks."""
        return self._template("body.txt").render(known)

    def html(self, known: dict[str, object]) -> str:
        """Render the HTML with marks."""
        return self._template("body.html").render(known)

    def _template(self, part: str) -> Template:
        return self._environment.get_template(f"{self.kind}/{part}")
