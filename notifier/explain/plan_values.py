"""The contents of a plan, as plain values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from notifier.audience import NOT_CONFIRMED
from notifier.campaigns.throughput import Throughput
from notifier.explain.plan_token import Planned


class Rendered(Protocol):
    """A rendered email to look at."""

    @property
    def subject(self) -> str:
        """The subject as the recipient sees it."""

    @property
    def text(self) -> str:
        """The plain text as the recipient sees it."""

    @property
    def html(self) -> str:
        """The HTML as the recipient sees it."""


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """A person that a reason applies to, with the values that decided."""

    user_id: int
    email: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A reason for exclusion, and the people that it applies to."""

    code: str
    words: str
    count: int
    people: list[SamplePerson]


#: Note for a campaign with a rate if workers have no Redis to count in.
RATE_IGNORED = "Its rate does not apply, because REDIS_URL is not set: emails go as fast as they can."

#: For each status, how a person with such a row stands to the version.
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
    """People who have this very email in the ledger already, by the version of its content."""

    #: 0: the campaign's original content.
    version: int
    #: The status of their rows.
    status: str
    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    campaign: str
    version: int
    slot: datetime
    #: Whether it is outside the schedule: then the slot is the moment of the plan.
    at_once: bool
    #: When it is sent, for people, if not simply at the slot: now, or in each recipient's time zone.
    when: str
    #: The kind's remark about when it is sent.
    timing: str
    count: int
    #: Those of `count` whose address is not confirmed.
    unconfirmed: int
    people: list[SamplePerson]
    left_out: list[LeftOut]
    #: Those of `count` whose own time zone is invalid.
    zone_fallbacks: int
    #: When the first and the last email are due.
    first: datetime | None
    last: datetime | None
    throughput: Throughput
    #: Seconds that sending takes. None: unknown.
    seconds: float | None
    #: The email that the first recipient would get. None: there is no recipient, or a note says why.
    sample: Rendered | None
    #: What its token says, and the token: what `campaign run --plan` takes.
    planned: Planned
    token: str
    #: Notes for an operator who starts the run.
    notes: list[str]
    #: The number of the version that would be sent, and the edition that it belongs to.
    content: int = 0
    edition: int = 1
    #: The versions that people excluded as `already` have or wait for.
    has: list[Has] = field(default_factory=list)
    #: Of people who joined and left since the older plan that this one is compared with: those whose rows tell it.
    joined: int = 0
    left: int = 0

    @property
    def confirmed(self) -> int:
        """The number of recipients with a confirmed address."""
        return self.count - self.unconfirmed

    @property
    def not_confirmed(self) -> int:
        """The number of people excluded because their address is not confirmed."""
        return self.excluded.get(NOT_CONFIRMED, 0)

    @property
    def excluded(self) -> dict[str, int]:
        """The number of people excluded, by code."""
        return {each.code: each.count for each in self.left_out}
