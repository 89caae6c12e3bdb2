"""One compiled shape of an email, and the shapes of the rows of its loops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from notifier.mail.mime import EncodedBody
from notifier.rendering.compiled.forms import HoledText, RowSegments, Segments, Wrapped
from notifier.rendering.compiled.rows import SeenRow, SeenRows
from notifier.rendering.compiled.syntax_tree import NotFlat
from notifier.rendering.compiled.values import Key, Unfit

#: Subject, text and HTML.
Filled = tuple[str, EncodedBody, EncodedBody]
#: The texts of values, in the order of their numbers.
Texts = list[str]
#: The name that a loop is over, and the key of a row.
RowKey = tuple[str, Key]


@dataclass(frozen=True, slots=True)
class RowForms:
    """A row as each loop writes it, by the number of the loop."""

    text: dict[int, HoledText]
    html: dict[int, RowSegments]
    #: Whether it has values of the row alone.
    is_alone: bool

    @property
    def loops(self) -> int:
        """Return the number of loops."""
        return len(self.text) + len(self.html)


@dataclass(frozen=True, slots=True)
class Shape:
    """The forms of an email's parts."""

    subject: HoledText
    text: Segments | Wrapped
    html: Segments
    #: Numbers below this one are those of the values of a row.
    row_width: int
    #: The name that each loop is over, by its number. Loops elsewhere than in the text are None there.
    text_loops: list[str | None]
    html_loops: dict[int, str]
    #: Those that are not the same in every email. None: such a row cannot be filled in.
    rows: Mapping[RowKey, RowForms | None]
    #: Those that are; all shapes of a kind share them.
    shared: dict[RowKey, RowForms]

    def with_rows(self, rows: Mapping[RowKey, RowForms | None]) -> "Shape":
        """Return the shape with more shapes of rows."""
        return replace(self, rows={**self.rows, **rows})

    def fill(self, values: Texts, seen: SeenRows) -> Filled:
        """Fill in an email. Raise Unfit if it does not fit."""
        known = [*[""] * self.row_width, *values]
        subject = " ".join(self.subject.fill(known).split())
        if not subject:
            raise Unfit("templates may test for a subject")
        known.append(subject)
        if not seen:
            return subject, EncodedBody(self.text.fill(known)), EncodedBody(self.html.fill(known))
        rows = {name: [self._row(name, row, known) for row in each] for name, each in seen.items()}
        in_html = {
            loop: [(row.forms.html[loop], row.values, row.html) for row in rows[name]]
            for loop, name in self.html_loops.items()
        }
        html = self.html.fill(known, in_html)
        known += [
            "" if name is None else "".join([row.as_text(loop) for row in rows[name]])
            for loop, name in enumerate(self.text_loops)
        ]
        return subject, EncodedBody(self.text.fill(known)), EncodedBody(html)

    def _row(self, name: str, row: SeenRow, known: Texts) -> "_Row":
        forms = self.shared.get((name, row.key)) or self.rows.get((name, row.key))
        if forms is None:
            raise Unfit("a row that was not compiled")
        if forms.is_alone:
            return _Row(forms, row.texts, *row.filled_by(forms))
        return _Row(forms, row.texts + known[len(row.texts) :], {}, {})


class _Row(NamedTuple):
    """A row of one email."""

    forms: RowForms
    #: By their numbers.
    values: Texts
    #: What was made of it so far, by the number of the loop.
    text: dict[int, str]
    html: dict[int, bytes]

    def as_text(self, loop: int) -> str:
        text = self.text.get(loop)
        if text is None:
            text = self.text[loop] = self.forms.text[loop].fill(self.values)
        return text


def row_forms(
    probed: Mapping[str, Sequence[RowKey | None]],
    loops: Sequence[str],
    text: Mapping[int, list[str]],
    html: Mapping[int, list[str]],
    *,
    width: int,
) -> dict[RowKey, RowForms | None]:
    """Return the forms of rows that were rendered with marks.

    Raise NotFlat if a loop has not as many as it should.

    Args:
        probed: The keys of the rows that each name had; None: none is wanted.
        loops: The name that each loop is over, by its number.
        text: The rows that each loop of the text rendered.
        html: The same for the HTML.
        width: Numbers of values below this are those of a row.
    """
    for loop, rows in [*text.items(), *html.items()]:
        if len(rows) != len(probed[loops[loop]]):
            raise NotFlat("a loop without some of its rows")
    found: dict[RowKey, RowForms | None] = {}
    for name, keys in probed.items():
        for place, key in enumerate(keys):
            if key is not None:
                in_text = {loop: HoledText.of(rows[place]) for loop, rows in text.items() if loops[loop] == name}
                in_html = {
                    loop: RowSegments.of(rows[place], escaped=True)
                    for loop, rows in html.items()
                    if loops[loop] == name
                }
                numbers = [form.numbers for form in in_text.values()] + [form.numbers for form in in_html.values()]
                alone = all(number < width for each in numbers for number in each)
                found[key] = RowForms(in_text, in_html, is_alone=alone)
    return found
