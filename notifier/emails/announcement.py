"""announcement: one message, written in the campaign's settings, to its whole audience."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from notifier.content import UNSHOWABLE, Content, language_of, web_address
from notifier.emails.campaign_kind import CampaignKind, Columns, Occasion
from notifier.emails.content_variables import GREETING, literally, reading
from notifier.emails.kind import Category, Owed
from notifier.emails.mistakes import plain
from notifier.ledger import Claimed
from notifier.mail.characters import broken_in, is_invisible
from notifier.models import Campaign

#: Characters.
_LONGEST_BUTTON_URL = 1000
_HALF_A_BUTTON = "Button label and button link belong together: fill in both or neither."
_LINE_BREAK = re.compile("[\n\r\u2028\u2029]")


def _shown(text: str) -> str:
    """Return the text without spaces around it. Raise ValueError if content could not hold it, or it shows nothing."""
    if found := broken_in(text, UNSHOWABLE):
        raise ValueError(found)
    if all(char.isspace() or is_invisible(char) for char in text):
        raise ValueError("must not be empty")
    return text.strip()


def _one_line(text: str) -> str:
    if _LINE_BREAK.search(text):
        raise ValueError("must be one line")
    return text


def _one_paragraph(text: str) -> str:
    if _LINE_BREAK.search(text):
        raise ValueError("must not have line breaks within a paragraph")
    return text


def _https(url: str) -> str:
    address = web_address(url, longest=_LONGEST_BUTTON_URL)
    if not address.lower().startswith("https:"):
        raise ValueError("The address of this button starts with https://, not with http://.")
    return address


OneLine = Annotated[str, AfterValidator(_one_line), AfterValidator(_shown)]
Paragraph = Annotated[str, AfterValidator(_one_paragraph), AfterValidator(_shown)]


class Text(BaseModel):
    """The texts of an announcement. They are plain: markup is shown as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: OneLine = Field(max_length=200, title="Subject")
    heading: OneLine = Field(max_length=200, title="Heading")
    paragraphs: tuple[Annotated[Paragraph, Field(max_length=2000)], ...] = Field(
        min_length=1,
        max_length=20,
        title="Paragraphs",
        description="A blank line starts a new one. Plain text: add links and placeholders in the editor of the "
        "content, after saving.",
    )
    button_text: Annotated[OneLine, Field(max_length=60)] | None = Field(None, title="Button label")
    button_url: Annotated[str, AfterValidator(_https)] | None = Field(
        None, title="Button link", description="An address that starts with https://"
    )
    again: bool = Field(
        False,
        title="Send again on every run",
        description="Also to people who had it. If unchecked, each person gets a message only once.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.button_text is None) is not (self.button_url is None):
            raise ValueError(_HALF_A_BUTTON)
        return self


class Announcement(CampaignKind):
    """News for many people, sent once."""

    name: ClassVar[str] = "announcement"
    category: ClassVar[Category] = Category.news
    lifetime: ClassVar[timedelta] = timedelta(days=3)
    because: ClassVar[str] = "You're receiving this because you have an account with us."
    Settings: ClassVar[type[BaseModel]] = Text

    editions: ClassVar[bool] = True
    text_settings: ClassVar[frozenset[str]] = frozenset(
        {"subject", "heading", "paragraphs", "button_text", "button_url"}
    )

    def period(self, occasion: Occasion, columns: Columns) -> ColumnElement[str] | str:
        """Return the edition of the content: a correction is the same email, a new message is another one."""
        edition = f"e{occasion.edition}"
        return f"{edition}-{occasion.slot:%Y%m%dT%H%M%S}" if occasion.settings.again else edition

    def unwanted(self, owed: Owed) -> str | None:
        """Return a reason if the content is gone. Opt-outs are checked before."""
        return None if owed.data is not None else "the campaign no longer has any content"

    def load(self, session: Session, rows: Sequence[Claimed]) -> Mapping[int, "Written"]:
        """Return the texts that each row's campaign was created with; rows whose texts cannot be read are left out."""
        ids = {row.campaign_id for row in rows}
        texts = {}
        query = select(Campaign.id, Campaign.settings, Campaign.audience).where(Campaign.id.in_(ids))
        for pk, settings, audience in session.execute(query):
            try:
                text = Text.model_validate(settings)
            except ValidationError:
                continue
            texts[pk] = Written(text, _language(text, tuple(audience.get("locales") or ())))
        return {row.id: texts[row.campaign_id] for row in rows if row.campaign_id in texts}

    def content(self, settings: Text) -> Content:
        """Return the content that the campaign was created with."""
        return self.rewritten(
            Content("", "", GREETING), settings.model_dump(include=set(self.text_settings), exclude_none=True)
        )

    def rewritten(self, content: Content, changes: Mapping[str, Any]) -> Content:
        """Put plain texts in place of the subject, the heading, the paragraphs (the button stays) or the button."""
        given = {name: _checked(name, value) for name, value in changes.items() if value is not None}
        body, button = _without_button(content.body)
        if "paragraphs" in given:
            body = "\n\n".join([GREETING, *map(literally, given["paragraphs"])])
        if changes.keys() & {"button_text", "button_url"}:
            button = _button(button, changes, given)
        return Content(
            literally(given["subject"]) if "subject" in given else content.subject,
            literally(given["heading"]) if "heading" in given else content.heading,
            "\n\n".join(filter(None, [body, button])),
            content.language,
        )

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return the texts and the reading direction."""
        text, language = owed.data
        return {
            **reading(language),
            "title": text.subject,
            "heading": text.heading,
            "paragraphs": text.paragraphs,
            "button_text": text.button_text,
            "button_url": text.button_url,
        }


class Written(NamedTuple):
    """The texts that a campaign was created with, and their language (BCP 47)."""

    text: Text
    language: str


@lru_cache(maxsize=64)
def _language(text: Text, locales: tuple[str, ...]) -> str:
    return language_of("\n".join((text.subject, text.heading, *text.paragraphs)), locales)


#: Validators of the single fields.
_FIELDS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]  # known when it runs
    for name, field in Text.model_fields.items()
    if name in Announcement.text_settings
}


def _checked(name: str, value: Any) -> Any:
    try:
        return _FIELDS[name].validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}: {plain(error.errors()[0])}") from None


#: A button, alone on its line. The bar between its two parts is not one that `literally` quoted.
_BUTTON_LINE = re.compile(r"\{button:(?=.*\}\Z)(.*?)(?<!['\[\]{}|])\|(?!['\[\]{}|])(.*)\}\Z")


def _button_line(body: str) -> tuple[str, re.Match[str] | None]:
    """Return the body before its last line, and the match of that line if it is a button."""
    text = body.rstrip()
    before, break_, line = text.rpartition("\n")
    return before, _BUTTON_LINE.match(line.lstrip() if break_ else line)


def _without_button(body: str) -> tuple[str, str]:
    """Return the body and the button at its end, both as source text."""
    before, found = _button_line(body)
    return (body, "") if found is None else (before.rstrip(), found[0])


def _button(before: str, changes: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Return the source text of the changed button. Raise ValueError if half of it is missing."""
    _, found = _button_line(before)
    label, url = (found[1].strip(), found[2].strip()) if found else ("", "")
    label = literally(given.get("button_text", "")) if "button_text" in changes else label
    # No sign in an address means anything here: braces and bars are in percent.
    url = given.get("button_url", "") if "button_url" in changes else url
    if bool(label) is not bool(url):
        raise ValueError(f"button_text: {_HALF_A_BUTTON}")
    return f"{{button: {label} | {url}}}" if url else ""
