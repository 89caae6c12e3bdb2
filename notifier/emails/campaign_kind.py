"""CampaignKind: a kind of mail that campaigns send, and the rule of who gets it.

The rule is a list of exclusions, each a condition in SQL with a reason in words. One and the same list
gives the plan its counts, the expansion its rows, `why` its answers, and stops the sender at the last moment.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Executable, Select, SQLColumnExpression
from sqlalchemy.orm import Session

from notifier.content import Content
from notifier.emails.kind import EmailKind
from notifier.ledger import Claimed


class Reaches(enum.StrEnum):
    """Which accounts a kind goes to, by whether they have confirmed their address (`User.verified_at`)."""

    confirmed = "confirmed"
    unconfirmed = "unconfirmed"
    both = "both"


class NoSettings(BaseModel):
    """Of a kind that needs none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One campaign at one slot: all that the rule may depend on, besides the people."""

    campaign_id: int
    name: str
    kind: str
    slot: datetime
    #: The campaign's.
    zone: ZoneInfo
    #: An instance of the kind's Settings.
    settings: Any
    #: When the campaign was made: what happened long before is nobody's news.
    since: datetime
    #: It goes when each recipient's own clock shows the time of the slot, so for most of them it is planned ahead.
    by_their_clocks: bool = False
    #: Between slots, for people who want to hear as soon as something happens: see `CampaignKind.prompted`.
    prompt: bool = False
    #: Those people are served between slots, so this slot is not for them.
    prompts_elsewhere: bool = False
    #: The edition of its content, for kinds that have editions.
    edition: int = 1


@dataclass(frozen=True, slots=True)
class Columns:
    """What a condition may name besides the columns of User: the values of the recipient's own zone.

    Each is an expression; where the recipient's zone is of no use it gives the campaign's values.
    """

    #: When this mail is due: the slot, or its wall clock where the reader is.
    send_at: ColumnElement[datetime]
    #: The kind's `window` in the zone that counts for this recipient.
    since: ColumnElement[datetime]
    until: ColumnElement[datetime]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why somebody is left out."""

    #: For counts and tests: lower case with underscores, stable.
    code: str
    #: For people: completes "gets nothing, because ...".
    words: str
    where: ColumnElement[bool]
    #: The values that it was judged by, by a name for people.
    values: Mapping[str, SQLColumnExpression[Any]]
    #: Asked again right before sending. False for what the expansion itself changes, such as "not yet due".
    lasting: bool = True


class CampaignKind(EmailKind):
    """One kind of campaign mail. Stateless: one instance serves every thread."""

    #: So often it is asked, between slots, whether somebody wants to hear as soon as something happens. None: never.
    prompt_every: timedelta | None = None
    #: Only accounts of this sort get it. A campaign may widen `confirmed`; nothing widens `unconfirmed`.
    reaches: ClassVar[Reaches] = Reaches.confirmed
    #: Checks and completes `Campaign.settings`.
    Settings: ClassVar[type[BaseModel]] = NoSettings
    #: What of its context edited words may name, each with an example of its value: see `wording.offered`.
    offers: ClassVar[Mapping[str, Any]] = {}
    #: It has something of its own to show, the block `data` of its templates: it stands where edited words say
    #: {content}.
    has_data: ClassVar[bool] = False

    #: Its content makes it the email that it is: a new message takes the next edition, which everybody gets. Kinds
    #: whose emails differ by period or step have none: whatever is saved is a correction.
    editions: ClassVar[bool] = False
    #: The settings that are content: given once, when the campaign is created; from then on content has versions.
    text_settings: ClassVar[frozenset[str]] = frozenset()

    def content(self, settings: Any) -> Content:
        """What operators begin with when they edit the words: as its template files say them."""
        return Content("", "", "")

    def rewritten(self, content: Content, changes: Mapping[str, Any]) -> Content:
        """Return the content with these of its `text_settings` changed; None takes one away.

        Raises ValueError, with words for people, for a value that cannot be.
        """
        raise NotImplementedError

    def window(self, occasion: Occasion, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """[since, until) of what the mail is about, for readers of `zone`. The slot alone where it is about nothing."""
        return occasion.slot, occasion.slot

    def ready_at(self, occasion: Occasion) -> datetime | None:
        """Return from when on everything has happened that its emails are about: no run is expanded before.

        None: at any time.
        """
        return None

    def timing(self, occasion: Occasion, step: timedelta | None) -> str:
        """Return in a sentence for operators when an email goes, if the schedule alone does not say it.

        `step` is the time from one slot to the next; None if there is no next one.
        """
        return ""

    def prompted(self) -> ColumnElement[bool]:
        """Return a condition on User: who is served between slots. Of a kind with `prompt_every` only."""
        raise NotImplementedError

    def exclusions(self, occasion: Occasion, columns: Columns) -> Sequence[Exclusion]:
        """Who is left out, in the order in which a reason counts. Suppression, opt-out, `reaches` and the campaign's
        audience are judged before, whoever has this very mail already after.
        """
        return ()

    def period(self, occasion: Occasion, columns: Columns) -> ColumnElement[str] | str:
        """The middle of the key (campaign, period or step, user): ASCII, 64 characters at most.

        It decides what counts as the same mail, whichever run it comes from.
        """
        raise NotImplementedError

    def params(self, occasion: Occasion, columns: Columns) -> Mapping[str, ColumnElement[Any] | str | int]:
        """What the row must remember so that rendering it again gives the same bytes; never an address or a name.

        Datetimes are stored as integers (seconds since the epoch) by `Columns`' consumers.
        """
        return {}

    def after_expansion(self, occasion: Occasion, people: Select[int]) -> Sequence[Executable]:
        """Statements of the expansion's own transaction, for the chunk of `people` (their ids) that was judged."""
        return ()

    def load(self, session: Session, rows: Sequence[Claimed]) -> Mapping[int, Any]:
        """What the contexts of these rows need from the database, by the row's key, in few statements.

        It becomes `Owed.data`. The same rows give the same data however late it is asked for.
        """
        return {}

    def lifetime_of(self, occasion: Occasion) -> timedelta:
        """After this time since the slot the mail is of no use. `Campaign.lifetime` goes before."""
        return self.lifetime
