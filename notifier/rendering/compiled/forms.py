"""Represent parts of an email with holes: constants are already quoted-printable, values are encoded per email.

A soft line break precedes and follows each hole, so that neither side needs to know the other's length (RFC 2045 6.7):
the decoded text is the same, and no line exceeds 76 characters.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import escape

from notifier.mail.mime import EncodedBody, quoted_lines, quoted_printable
from notifier.rendering.compiled.marked_render import MAX_NUMBER, split, split_wrapped
from notifier.rendering.compiled.syntax_tree import NotFlat
from notifier.rendering.compiled.values import Unfit
from notifier.rendering.wrap import wordwrap

_SOFT = b"=\r\n"
#: Ends each value while it is encoded: so a blank before it is never at the end of a line and stays as it is, and
#: there is room for the `=` of a soft line break.
_GUARD = "~"
_BETWEEN, _ENCODED_BETWEEN = f"{_GUARD}\n", f"{_GUARD}\r\n".encode()
#: A separate line between runs of lines that are wrapped and encoded together.
_FENCE, _ENCODED_FENCE = "~~~\n", b"~~~\r\n"


def encode_values(values: list[str], *, escaped: bool) -> list[bytes]:
    """Encode each value in quoted-printable, for a place between soft line breaks. Newlines become CRLF."""
    joined = _BETWEEN.join([*values, ""]).replace("\n", "\r\n")
    if escaped:
        joined = escape(joined)
    # Encoding all at once costs little more than encoding one of them.
    encoded = quoted_lines(joined.encode()).split(_ENCODED_BETWEEN)
    encoded.pop()  # what follows the last guard
    if len(encoded) != len(values):
        raise Unfit("a value looks like several")
    return encoded


@dataclass(frozen=True, slots=True)
class HoledText:
    """A text with values between its pieces."""

    pieces: list[str]
    numbers: list[int]

    @classmethod
    def of(cls, text: str) -> "HoledText":
        """Build from text with marks."""
        constants, numbers = split(text, escaped=False)
        return cls([piece for constant in constants for piece in (constant, "")][:-1], numbers)

    def fill(self, values: list[str]) -> str:
        """Return the text with these values."""
        pieces = self.pieces.copy()
        pieces[1::2] = [values[number] for number in self.numbers]
        return "".join(pieces)


@dataclass(frozen=True, slots=True)
class RowSegments:
    """A row of a loop: encoded constants at even indexes and holes at odd ones. It ends with a line break."""

    parts: list[bytes]
    numbers: list[int]

    @classmethod
    def of(cls, text: str, *, escaped: bool) -> "RowSegments":
        """Build from text with marks."""
        constants, numbers = split(text, escaped=escaped)
        parts = [_between_breaks(constant, first=not place) for place, constant in enumerate(constants)]
        return cls(_with_room(parts), numbers)


#: The rows of a loop: of each its form, its values, and what was made of it so far, by the number of the loop.
FilledRows = list[tuple[RowSegments, list[str], dict[int, bytes]]]
NO_ROWS: Mapping[int, FilledRows] = {}


@dataclass(frozen=True, slots=True)
class Segments:
    """Encoded constants at even indexes and holes at odd ones; value `wanted[places[n]]` goes into hole n.

    A hole whose number is `first_loop` or more is for the rows of a loop; its place is None.
    """

    parts: list[bytes]
    wanted: list[int]
    places: list[int | None]
    #: Number of the loop, and index of its hole in `parts`.
    loops: list[tuple[int, int]]
    escaped: bool

    @classmethod
    def of(cls, text: str, *, escaped: bool, first_loop: int = MAX_NUMBER) -> "Segments":
        """Build from text with marks. Raise NotFlat if it ends with a value."""
        constants, numbers = split(text, escaped=escaped)
        if not constants[-1]:
            raise NotFlat("the part ends with a value, which may end with a blank")
        *before, last = constants
        parts = [_between_breaks(constant, first=not place) for place, constant in enumerate(before)]
        parts.append((_SOFT if before else b"") + quoted_printable(last))
        wanted = sorted({number for number in numbers if number < first_loop})
        places = [wanted.index(number) if number < first_loop else None for number in numbers]
        loops = [(number - first_loop, 2 * hole + 1) for hole, number in enumerate(numbers) if number >= first_loop]
        return cls(_with_room(parts), wanted, places, loops, escaped)

    def fill(self, values: list[str], rows: Mapping[int, FilledRows] = NO_ROWS) -> bytes:
        """Return the encoded part with these values and rows, by the number of their loop. Raise Unfit."""
        texts = [values[number] for number in self.wanted]
        # The values of all rows are encoded together with the others: one call costs as much as the values of a row.
        # Looked up once: a row may be there twice, and another thread may make it meanwhile.
        known = [[made.get(loop) for _, _, made in rows[loop]] for loop, _ in self.loops]
        for (loop, _), ready in zip(self.loops, known, strict=True):
            for (form, own, _), row in zip(rows[loop], ready, strict=True):
                if row is None:
                    texts += [own[number] for number in form.numbers]
        encoded = encode_values(texts, escaped=self.escaped)
        parts = self.parts.copy()
        parts[1::2] = [b"" if place is None else encoded[place] for place in self.places]
        start = len(self.wanted)
        for (loop, hole), ready in zip(self.loops, known, strict=True):
            for place, (form, _, made) in enumerate(rows[loop]):
                if ready[place] is None:
                    end = start + len(form.numbers)
                    filled = form.parts.copy()
                    filled[1::2] = encoded[start:end]
                    ready[place] = made[loop] = b"".join(filled)
                    start = end
            parts[hole] = b"".join(ready)  # type: ignore[arg-type]  # all are there by now
        return b"".join(parts)


def _between_breaks(constant: str, *, first: bool) -> bytes:
    """Encode a constant with soft line breaks around it, except at the beginning of a line."""
    encoded = quoted_printable(constant + _GUARD).removesuffix(_GUARD.encode())
    if not first:
        encoded = _SOFT + encoded
    return encoded if not encoded or encoded.endswith(b"\r\n") else encoded + _SOFT


def _with_room(parts: list[bytes]) -> list[bytes]:
    return [piece for part in parts for piece in (part, b"")][:-1]


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A text with wrapped lines: lines with holes are wrapped per email, the others in advance."""

    parts: list[bytes]
    lines: HoledText
    width: int

    @classmethod
    def of(cls, wrapped: str, width: int, after: str) -> "Wrapped":
        """Build from text with marks, and the constant text after it. Raise NotFlat if it is not of this form."""
        runs = _runs(wrapped)
        if split(after, escaped=False)[1]:
            raise NotFlat("what follows the wrapped text is not constant")
        if not all(run.endswith("\n") for run in runs[1::2]) or not (runs[-1] or after.startswith("\n")):
            raise NotFlat("the wrapped text ends with a value, which may be empty")
        constants = [f"{wordwrap(run, width)}\n" if run else "" for run in runs[::2]]
        # Wrapped text has no final line end, but a run with values has one: it is the first character of `after`.
        constants[-1] = constants[-1][:-1] + after if constants[-1] else after[1:]
        parts = [quoted_printable(constant) for constant in constants]
        return cls(_with_room(parts), HoledText.of(_FENCE.join([*runs[1::2], ""])), width)

    def fill(self, values: list[str]) -> bytes:
        """Return the encoded part with these values. Raise Unfit."""
        parts = self.parts.copy()
        text = wordwrap(self.lines.fill(values), self.width).replace("\n", "\r\n")
        runs = quoted_lines(text.encode() + b"\r\n").split(_ENCODED_FENCE)
        if len(runs) != len(parts) // 2 + 1:
            raise Unfit("a value looks like a fence")
        parts[1::2] = runs[:-1]
        return b"".join(parts)


def _runs(text: str) -> list[str]:
    """Group whole lines into runs, alternately without and with holes; the first and the last run have none."""
    runs, holes = [""], False
    for line in text.splitlines(keepends=True):
        if bool(split(line, escaped=False)[1]) is not holes:
            runs.append("")
            holes = not holes
        runs[-1] += line
    return [*runs, ""] if holes else runs


def text_form(text: str) -> Segments | Wrapped:
    """Return the form of a text part with marks. Raise NotFlat if the text is empty without its values."""
    found = split_wrapped(text)
    form = Segments.of(text, escaped=False) if found is None else Wrapped.of(*found)
    if not EncodedBody(b"".join(form.parts)).text().strip():
        raise NotFlat("without its values the text is empty")
    return form
