"""Rows outside of a try: owed, moved, expired, given back, rung for.

Every move is a compare-and-set: it names the status that it leaves. Who comes second changes nothing
and is told so.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, cast

from sqlalchemy import ColumnElement, CursorResult, Update, case, select, update
from sqlalchemy.orm import Session

from notifier.database.keys import among
from notifier.ledger.edges import AT_REST, ForbiddenMove, check_edge
from notifier.ledger.settling import Settlement, StoredReply
from notifier.models import Notification, OnUnknown, Status, User
from notifier.reasons import ReasonCode, sentence

_N = Notification


class Why(TypedDict):
    """The columns of a reason."""

    reason_code: str
    reason: str


def why(code: ReasonCode, **details: object) -> Why:
    """Return the columns of a reason: its code and its sentence."""
    return {"reason_code": code.value, "reason": sentence(code, **details)}


def owe(
    session: Session,
    *,
    kind: str,
    user: User,
    dedupe_key: str,
    now: datetime,
    grace: timedelta,
    deadline: datetime | None = None,
    params: dict[str, Any] | None = None,
    due: datetime | None = None,
    waits: Why | None = None,
) -> Notification:
    """Add the row of an email that we owe `user` from now on. The caller commits.

    `grace` is how long the outbox has before the sweep rings as well. `due`: not before then, because it `waits`.
    A second row with the same `dedupe_key` fails at flush with IntegrityError.
    """
    notification = Notification(
        kind=kind,
        user=user,
        recipient=user.email,
        dedupe_key=dedupe_key,
        params=params or {},
        created_at=now,
        next_attempt_at=due or now,
        ring_at=due or now + grace,
        deadline=deadline,
    )
    if waits is not None:
        notification.reason_code, notification.reason = waits["reason_code"], waits["reason"]
    session.add(notification)
    return notification


def refuse(
    session: Session, *, kind: str, user: User, dedupe_key: str, now: datetime, code: ReasonCode, **details: object
) -> Notification:
    """Add the row of an email that is not sent because of `code`, so that its absence is explained. The caller commits.

    A second row with the same `dedupe_key` fails at flush with IntegrityError.
    """
    notification = Notification(
        kind=kind,
        user=user,
        recipient=user.email,
        dedupe_key=dedupe_key,
        status=Status.skipped.value,
        created_at=now,
        next_attempt_at=now,
        ring_at=now,
        settled_at=now,
        **why(code, **details),
    )
    session.add(notification)
    return notification


def move(
    session: Session,
    pk: int,
    source: Status,
    to: Status,
    *,
    now: datetime,
    code: ReasonCode | None = None,
    **details: object,
) -> bool:
    """Move a row that no worker holds, because of `code`. Return False if it is no longer in `source`."""
    if source is Status.sending:
        raise ForbiddenMove("a row that a worker holds is settled by its claim, not moved")
    check_edge(source, to)
    values: dict[str, Any] = {"status": to, "reason_code": None, "reason": None}
    if code is not None:
        values |= why(code, **details)
    if to in AT_REST:
        values["settled_at"] = now
    else:
        values |= {"next_attempt_at": now, "ring_at": now, "settled_at": None}
    statement = update(Notification).where(Notification.id == pk, Notification.status == source).values(**values)
    return bool(changed(session, statement))


def decide_unknown(
    session: Session, where: Sequence[ColumnElement[bool]], to: Status, *, now: datetime, operator: str
) -> int:
    """Move all uncertain rows that `where` leaves, as `operator` decided. Return how many. The caller commits."""
    check_edge(Status.unknown, to)
    if to is Status.pending:
        values = {"next_attempt_at": now, "ring_at": now, "settled_at": None}
        reason = why(ReasonCode.decided_resend, operator=operator)
    else:
        values, reason = {"settled_at": now}, why(ReasonCode.decided_sent, operator=operator)
    statement = update(_N).where(_N.status == Status.unknown, *where)
    return changed(session, statement.values(status=to, claimed_by=None, **values, **reason))


def expire(session: Session, *, now: datetime, limit: int) -> int:
    """Bring to rest the pending rows whose deadline is past. Returns how many."""
    late = (
        select(Notification.id)
        .where(Notification.status == Status.pending, Notification.ring_at <= now, Notification.deadline <= now)
        .order_by(Notification.ring_at)
        .limit(limit)
    )
    statement = (
        update(Notification)
        .where(Notification.id.in_(late), Notification.status == Status.pending)
        .values(status=Status.expired, settled_at=now, **why(ReasonCode.deadline_passed))
    )
    return changed(session, statement)


def unknown(
    pk: int, claim: int, attempts: int, unknowns: int, policy: str, *, now: datetime, reply: StoredReply, **facts: Any
) -> Settlement:
    """How a try ends of which nobody can know whether it sent the mail: as the row's policy says."""
    again = policy == OnUnknown.resend
    return Settlement(
        pk=pk,
        claim=claim,
        to=Status.pending if again else Status.unknown,
        attempts=attempts,
        unknowns=unknowns + 1,
        due=now if again else None,
        **why(ReasonCode.delivery_uncertain),
        reply=reply,
        **facts,
    )


