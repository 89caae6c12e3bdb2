"""Read a little markup in plain text. Signs within filled-in values are no markup: see `sandbox.guard`.

A blank line ends a paragraph; a line break is kept. `- ` begins a list entry, `## ` a heading. `[text](https://...)` is
a link, `{button: text | https://...}` alone on a line is a button, and `{content}` alone on a line marks where the
data of the email's kind appears.
"""

from dataclasses import dataclass

from notifier.content.errors import ContentError
from notifier.content.links import BUTTON, LINK, check_links
from notifier.content.sandbox import unguard
from notifier.content.web_address import WrongAddressError, web_address

CONTENT = "{content}"


@dataclass(frozen=True, slots=True)
class Span:
    """Text with an optional link; `url` is empty for plain text."""

    text: str
    url: str = ""


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One block. `kind` is paragraph, list (each line is an entry), title, button or content."""

    kind: str
    lines: tuple[Line, ...] = ()
    #: "ltr" or "rtl", and the language, if the direction differs from the text around it.
    direction: str = ""
    language: str = ""

    @property
    def text(self) -> str:
        """Return the block as it appears in the plain-text part."""
        lines = ["".join(map(_as_text, line)) for line in self.lines]
        if self.kind == "button":
            (((button,),)) = self.lines
            return f"{button.text}:\n\n{button.url}"
        return "\n".join(f"* {line}" if self.kind == "list" else line for line in lines)


def check_source(source: str, *, has_data: bool) -> None:
    """Raise ContentError for markup that is surely a mistake. `content`: the kind has data of its own to show."""
    places = 0
    check_links(source)
    for number, line in enumerate(source.split("\n"), 1):
        text = line.strip()
        places += text == CONTENT
        if places and not has_data:
            raise ContentError(f"This email has no data for {CONTENT}. Delete the line.", number)
        if places > 1:
            raise ContentError(f"{CONTENT} can be used only once.", number)
    if has_data and not places:
        raise ContentError(f"Add a line with {CONTENT}; the email's data appears there.")


def blocks_of(text: str, *, strict: bool = False) -> list[Block]:
    """Return the blocks of a text in which all values are filled in, in linear time.

    Invalid links and buttons are shown as they were written; with `strict`, raise ContentError for them.
    """
    found: list[Block] = []
    open_kind, lines = "", list[Line]()

    def close() -> None:
        nonlocal open_kind, lines
        if lines:
            found.append(Block(open_kind, tuple(lines)))
        open_kind, lines = "", []

    for line in text.split("\n"):
        line = line.strip()
        single = _single(line, strict=strict)
        if not line or single:
            close()
            found += [single] if single else []
            continue
        kind = "list" if line.startswith("- ") else "paragraph"
        if kind != open_kind:
            close()
            open_kind = kind
        lines.append(_spans(line.removeprefix("- ") if kind == "list" else line, strict=strict))
    close()
    return found


def _single(line: str, *, strict: bool) -> Block | None:
    """Return the block that consists of this one line, or None."""
    if line == CONTENT:
        return Block("content")
    if line.startswith("## "):
        return Block("title", (_spans(line[3:], strict=strict),))
    if not line.startswith("{"):
        return None
    button = BUTTON.fullmatch(line)
    if button is None:
        return None
    label, url = unguard(button.group(1)).strip(), unguard(button.group(2)).strip()
    if not label:
        if strict:
            raise ContentError("A button needs a label.")
        return None
    address = _address(f"button “{label}”", url, strict=strict)
    return Block("button", ((Span(label, address),),)) if address else None


def _address(of: str, url: str, *, strict: bool) -> str:
    """Return the address in ASCII; empty if it cannot be opened. With `strict`, raise ContentError then."""
    try:
        return web_address(url)
    except WrongAddressError as error:
        if strict:
            raise ContentError(f"The {of} needs an address that can be opened. {error}") from None
        return ""


def _spans(line: str, *, strict: bool) -> Line:
    spans, end = [], 0
    for link in LINK.finditer(line):
        label, url = unguard(link.group(1)), unguard(link.group(2))
        address = _address(f"link “{label}”", url, strict=strict)
        if not address:
            continue
        if link.start() > end:
            spans.append(Span(unguard(line[end : link.start()])))
        spans.append(Span(label, address))
        end = link.end()
    if end < len(line):
        spans.append(Span(unguard(line[end:])))
    return tuple(spans)


def _as_text(span: Span) -> str:
    # RFC 3986 appendix C: in text, angle brackets tell where an address ends.
    return f"{span.text} <{span.url}>" if span.url and span.url != span.text else span.text
