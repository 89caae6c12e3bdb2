"""Links and buttons of a source, before anything is filled in: each is understood, or refused with what to write.

What stands between Jinja's braces counts as one character: only the operator's own signs are markup.
"""

import re
from collections.abc import Iterator

from notifier.content.errors import ContentError
from notifier.content.sandbox import ENVIRONMENT, KEPT_LAST
from notifier.content.web_address import MAX_URL, WrongAddressError, web_address

#: In an address, round brackets come in pairs, as in .../Foo_(bar).
LINK = re.compile(
    r"\[([^\[\]\n]{1,500})\]\(\s{0,5}((?:[^()\s]|\((?:[^()\s]|\([^()\s]{0,200}+\)){0,500}+\)){1,4000}+)\s{0,5}\)"
)
BUTTON = re.compile(r"\{button:([^|{}]{1,300})\|([^|{}]{1,2100})\}")
_HALF = re.compile(r"\]\(")
_BUTTON_BEGINS = re.compile(r"\{\s{0,5}button\b", re.IGNORECASE)

#: In place of an expression: no source may hold it.
_VALUE = KEPT_LAST

_EXAMPLE = "Write a link like this: [text](https://example.com/)."
#: A placeholder decides where the link leads, unless it is the whole address or stands behind the host.
_VALUE_IN_HOST = re.compile(rf"https?://[^/?#{_VALUE}]*{_VALUE}|{_VALUE}[.:@]", re.IGNORECASE)
_IMAGE = f"Images cannot be shown. {_EXAMPLE}"
_TOO_LONG = f"This address is too long; at most {MAX_URL:,} characters are allowed."
_BUTTON = "Write a button like this, alone on its line: {button: Text | https://...}"

#: What people write as links elsewhere, and what to say about it. `](` comes apart, see `_half_a_link`.
_FOREIGN = (
    (rf"\][ \t]{{1,9}}\([ \t]{{0,5}}(?:https?:|www\.|{_VALUE})", f"Delete the space before the address. {_EXAMPLE}"),
    (r"\]\n\([ \t]{0,5}(?:https?:|www\.)", f"Write the link in one line. {_EXAMPLE}"),
    (r"\]\[[^\]\n]{0,200}\]|\]:[ \t]{0,9}<?(?:https?:|www\.)", f"References are not understood. {_EXAMPLE}"),
    (r"<[ \t]{0,5}(?:https?:|mailto:|www\.)", f"Write the address without < and >. {_EXAMPLE}"),
    (r"</?a[\s>]|<img\b", f"HTML is not understood. {_EXAMPLE}"),
    (r"\[/?(?:url|link|img)[=\]]", _EXAMPLE),
)
_FOREIGN_SIGNS = tuple((re.compile(pattern, re.IGNORECASE), message) for pattern, message in _FOREIGN)


def check_links(source: str, *, allowed: bool = True) -> None:
    """Raise ContentError, with its line, for a link or button that would go out as it is written.

    `allowed`: whether this text may have any.
    """
    text, lines = _masked(source)
    found = sorted(_wrong(text) if allowed else _any(text))
    if found:
        place, message = found[0]
        start, number = next(each for each in reversed(lines) if each[0] <= place)
        raise ContentError(message, number + text.count("\n", start, place))


def _masked(source: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text with a sign in place of each expression, and (where it begins, line) for each of its parts."""
    parts, lines, size = [""], [(0, 1)], 0
    for line, token, value in ENVIRONMENT.lexer.tokeniter(source, None):
        part = value if token == "data" else _VALUE if token == "variable_begin" else ""
        if part:
            lines.append((size, line))
            parts.append(part)
            size += len(part)
    return "".join(parts), lines


def _any(text: str) -> Iterator[tuple[int, str]]:
    """Yield (place, message) for what would be a link or a button elsewhere."""
    places = (found.start() for pattern in (LINK, _BUTTON_BEGINS) for found in pattern.finditer(text))
    yield from ((place, "There can be no link here. Write the text alone.") for place in places)
    yield from _wrong(text)


def _wrong(text: str) -> Iterator[tuple[int, str]]:
    """Yield (place, message) for each link or button that is not understood."""
    for link in LINK.finditer(text):
        if text[link.start() - 1 : link.start()] == "!":
            yield link.start(), _IMAGE
        elif wrong := _wrong_address(link[2]):
            yield link.start(), f"{wrong} {_EXAMPLE}"
    rest = LINK.sub(lambda link: " " * len(link[0]), text)
    for half in _HALF.finditer(rest):
        yield half.start(), _half_a_link(rest, half)
    for pattern, message in _FOREIGN_SIGNS:
        yield from ((found.start(), message) for found in pattern.finditer(rest))
    yield from _wrong_buttons(text)


def _wrong_buttons(text: str) -> Iterator[tuple[int, str]]:
    place = 0
    for line in text.split("\n"):
        if _BUTTON_BEGINS.search(line):
            button = BUTTON.fullmatch(line.strip())
            if button is None and len(line.partition("|")[2].strip(" }")) > MAX_URL:
                yield place, f"{_TOO_LONG} {_BUTTON}"
            elif button is None or not button[1].strip():
                yield place, _BUTTON
            elif wrong := _wrong_address(button[2].strip()):
                yield place, f"{wrong} {_BUTTON}"
        place += len(line) + 1


def _wrong_address(url: str) -> str | None:
    """Say what is wrong with an address, or with one that it becomes when its values are filled in."""
    if url.startswith("<"):
        return "Write the address without < and >."
    if _VALUE_IN_HOST.match(url):
        return "A placeholder cannot be part of the host: it can be the whole address, or behind the host."
    if url.startswith(_VALUE):
        return None
    try:
        web_address(url.replace(_VALUE, "x"))
    except WrongAddressError as error:
        return str(error)
    return None


def _half_a_link(text: str, half: re.Match[str]) -> str:
    """Say what is wrong with a link of which only the middle, `](`, is there for certain."""
    label = text[max(0, half.start() - 1000) : half.start()].rpartition("\n")[2].rpartition("[")
    rest = text[half.end() : half.end() + 2 * MAX_URL].partition("\n")[0].strip()
    inside, closed, _ = rest.partition(")")
    if label[0].endswith("!"):
        return _IMAGE
    for wrong, message in (
        (not label[1], "This link has no opening bracket [."),
        (not label[2].strip(), "This link has no text."),
        (rest.startswith("<"), "Write the address without < and >."),
        (len(rest.partition(" ")[0]) > MAX_URL, _TOO_LONG),
        (not closed, "This link has no closing bracket )."),
        (not inside.strip(), "This link has no address."),
        (bool(set(inside) & set("\"'")), "Delete the title behind the address."),
        (len(inside.split()) > 1, "An address has no spaces: write %20."),
    ):
        if wrong:
            return f"{message} {_EXAMPLE}"
    return (
        f"This link cannot be read. {_EXAMPLE} The text has no square brackets; in the address, ( is %28 and ) is %29."
    )
