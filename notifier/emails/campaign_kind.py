"""CampaignKind: a kind of email that campaigns send, and the rule of who gets it.

The rule is a list of exclusions, each an SQL condition with a reason for people. The same list gives the plan its
counts, the expansion its rows and `why` its answers, and stops the sender at the last moment.
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
    """The accounts that a kind goes to, by whether their address is confirmed (`User.verified_at`)."""

    confirmed = "confirmed"
    unconfirmed = "unconfirmed"
    both = "both"


class NoSettings(BaseModel):
    """Settings of a kind that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One campaign at one slot: everything that the rule may depend on, besides the people."""

    campaign_id: int
    name: str
    kind: str
    slot: datetime
    #: The campaign's.
    zone: ZoneInfo
    #: An instance of the kind's Settings.
    settings: Any
    #: When the campaign was created: what happened long before is not reported.
    since: datetime
    #: Whether it is sent at the slot's time of day in each recipient's time zone, so most emails are planned ahead.
    by_their_clocks: bool = False
    #: Whether this is a prompt run, between slots: see `CampaignKind.prompted`.
    prompt: bool = False
    #: Whether prompt runs serve those people, so that this slot does not.
    prompts_elsewhere: bool = False
    #: The edition of its content, for kinds that have editions.
    edition: int = 1


@dataclass(frozen=True, slots=True)
class Columns:
    """Values of the recipient's own zone that a condition may use, besides the columns of User.

    Each is an expression; if the recipient's zone is invalid it gives the campaign's values.
    """

    #: When this email is due: at the slot, or at its local time in the recipient's zone.
    send_at: ColumnElement[datetime]
    #: The kind's `window` in the zone that counts for this recipient.
    since: ColumnElement[datetime]
    until: ColumnElement[datetime]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A reason for which people are excluded."""

    #: For counts and tests: lower case with underscores, stable.
    code: str
    #: For people: completes "gets nothing, because ...".
    words: str
    where: ColumnElement[bool]
    #: The values that decide, by a name for people.
    values: Mapping[str, SQLColumnExpression[Any]]
    #: Whether it is checked again right before sending. False if the expansion itself changes it, such as "not yet
    #: due".
    lasting: bool = True
    #: When it began to hold, if a row says so: what a plan compares with its moment.
    began: SQLColumnExpression[datetime | None] | None = None


class CampaignKind(EmailKind):
    """One kind of campaign email. Stateless: one instance serves all threads."""

    #: Interval at which it is checked, between slots, whether prompt emails are due. None: the kind has none.
    prompt_every: timedelta | None = None
    #: The accounts that get it. A campaign may widen `confirmed`, but not `unconfirmed`.
    reaches: ClassVar[Reaches] = Reaches.confirmed
    #: Validates and completes `Campaign.settings`.
    Settings: ClassVar[type[BaseModel]] = NoSettings
    #: The names of its context that edited content may use, with example values: see `content_variables.offered`.
    offers: ClassVar[Mapping[str, Any]] = {}
    #: Whether its templates have a block `data` of their own, which edited content places with {content}.
    has_data: ClassVar[bool] = False

    #: Whether its content makes it the email that it is: a new message takes the next edition, which the whole audience
    #: gets. Kinds whose emails differ by period or step have none: everything saved is a correction.
    editions: ClassVar[bool] = False
    #: The settings that are content: given when the campaign is created; from then on content has versions.
    text_settings: ClassVar[frozenset[str]] = frozenset()

    def content(self, settings: Any) -> Content:
        """Return the content that operators start editing with: the default text of its templates."""
        return Content("", "", "")

    def rewritten(self, content: Content, changes: Mapping[str, Any]) -> Content:
        """Return the content with these of its `text_settings` changed; None removes one.

        Raise ValueError, with a text for people, if a value is invalid.
        """
        raise NotImplementedError

    def window(self, occasion: Occasion, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return [since, until), the period that the email is about, in `zone`.

        Both are the slot if there is no period.
        """
        return occasion.slot, occasion.slot

    def ready_at(self, occasion: Occasion) -> datetime | None:
        """Return the moment from which everything has happened that its emails are about; None: at any time.

        No run is expanded before.
        """
        return None

    def timing(self, occasion: Occasion, step: timedelta | None) -> str:
        """Return a sentence for operators about when an email is sent, if the schedule alone does not say it.

        `step`: the time from one slot to the next; None if there is no next one.
        """
        return ""

    def prompted(self) -> ColumnElement[bool]:
        """Return a condition on User for people served between slots. Only for kinds with `prompt_every`."""
        raise NotImplementedError

    def exclusions(self, occasion: Occasion, columns: Columns) -> Sequence[Exclusion]:
        """Return the reasons for exclusion, in the order in which they count.

        Suppression, opt-out, `reaches` and the campaign's audience are judged before them; whether the person has this
        very email already is judged after them.
        """
        return ()

    def period(self, occasion: Occasion, columns: Columns) -> ColumnElement[str] | str:
        """Return the middle of the dedupe key (campaign, period or step, user): ASCII, at most 64 characters.

        It decides which emails count as the same one, in any run.
        """
        raise NotImplementedError

    def params(self, occasion: Occasion, columns: Columns) -> Mapping[str, ColumnElement[Any] | str | int]:
        """Return the values that a row stores so that rendering it again gives the same bytes; no address or name.

        Moments are stored as numbers (see `notifier.database.expressions`).
        """
        return {}

    def after_expansion(self, occasion: Occasion, people: Select[int]) -> Sequence[Executable]:
        """Return statements for the expansion's transaction, about the chunk of `people` (ids) that was judged."""
        return ()

    def load(self, session: Session, rows: Sequence[Claimed]) -> Mapping[int, Any]:
        """Return what the contexts of these rows need from the database, by row key, in few statements.

        It becomes `Owed.data`. The same rows give the same data at any later time.
        """
        return {}

    def lifetime_of(self, occasion: Occasion) -> timedelta:
        """Return the time from the slot after which the email is of no use. `Campaign.lifetime` overrides it."""
        return self.lifetime
