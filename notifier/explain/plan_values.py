"""What a plan says, as plain values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from notifier.audience import NOT_CONFIRMED
from notifier.campaigns.throughput import Throughput
from notifier.explain.plan_token import Fingerprint, Token


class Rendered(Protocol):
    """A mail to look at."""

    @property
    def subject(self) -> str:
        """As the reader sees it."""

    @property
    def text(self) -> str:
        """As the reader sees it."""

    @property
    def html(self) -> str:
        """As the reader sees it."""


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """One of those whom a reason is about, with what they were judged by."""

    user_id: int
    email: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A reason, and whom it is about."""

    code: str
    words: str
    count: int
    people: list[SamplePerson]


#: Of a campaign with a rate, where workers have no place to count together.
RATE_IGNORED = "Its rate does not apply, because REDIS_URL is not set: emails go as fast as they can."

#: What a row's status says of its person and the version.
HAS = {
    "sent": "have",
    "bounced": "were sent",
    "complained": "have",
    "pending": "wait for",
    "sending": "are being sent",
    "unknown": "may have (delivery uncertain)",
    "failed": "could not get",
    "suppressed": "were not to get",
    "skipped": "were not to get",
    "cancelled": "may have (cancelled in doubt)",
    "expired": "came too late for",
}


@dataclass(frozen=True, slots=True)
class Has:
    """People whom the ledger owes this very email already, by the version of its content."""

    #: 0: what the campaign was created or delivered with.
    version: int
    #: Of their rows.
    status: str
    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    campaign: str
    version: int
    slot: datetime
    #: It is not of the schedule: the slot is the moment of the plan.
    at_once: bool
    #: When it goes, for people, if that is not simply the slot: now, or by each recipient's clock.
    when: str
    #: What the kind has to say about when it goes.
    timing: str
    count: int
    #: Of those: people whose address is not confirmed.
    unconfirmed: int
    people: list[SamplePerson]
    left_out: list[LeftOut]
    #: Of those who get it: whose own time zone is of no use.
    zone_fallbacks: int
    #: When the first and the last mail is due.
    first: datetime | None
    last: datetime | None
    throughput: Throughput
    #: How long it takes to send them all; None where nobody can know.
    seconds: float | None
    #: The mail that the first of them would get; None where there is nobody, or where a note says why.
    sample: Rendered | None
    fingerprint: Fingerprint
    #: What somebody who runs it should know.
    notes: list[str]
    #: The number of the version that would go, and the edition that it belongs to.
    content: int = 0
    edition: int = 1
    #: Who of those that are left out as `already` has, or waits for, which version.
    has: list[Has] = field(default_factory=list)

    @property
    def confirmed(self) -> int:
        """People with a confirmed address who get it."""
        return self.count - self.unconfirmed

    @property
    def not_confirmed(self) -> int:
        """People who are left out because their address is not confirmed."""
        return self.excluded.get(NOT_CONFIRMED, 0)

    @property
    def token(self) -> Token:
        """What `campaign run --plan` takes."""
        return self.fingerprint.token

    @property
    def excluded(self) -> dict[str, int]:
        """How many are left out, by code."""
        return {each.code: each.count for each in self.left_out}
