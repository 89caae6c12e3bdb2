"""The links of a mail, for the people who check where they lead."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

_URL = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True)
class Link:
    """Where it leads and what it says."""

    target: str
    label: str

    @property
    def is_safe(self) -> bool:
        """May our page make it clickable? `javascript:` and `data:` stay text."""
        return self.target.lower().startswith(("http://", "https://", "mailto:"))


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Link] = []
        self._target: str | None = None
        self._label: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._finish()
            self._target = dict(attrs).get("href")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._finish()

    def handle_data(self, data: str) -> None:
        if self._target is not None:
            self._label.append(data)

    def _finish(self) -> None:
        if self._target:
            self.found.append(Link(self._target.strip(), " ".join("".join(self._label).split())))
        self._target = None
        self._label = []


def links_in_html(html: str) -> list[Link]:
    """All `<a href>` in order."""
    parser = _Anchors()
    try:
        parser.feed(html)
        parser.close()
    except AssertionError:  # the stdlib's answer to a malformed `<![…`; what came before it still counts
        return parser.found
    return parser.found


def links_in_text(text: str) -> list[Link]:
    """All http(s) addresses in plain text, without the punctuation that ends a sentence."""
    return [Link(match.rstrip(".,;:!?)]"), "") for match in _URL.findall(text)]


def links_in_angles(header: str, label: str) -> list[Link]:
    """The addresses of a header such as List-Unsubscribe (RFC 2369)."""
    return [Link(target, label) for target in re.findall(r"<([^<>\s]+)>", header)]
