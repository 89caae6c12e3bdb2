"""Settle attempts: a batch takes few statements, and each row gets its own outcome."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from notifier.ledger.giving_back import give_back_skipped
from notifier.ledger.held_rows import name_hold
from notifier.ledger.statements import Ended, end_tries
from notifier.ledger.telling import AtRest, settled_now, tell, uncertain
from notifier.ledger.transitions import check_edge
from notifier.models import Attempt, Notification, Status
from notifier.reasons import ReasonCode, sentence


class StoredReply(NamedTuple):
    """A mail server's reply, or its absence, as the row stores it."""

    decision: str
    phase: str | None = None
    code: int | None = None
    enhanced: str | None = None
    text: str | None = None


class Settlement(NamedTuple):
    """The end of one attempt: the row's next status and the facts to store."""

    pk: int
    claim: int
    to: Status
    attempts: int
    unknowns: int
    #: The ReasonCode, and the sentence for people.
    reason_code: str | None = None
    reason: str | None = None
    #: When a row that waits again is due; None for one that comes to rest.
    due: datetime | None = None
    #: When the sweep enqueues a row that waits again; `due` if None.
    enqueue_at: datetime | None = None
    sent_at: datetime | None = None
    message_id: str | None = None
    template_version: str | None = None
    transport: str | None = None
    reply: StoredReply | None = None
    #: The process whose lease ran out; None if the attempt ended by itself.
    owner: str | None = None
    #: The number of processes that died while they were making it; stored only if the row waits again.
    deaths: int = 0
    #: The key of the provider hold that the row waits for from now on.
    hold_key: str | None = None
    #: The id that the mail server gave the email in its reply to the final dot.
    server_id: str | None = None


def settle(session: Session, ends: Sequence[Settlement], *, now: datetime) -> int:
    """Settle these attempts. Return how many; a claim that its row has lost changes nothing. The caller commits."""
    for to in {end.to for end in ends}:
        check_edge(Status.sending, to)
    ended = 0
    for waiting in (False, True):
        some = [end for end in ends if (end.to is Status.pending) is waiting]
        if some:
            changed = end_tries(session.connection(), [_row(end, now) for end in some], now, waiting=waiting)
            ended += changed
            if not waiting:
                _tell(session, some, changed, now)
    unsent = [end.pk for end in ends if end.to in _UNSENT]
    if unsent:
        give_back_skipped(session, unsent)
    _name_holds(session, ends)
    _keep_attempts(session, ends, now)
    _keep_deaths(session, ends)
    return ended


#: Few rows end in these statuses, and only they may have something to release.
_UNSENT = frozenset({Status.skipped, Status.suppressed})


def correct(session: Session, ends: Sequence[Settlement], *, now: datetime) -> int:
    """Store the real end of attempts that counted as unknown because their lease ran out. Return how many rows.

    A row is changed if it is unknown, or if it waits again and turns out to be sent, and was not claimed since. The
    caller commits.
    """
    known = [_late(end) for end in ends if end.reply is None or end.reply.decision not in _UNKNOWN]
    for source, to in {(Status.pending if end.to is Status.sent else Status.unknown, end.to) for end in known}:
        check_edge(source, to)
    open_ = uncertain(session, [end.pk for end in known])
    corrected = 0
    for waiting in (False, True):
        some = [end for end in known if (end.to is Status.pending) is waiting and end.pk in open_]
        if some:
            rows = [_row(end, now) for end in some]
            corrected += end_tries(session.connection(), rows, now, waiting=waiting, late=True)
            if not waiting:
                tell(session, settled_now(session, _at_rest(some), now=now), now=now)
    return corrected


def _tell(session: Session, ends: Sequence[Settlement], changed: int, now: datetime) -> None:
    rested = _at_rest(ends)
    tell(session, rested if changed == len(ends) else settled_now(session, rested, now=now), now=now)


def _at_rest(ends: Sequence[Settlement]) -> list[AtRest]:
    return [AtRest(end.pk, end.to, end.reason_code, end.claim) for end in ends]


#: Decisions of attempts whose end is uncertain.
_UNKNOWN = ("UNKNOWN", "LEASE_EXPIRED")

_FOUND_OUT = ReasonCode.journal_found


def _late(end: Settlement) -> Settlement:
    """Adapt a settlement to a row that is already unknown: it cannot be skipped from there, so it waits again."""
    if end.to in {Status.skipped, Status.suppressed}:
        end = end._replace(to=Status.pending, due=None, reason=None)
    if end.reason is None:
        end = end._replace(reason_code=_FOUND_OUT.value, reason=sentence(_FOUND_OUT))
    return end


def _row(end: Settlement, now: datetime) -> Ended:
    reply = end.reply or _SILENCE
    due = (end.due or now) if end.to is Status.pending else None
    return Ended(
        end.pk,
        end.claim,
        end.to.value,
        end.attempts,
        end.unknowns,
        end.reason_code,
        end.reason,
        end.sent_at,
        reply.phase,
        reply.code,
        reply.enhanced,
        reply.text,
        end.message_id,
        end.server_id,
        end.template_version,
        end.transport,
        due,
        end.enqueue_at or due,
    )


_SILENCE = StoredReply("")


def _keep_deaths(session: Session, ends: Sequence[Settlement]) -> None:
    """Store the deaths of rows that wait again. Nearly all rows have none, so the common statement omits them."""
    for end in ends:
        if end.deaths and end.to is Status.pending:
            waits = (Notification.id == end.pk, Notification.claims == end.claim, Notification.status == Status.pending)
            statement = update(Notification).where(*waits).values(deaths=end.deaths)
            session.execute(statement.execution_options(synchronize_session=False))


def _name_holds(session: Session, ends: Sequence[Settlement]) -> None:
    """Store the hold keys. Few rows have one, so the common statement omits them."""
    waiting = [end for end in ends if end.hold_key is not None]
    for key in sorted({end.hold_key for end in waiting if end.hold_key}):
        name_hold(session, [end.pk for end in waiting if end.hold_key == key], key)


def _keep_attempts(session: Session, ends: Sequence[Settlement], now: datetime) -> None:
    """Add an Attempt for each attempt that did not succeed, so that the row can be explained."""
    rows = [
        {"notification_id": end.pk, "claim": end.claim, "at": now, "owner": end.owner} | end.reply._asdict()
        for end in ends
        if end.to is not Status.sent and end.reply is not None
    ]
    if rows:
        session.execute(insert(Attempt), rows)
