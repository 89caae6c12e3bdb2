"""The links of an email, so that developers can check their targets."""

import re
from dataclasses import dataclass
from html import unescape

from notifier.dev.inbox.tags import Piece, pieces

_URL = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True)
class Link:
    """The target and the text of a link."""

    target: str
    label: str

    @property
    def is_safe(self) -> bool:
        """Return True if the page may make the link clickable. `javascript:` and `data:` stay text."""
        return self.target.lower().startswith(("http://", "https://", "mailto:"))


def links_in_html(html: str) -> list[Link]:
    """Return all `<a href>` in order."""
    found: list[Link] = []
    target: str | None = None
    label: list[str] = []
    for piece in [*pieces(html), Piece("a", True, "")]:
        if piece.name == "a":
            if target:
                found.append(Link(target.strip(), unescape(" ".join("".join(label).split()))))
            target, label = (None if piece.closes else piece.attribute("href")), []
        elif not piece.name and target is not None:
            label.append(piece.source)
    return found


def links_in_text(text: str) -> list[Link]:
    """Return all http(s) addresses in plain text, without the punctuation that ends a sentence."""
    return [Link(match.rstrip(".,;:!?)]"), "") for match in _URL.findall(text)]


def links_in_angles(header: str, label: str) -> list[Link]:
    """Return the addresses of a header such as List-Unsubscribe (RFC 2369)."""
    return [Link(target, label) for target in re.findall(r"<([^<>\s]+)>", header)]
