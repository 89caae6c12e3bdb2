"""Inline CSS into `style` attributes, once per template instead of once per email.

css-inline parses HTML, and a template is not HTML yet. So each Jinja tag is replaced by something that a parser leaves
in place (a comment between elements, a word inside an attribute), the styles are inlined, and the tags are put back. A
template whose structure changes on the way is refused.
"""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import css_inline
from jinja2 import Environment, TemplateSyntaxError

from notifier.rendering.flatten import TemplatePiece, flatten, pieces_of

_MARK = re.compile(r"<!--zqj(\d+)jqz-->|zqj(\d+)jqz")
_MARK_WORD = re.compile(r"zqj\d+jqz")
_STYLE = re.compile(r"<style[^<>]*>((?:[^<]++|<(?!/?style))*+)</style>", re.IGNORECASE)
_AT_RULE = re.compile(r"@[\w-]++[^{;@]*+(?:;|\{(?:[^{}]++|\{[^{}]*+\})*+\})")
_TAG_OR_COMMENT = re.compile(r"<(?:!--|/?([A-Za-z][A-Za-z0-9-]*))")
_TAG_STOP = re.compile(r"[\"'>]")
_ATTRIBUTE = re.compile(r"(?<![\w-])([\w-]{1,100})\s{0,20}=\s{0,20}\Z")
#: Elements that an HTML parser adds by itself.
_IMPLIED = frozenset({"html", "head", "body", "tbody"})
_TEXT_ONLY = frozenset({"title", "textarea", "style", "script"})

_page = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
_fragment = css_inline.CSSInliner(load_remote_stylesheets=False)


def inline_page(name: str, source: Callable[[str], str], lexer: Environment) -> str:
    """Return the template `name`, joined with the layout that it extends, with its styles inlined.

    `source` returns the text of a template. Raise TemplateSyntaxError if the styles cannot be inlined.
    """
    marked, tags = _protect(flatten(name, source, lexer), name)
    return _restore(_page.inline(marked), marked, tags, name)


def inline_fragment(name: str, source: Callable[[str], str], lexer: Environment, layout: str) -> str:
    """Return a file of macros, or one to include, with the styles of the template `layout` inlined.

    Its elements are styled on their own: rules cannot depend on the page around it.
    """
    css = _AT_RULE.sub("", "\n".join(_STYLE.findall(source(layout))))
    marked, tags = _protect(pieces_of(source(name), name, lexer), name)
    return _restore(_fragment.inline_fragment(marked, css), marked, tags, name)


def _protect(pieces: list[TemplatePiece], name: str) -> tuple[str, list[str]]:
    """Return the HTML with marks in place of Jinja tags, and the tags."""
    scanner = _Scanner(name)
    out: list[str] = []
    tags: list[str] = []
    for piece in pieces:
        if piece.keyword is None:
            scanner.feed(piece.text)
            out.append(piece.text)
        else:
            out.append(scanner.mark(len(tags)))
            tags.append(piece.text)
    return "".join(out), tags


def _restore(inlined: str, marked: str, tags: list[str], name: str) -> str:
    before, after = _Outline.of(marked), _Outline.of(inlined)
    if before != after:
        at = next((i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), -1)
        near = before[at - 1] if at > 0 else "its start"
        problem = (
            f"an HTML parser changes the structure of this template near {near}: each branch of an `if`, "
            "each loop body and each macro must contain whole elements that are allowed in that place"
        )
        raise TemplateSyntaxError(problem, 1, name)
    return _MARK.sub(lambda match: tags[int(match.group(1) or match.group(2))], inlined)


class _Scanner:
    """Track the position in the HTML: text, tag, attribute value, comment or text-only element."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._state = "text"
        self._element = ""
        self._attribute = ""
        self._quote = ""

    def feed(self, data: str) -> None:
        """Advance over HTML source."""
        steps = {
            "text": self._in_text,
            "tag": self._in_tag,
            "value": self._in_value,
            "comment": self._in_comment,
            "text-only": self._in_text_only,
        }
        position = 0
        while position < len(data):
            position = steps[self._state](data, position)

    def mark(self, number: int) -> str:
        """Return the mark for tag `number` in this position. Raise TemplateSyntaxError if no tag is allowed here."""
        if self._state == "text":
            return f"<!--zqj{number}jqz-->"
        problem = None
        if self._state == "tag":
            problem = "a Jinja tag may occur only inside a quoted attribute value or around the element"
        elif self._state == "text-only" and self._element in {"style", "script"}:
            problem = "styles are inlined before any email is rendered, so <style> cannot contain a Jinja tag"
        elif self._state == "value" and self._attribute in {"class", "id"}:
            problem = f"styles are inlined before any email is rendered, so {self._attribute} must be plain text"
        if problem:
            raise TemplateSyntaxError(problem, 1, self._name)
        return f"zqj{number}jqz"

    def _in_text(self, data: str, position: int) -> int:
        found = _TAG_OR_COMMENT.search(data, position)
        if found is None:
            return len(data)
        if found.group(1) is None:
            self._state = "comment"
        else:
            self._state = "tag"
            self._element = "" if found.group().startswith("</") else found.group(1).lower()
        return found.end()

    def _in_tag(self, data: str, position: int) -> int:
        found = _TAG_STOP.search(data, position)
        if found is None:
            return len(data)
        if found.group() == ">":
            self._state = "text-only" if self._element in _TEXT_ONLY else "text"
        else:
            attribute = _ATTRIBUTE.search(data[: found.start()])
            self._attribute = attribute.group(1).lower() if attribute else ""
            self._state, self._quote = "value", found.group()
        return found.end()

    def _in_value(self, data: str, position: int) -> int:
        return self._until(self._quote, "tag", data, position)

    def _in_comment(self, data: str, position: int) -> int:
        return self._until("-->", "text", data, position)

    def _in_text_only(self, data: str, position: int) -> int:
        end = self._until(f"</{self._element}", "tag", data, position)
        if self._state == "tag":
            self._element = ""
        return end

    def _until(self, end: str, state: str, data: str, position: int) -> int:
        found = data.lower().find(end, position)
        if found < 0:
            return len(data)
        self._state = state
        return found + len(end)


class _Outline(HTMLParser):
    """The sequence of tags, words and marks, without the elements that a parser adds by itself."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.items: list[str] = []
        self._style = False

    @classmethod
    def of(cls, html: str) -> list[str]:
        """Return the outline of `html`."""
        outline = cls()
        outline.feed(html)
        outline.close()
        return outline.items

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        if tag not in _IMPLIED and not self._style:
            self.items.append(f"<{tag}>")
        # css-inline keeps the attributes of an element but not their order, so the marks are sorted.
        self.items += sorted(_MARK_WORD.findall(" ".join([value or "" for _, value in attrs])))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _IMPLIED and not self._style:
            self.items.append(f"</{tag}>")
        self._style = False

    def handle_comment(self, data: str) -> None:
        self.handle_data(data)

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.items += data.split()
