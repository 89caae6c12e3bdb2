"""Check and fill in the three texts of an email that an operator writes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from jinja2 import Template

from notifier.content.errors import ContentError
from notifier.content.language import TAG, language_of
from notifier.content.links import check_links
from notifier.content.markup import check_source
from notifier.content.parser import fixed_length, parse
from notifier.content.sandbox import ENVIRONMENT, fill
from notifier.content.schema import Record, Sample, fit, shape_of
from notifier.mail.header_text import SUBJECT_LIMIT

FIELDS = ("subject", "heading", "body")

#: Longest source of a subject or heading, in characters.
MAX_LINE = 1000


def too_long(length: int) -> str:
    """Return the message for a subject of `length` characters, which is too long."""
    return f"The subject has {length} characters; at most {SUBJECT_LIMIT} are allowed. Shorten it."


@dataclass(frozen=True, slots=True)
class Content:
    r"""The sources as an operator wrote them, with line ends as \n."""

    subject: str
    heading: str
    body: str
    #: BCP 47. If empty, it is derived from the letters.
    language: str = ""

    @classmethod
    def of(cls, subject: str, heading: str, body: str, language: str = "") -> "Content":
        r"""Build from the fields of a form, in which browsers send \r\n."""
        texts = (subject, heading, body, language)
        return cls(*(text.replace("\r\n", "\n").replace("\r", "\n").strip() for text in texts))

    @property
    def read_in(self) -> str:
        """Return the language (BCP 47) to declare: the one that was named, or else the one its letters suggest."""
        return self.language or language_of("\n".join((self.subject, self.heading, self.body)))

    @property
    def digest(self) -> str:
        """Return the SHA-256 over all texts, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Drawn:
    """The three texts with all values filled in and guarded (`sandbox.guard`), before their markup is read."""

    subject: str
    heading: str
    body: str


class Checked:
    """Content that passed the checks. It is compiled when it is first needed; threads may share it."""

    def __init__(self, content: Content, offered: Sample, *, has_data: bool = False) -> None:
        """Check `content`. `offered` has example values by name; `content` says whether the kind shows data of its own.

        Raise ContentError with the field and the line.
        """
        self.content = content
        if content.language and not TAG.match(content.language):
            raise ContentError("Enter the language as a short code, such as en, he or pt-BR.", field="language")
        #: BCP 47.
        self.language = content.read_in
        self._shape = Record({name: shape_of(value) for name, value in offered.items()})
        for field in FIELDS:
            try:
                self._check(field, getattr(content, field), has_data=has_data)
            except ContentError as error:
                raise error.within(field) from None

    def _check(self, field: str, source: str, *, has_data: bool) -> None:
        parse(source, self._shape.fields)
        if field == "body":
            check_source(source, has_data=has_data)
            return
        if "\n" in source or len(source) > MAX_LINE:
            raise ContentError(f"This must be a single line of at most {MAX_LINE} characters.")
        if field == "subject" and not source:
            raise ContentError("An email needs a subject.")
        check_links(source, allowed=False)

    def check_length(self) -> None:
        """Raise ContentError for a subject that is too long with any values: it would be cut in every email."""
        found = fixed_length(parse(self.content.subject, self._shape.fields))
        if found > SUBJECT_LIMIT:
            raise ContentError(too_long(found), field="subject")

    @cached_property
    def _templates(self) -> dict[str, Template]:
        return {field: ENVIRONMENT.from_string(getattr(self.content, field)) for field in FIELDS}

    def draw(self, context: Mapping[str, Any]) -> Drawn:
        """Fill in these values; other entries of `context` are not visible. Raise ContentError if it becomes too long.

        This is safe in the process that sends: a checked source can call nothing, a loop runs once over a list of
        limited length, no filter repeats or pads text, and the output is counted while it is produced.
        """
        known = fit(self._shape, context)
        texts = {}
        for field, template in self._templates.items():
            try:
                texts[field] = fill(template, known)
            except ContentError as error:
                raise error.within(field) from None
        return Drawn(**texts)