def overdue(session: Session, *, now: datetime, limit: int) -> list[tuple[int, bool]]:
    """(primary key, bulk) of pending rows that nobody picked up in time, the most overdue first."""
    query = (
        select(Notification.id, Notification.bulk)
        .where(Notification.status == Status.pending, Notification.ring_at <= now)
        .order_by(Notification.ring_at)
        .limit(limit)
    )
    return [(pk, bulk) for pk, bulk in session.execute(query)]


def mark_enqueued(session: Session, pks: Collection[int], *, seen: datetime, again_at: datetime) -> list[int]:
    """Note that the bell is rung for these rows, which were overdue at `seen`, and when to ring again.

    Returns those that are the caller's to ring for: whoever was quick has tried the others already, or rings for them.
    Commit before you ring: a claim passes over rows that another transaction holds.
    """
    waiting = (
        among(session, Notification.id, pks),
        Notification.status == Status.pending,
        Notification.ring_at <= seen,
    )
    later = case((Notification.next_attempt_at > again_at, Notification.next_attempt_at), else_=again_at)
    noted = update(Notification).where(*waiting).values(ring_at=later).returning(Notification.id)
    return list(session.scalars(noted.execution_options(synchronize_session=False)))


def enqueue_now(session: Session, pks: Collection[int], *, now: datetime) -> int:
    """Let the next sweep ring for those of these rows that are due and wait. Returns how many. The caller commits."""
    waiting = (_N.status == Status.pending, _N.next_attempt_at <= now, _N.ring_at > now)
    return changed(session, update(_N).where(among(session, _N.id, pks), *waiting).values(ring_at=now))


def changed(session: Session, statement: Update) -> int:
    """Execute it. Returns how many rows it changed."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount


def defer(
    session: Session,
    pks: Collection[int],
    *,
    until: datetime,
    code: ReasonCode,
    hold_key: str | None = None,
    **details: object,
) -> int:
    """Let these waiting rows wait until `until` because of `code`: a limit or a pause does not let them go before.

    At its deadline it waits no longer: there the sweep brings it to rest, visibly. `hold_key`: what `wake_held` finds
    it by. Returns how many; rows that somebody claimed meanwhile are left alone. The caller commits.
    """
    due = case((_N.deadline < until, _N.deadline), else_=until)
    values: dict[str, Any] = {"next_attempt_at": due, "ring_at": due, **why(code, **details)}
    if hold_key is not None:
        values["hold_key"] = hold_key
    statement = (
        update(_N)
        .where(among(session, _N.id, pks), _N.status == Status.pending, _N.next_attempt_at < due)
        .values(**values)
    )
    return changed(session, statement)


def wake(session: Session, *, code: ReasonCode, now: datetime) -> int:
    """Make due what was deferred because of `code`. Return how many rows. The caller commits."""
    statement = (
        update(_N)
        .where(_N.status == Status.pending, _N.reason_code == code, _N.next_attempt_at > now)
        .values(next_attempt_at=now, ring_at=now)
    )
    return changed(session, statement)
