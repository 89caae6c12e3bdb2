"""announcement: one message, written in the campaign's settings, to everybody in its audience."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from notifier.emails.campaign_kind import CampaignKind, Columns, Occasion
from notifier.emails.kind import Category, Owed
from notifier.emails.wording import GREETING, literally
from notifier.ledger import Claimed
from notifier.models import Campaign
from notifier.words import Words


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of plain text")
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _https(url: str) -> str:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("must be an https address")
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.password:
        raise ValueError("must be an https address without a user name")
    return url


Line = Annotated[str, AfterValidator(_one_line)]


class Text(BaseModel):
    """The words. Plain text: what looks like markup is shown as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: Line = Field(max_length=200, title="Subject")
    heading: Line = Field(max_length=200, title="Heading")
    paragraphs: tuple[Annotated[Line, Field(max_length=2000)], ...] = Field(
        min_length=1, max_length=20, title="Paragraphs", description="An empty line begins a new one."
    )
    button_text: Annotated[Line, Field(max_length=60)] | None = Field(None, title="Button: its words")
    button_url: Annotated[str, Field(max_length=1000), AfterValidator(_https)] | None = Field(
        None, title="Button: where it leads", description="An address that begins with https://"
    )
    again: bool = Field(
        False,
        title="The same words again at every slot",
        description="Without it nobody gets them twice, however often the campaign runs.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.button_text is None) is not (self.button_url is None):
            raise ValueError("a button needs both, button_text and button_url")
        return self

    @property
    def digest(self) -> str:
        """What makes it this text and no other."""
        words = self.model_dump(mode="json", exclude={"again"})
        return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]


class Announcement(CampaignKind):
    """News for many, once."""

    name: ClassVar[str] = "announcement"
    category: ClassVar[Category] = Category.news
    lifetime: ClassVar[timedelta] = timedelta(days=3)
    because: ClassVar[str] = "You get this mail because you have an account with us."
    Settings: ClassVar[type[BaseModel]] = Text

    def period(self, occasion: Occasion, columns: Columns) -> ColumnElement[str] | str:
        """The words themselves: other words are another mail."""
        text: Text = occasion.settings
        return f"{text.digest}-{occasion.slot:%Y%m%dT%H%M%S}" if text.again else text.digest

    def unwanted(self, owed: Owed) -> str | None:
        """Whoever does not want news is asked about before."""
        return None if owed.data is not None else "the campaign has no text any more"

    def load(self, session: Session, rows: Sequence[Claimed]) -> Mapping[int, Text]:
        """The words of each row's campaign as they are now; none where they cannot be read."""
        ids = {row.campaign_id for row in rows}
        texts = {}
        for pk, settings in session.execute(select(Campaign.id, Campaign.settings).where(Campaign.id.in_(ids))):
            try:
                texts[pk] = Text.model_validate(settings)
            except ValidationError:
                continue
        return {row.id: texts[row.campaign_id] for row in rows if row.campaign_id in texts}

    def words(self, settings: Text) -> Words:
        """Those of the settings, as they are now: edited ones go before them from then on."""
        label, url = literally(settings.button_text or ""), literally(settings.button_url or "")
        button = f"{{button: {label} | {url}}}" if url else ""
        body = "\n\n".join(filter(None, [GREETING, *map(literally, settings.paragraphs), button]))
        return Words(literally(settings.subject), literally(settings.heading), body)

    def context(self, owed: Owed) -> dict[str, Any]:
        """The words."""
        text: Text = owed.data
        return {
            "title": text.subject,
            "heading": text.heading,
            "paragraphs": text.paragraphs,
            "button_text": text.button_text,
            "button_url": text.button_url,
        }
