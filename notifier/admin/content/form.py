"""The form of the content page: what it reads, and what it shows next to it."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import request

from notifier.admin.kit import arguments
from notifier.campaigns.content_versions import ContentChange
from notifier.content import FIELDS, Content, ContentError
from notifier.emails.content_variables import EXAMPLES, Example

#: Lines around a difference, and the maximum of lines that are compared.
AROUND, MAX_COMPARED = 3, 4000


@dataclass(frozen=True, slots=True)
class Typed:
    """The form, exactly as it was sent."""

    content: Content
    note: str
    #: The person whose email is shown; empty: an example.
    person: str
    #: The key of the version that the edit began with.
    seen: int
    #: The example whose email is shown if no person is given.
    example: Example = EXAMPLES[0]
    #: What it means to people who have the version before.
    change: ContentChange = ContentChange.correction
    #: Whether waiting emails get it, too.
    move: bool = True
    #: What is wrong with the texts around the content.
    mistake: "Mistake | None" = None


def typed(sent: Mapping[str, str] | None = None) -> Typed:
    """Read the form: this request's, or one that was `sent` before. Mistakes in the content are told later."""
    source = request.form if sent is None else sent
    seen = source.get("seen", "")
    note, note_wrong = arguments.typed("note", 300, sent=source)
    person, person_wrong = arguments.typed("person", 320, sent=source)
    wrong = {"note": note_wrong, "person": person_wrong}
    return Typed(
        Content.of(**{name: source.get(name, "") for name in (*FIELDS, "language")}),
        note,
        person,
        int(seen) if seen.isdecimal() and len(seen) < 19 else 0,
        example(source.get("example", "")),
        ContentChange.new_message if source.get("change") == ContentChange.new_message else ContentChange.correction,
        source.get("move", "") == "yes",
        next((Mistake(name, words) for name, words in wrong.items() if words), None),
    )


def example(key: str) -> Example:
    """Return the example with this key; the first if there is none."""
    return next((each for each in EXAMPLES if each.key == key), EXAMPLES[0])


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, where, and the line that it is about."""

    field: str
    words: str
    line: str = ""

    @classmethod
    def of(cls, error: ContentError, content: Content) -> "Mistake":
        """Place the mistake next to its field; next to the body if it belongs to none."""
        field = error.field or "body"
        lines = getattr(content, field).split("\n")
        line = lines[error.line - 1].strip() if 0 < error.line <= len(lines) and len(lines) > 1 else ""
        return cls(field, str(error), line[:120])


def names(offered: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (what to write, an example of the result) for each available name."""
    found = []
    for name, value in offered.items():
        if isinstance(value, Mapping):
            found += [(f"{{{{ {name}.{part} }}}}", str(inner)) for part, inner in value.items()]
        else:
            found.append((f"{{{{ {name} }}}}", str(value)))
    return found


@dataclass(frozen=True, slots=True)
class Difference:
    """One text in two versions: (sign, line), the sign one of + - or a space; a gap has none."""

    field: str
    lines: list[tuple[str, str]]


def compare(old: Content, new: Content) -> list[Difference]:
    """Return the texts that differ."""
    return [
        Difference(name, list(_lines(getattr(old, name), getattr(new, name))))
        for name in (*FIELDS, "language")
        if getattr(old, name) != getattr(new, name)
    ]


def _lines(old: str, new: str) -> Iterator[tuple[str, str]]:
    before, after = old.split("\n")[:MAX_COMPARED], new.split("\n")[:MAX_COMPARED]
    matcher = difflib.SequenceMatcher(None, before, after)
    for number, group in enumerate(matcher.get_grouped_opcodes(AROUND)):
        if number:
            yield "", "…"
        for what, start, end, from_, to in group:
            if what == "equal":
                yield from ((" ", line) for line in before[start:end])
                continue
            yield from (("-", line) for line in before[start:end])
            yield from (("+", line) for line in after[from_:to])
