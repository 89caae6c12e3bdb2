"""The answer to "did this person get this email", of a campaign or a single one, and how a ledger row gives it."""

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from notifier.ledger import GIVEN_BACK
from notifier.models import CampaignRun, Notification, OnUnknown, RunState, Status
from notifier.reasons import ReasonCode, sentence


class Receipt(enum.StrEnum):
    """Whether a person got, will get or does not get the email. The values are shown to people."""

    got = "got it"
    will = "will get it"
    wont = "not"


@dataclass(frozen=True, slots=True)
class Answer:
    """The one answer for a person and a campaign, or for a single email to a person."""

    #: Empty for a single email.
    campaign: str
    user_id: int
    outcome: Receipt
    #: The reason, as a stable code: a ledger status, a code of the audience rule, or a state of the campaign.
    code: str
    #: The reason, for people.
    words: str
    #: When they got it or will get it; for an email that was not sent, when that was settled. None: unknown.
    at: datetime | None
    #: Values that decided, or facts of the row, by names for people.
    values: dict[str, Any] = field(default_factory=dict)
    #: The mail server's last reply.
    reply: str | None = None
    #: The run that queued it.
    run_id: int | None = None
    #: The slot that was judged, the same for all people, and the rule's answer there: None if it chooses them.
    slot: datetime | None = None
    judged: str | None = None
    #: The kind of the email, and its row in the ledger; None: there is none.
    kind: str = ""
    notification_id: int | None = None


class Row(NamedTuple):
    """The columns of a ledger row that an answer needs."""

    id: int
    user_id: int
    run_id: int | None
    dedupe_key: str
    status: str
    reason: str | None
    next_attempt_at: datetime
    deadline: datetime | None
    sent_at: datetime | None
    settled_at: datetime | None
    code: int | None
    enhanced: str | None
    text: str | None
    on_unknown: str
    content_id: int | None
    reason_code: str | None


_N = Notification
ROW = (
    _N.id,
    _N.user_id,
    _N.run_id,
    _N.dedupe_key,
    _N.status,
    _N.reason,
    _N.next_attempt_at,
    _N.deadline,
    _N.sent_at,
    _N.settled_at,
    _N.last_code,
    _N.last_enhanced,
    _N.last_text,
    _N.on_unknown,
    _N.content_id,
    _N.reason_code,
)

#: Statuses in which a mail server accepted the email.
TAKEN = frozenset({Status.sent, Status.bounced, Status.complained})

_TAKEN_WORDS = {
    Status.sent: "the mail server accepted it",
    Status.complained: "the mail server accepted it; the recipient reported it as spam",
}

_ENDS = {
    Status.bounced: "the mail server accepted it, but it bounced later",
    Status.failed: "it could not be sent",
    Status.suppressed: "the address is suppressed",
    Status.skipped: "it was no longer wanted when it was due",
    Status.cancelled: "it was cancelled",
    Status.expired: "its deadline passed before it could be sent",
}


_MAY_GIVE_BACK = frozenset({Status.cancelled, Status.skipped})


def is_given_back(row: Row) -> bool:
    """Return whether this row ended unsent and another run may send the same email."""
    return row.status in _MAY_GIVE_BACK and GIVEN_BACK in row.dedupe_key


class Explanation(NamedTuple):
    """The answer that one ledger row gives."""

    outcome: Receipt
    code: str
    words: str
    at: datetime | None


def explain_row(row: Row, run: CampaignRun | None, now: datetime) -> Explanation:
    """Explain one ledger row. `run` is the run that queued it; None once that run was deleted."""
    status = Status(row.status)
    if status in _TAKEN_WORDS:
        return Explanation(Receipt.got, status, _TAKEN_WORDS[status], row.sent_at or row.settled_at)
    if status is Status.unknown:
        return Explanation(Receipt.wont, status, _in_doubt(row), row.settled_at)
    if status in _ENDS:
        words = _ENDS[status] + (f": {row.reason}" if row.reason and row.reason != _ENDS[status] else "")
        return Explanation(Receipt.wont, status, words, row.settled_at)
    return _under_way(row, status, run, now)


def _under_way(row: Row, status: Status, run: CampaignRun | None, now: datetime) -> Explanation:
    if status is Status.sending:
        return Explanation(Receipt.will, status, "a worker is sending it right now", now)
    if run is not None and run.state == RunState.cancelled:
        return Explanation(Receipt.wont, Status.cancelled, f"its run is cancelled: {run.reason}", None)
    due = max(row.next_attempt_at, now)
    if row.deadline is not None and row.deadline <= due:
        return Explanation(Receipt.wont, Status.expired, "its deadline comes before it can be sent", row.deadline)
    if run is not None and run.state == RunState.paused:
        return Explanation(Receipt.will, "paused", f"as soon as its run is resumed: {run.reason}", None)
    if run is not None and row.reason_code == ReasonCode.provider_paused and run.paused_providers:
        return Explanation(Receipt.will, "paused", f"as soon as its run is resumed: {row.reason}", None)
    waits = f": {row.reason}" if row.reason else ""
    words = f"it waits{waits}" if row.next_attempt_at > now else f"it is due, and waits for a worker{waits}"
    return Explanation(Receipt.will, status, words, due)


def _in_doubt(row: Row) -> str:
    said = row.reason or sentence(ReasonCode.delivery_uncertain)
    asks = "; an operator has to decide: notifier repair" if row.on_unknown == OnUnknown.ask else ""
    return f"{said}; it is not sent again{asks}"


def reply_of(row: Row) -> str | None:
    """Return the mail server's last reply: code, enhanced code and text."""
    parts = [str(part) for part in (row.code, row.enhanced, row.text) if part]
    return " ".join(parts) or None
