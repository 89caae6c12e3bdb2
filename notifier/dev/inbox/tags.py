"""Tags and text of an HTML email, in time that grows with its length alone.

The standard library's parser takes seconds for 64 kB of half tags, and an inbox must show every input. A tag here
ends at the next `>`, and no tag holds a `<`: enough to find links and the first words, never to clean HTML.
"""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]{0,30}+)([^<>]*+)>|<[!?][^<>]*+>")
_ATTRIBUTE = re.compile(r"""(?<![A-Za-z-])([A-Za-z-]{1,40}+)\s{0,5}=\s{0,5}(?:"([^"]*)"|'([^']*)'|([^\s"']+))""")

#: Elements whose content is no text of the email.
HIDDEN = frozenset({"style", "script", "title", "head"})


class Piece(NamedTuple):
    """Either a tag (`name`, `closes`, `source`: its attributes as written) or, without a name, text."""

    name: str
    closes: bool
    source: str

    def attribute(self, name: str) -> str | None:
        """Return the value of the first attribute with this lower-case name, with its references resolved."""
        for key, double, single, bare in _ATTRIBUTE.findall(self.source):
            if key.lower() == name:
                return html.unescape(double or single or bare)
        return None


def pieces(source: str) -> Iterator[Piece]:
    """Yield the tags and the texts of `source` in order; comments and declarations are left out."""
    end = 0
    for found in _TAG.finditer(source):
        if found.start() > end:
            yield Piece("", False, source[end : found.start()])
        end = found.end()
        if found[2]:
            yield Piece(found[2].lower(), bool(found[1]), found[3])
    if end < len(source):
        yield Piece("", False, source[end:])


def first_words(source: str, length: int) -> str:
    """Return the beginning of the visible text, on one line, of about `length` characters."""
    words: list[str] = []
    hidden, room = 0, length
    for piece in pieces(source):
        if piece.name in HIDDEN:
            hidden = max(0, hidden + (-1 if piece.closes else 1))
        elif not piece.name and not hidden:
            words.append(html.unescape(piece.source[: room + 1000]))
            room -= len(words[-1].strip())
        if room <= 0:
            break
    return " ".join(" ".join(words).split())
