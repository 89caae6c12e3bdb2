"""Change rows that no worker holds: add, move, expire, defer and enqueue them.

Every move is a compare-and-set: it names the status that it leaves. A lost race changes no row, and the caller gets
False or a smaller count.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, cast

from sqlalchemy import ColumnElement, CursorResult, Update, case, select, update
from sqlalchemy.orm import Session

from notifier.database.keys import among, only_by_key
from notifier.ledger.settling import Settlement, StoredReply
from notifier.ledger.telling import AtRest, tell
from notifier.ledger.transitions import AT_REST, ForbiddenMove, check_edge
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


def add(
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
    """Add the row of an email to `user`. The caller commits.

    `grace` is the time that the outbox has before the sweep enqueues the row as well. With `due` the row is not sent
    before that moment, for the reason `waits`. A second row with the same `dedupe_key` fails at flush with
    IntegrityError.
    """
    notification = Notification(
        kind=kind,
        user=user,
        recipient=user.email,
        dedupe_key=dedupe_key,
        params=params or {},
        created_at=now,
        next_attempt_at=due or now,
        enqueue_at=due or now + grace,
        owed_at=due,
        deadline=deadline,
    )
    if waits is not None:
        notification.reason_code, notification.reason = waits["reason_code"], waits["reason"]
    session.add(notification)
    return notification


def add_skipped(
    session: Session, *, kind: str, user: User, dedupe_key: str, now: datetime, code: ReasonCode, **details: object
) -> Notification:
    """Add the row of an email that is not sent, with the reason `code`, so that its absence is explained.

    Raise IntegrityError for a second row with the same `dedupe_key`. The caller commits.
    """
    notification = Notification(
        kind=kind,
        user=user,
        recipient=user.email,
        dedupe_key=dedupe_key,
        status=Status.skipped.value,
        created_at=now,
        next_attempt_at=now,
        enqueue_at=now,
        settled_at=now,
        **why(code, **details),
    )
    session.add(notification)
    session.flush()
    tell(session, [AtRest(notification.id, Status.skipped, code.value)], now=now)
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
    """Move a row that no worker holds, with the reason `code`. Return False if it is no longer in `source`."""
    if source is Status.sending:
        raise ForbiddenMove("a row that a worker holds is settled by its claim, not moved")
    check_edge(source, to)
    values: dict[str, Any] = {"status": to, "reason_code": None, "reason": None}
    if code is not None:
        values |= why(code, **details)
    if to in AT_REST:
        values["settled_at"] = now
    else:
        values |= {"next_attempt_at": now, "enqueue_at": now, "settled_at": None}
    statement = update(Notification).where(Notification.id == pk, Notification.status == source).values(**values)
    moved = bool(changed(session, statement))
    if moved:
        tell(session, [AtRest(pk, to, values["reason_code"])], now=now)
    return moved


def decide_unknown(
    session: Session, where: Sequence[ColumnElement[bool]], to: Status, *, now: datetime, operator: str
) -> int:
    """Move all uncertain rows that match `where`, as `operator` decided. Return how many. The caller commits."""
    check_edge(Status.unknown, to)
    if to is Status.pending:
        values = {"next_attempt_at": now, "enqueue_at": now, "settled_at": None}
        reason = why(ReasonCode.decided_resend, operator=operator)
    else:
        values, reason = {"settled_at": now}, why(ReasonCode.decided_sent, operator=operator)
    statement = update(_N).where(_N.status == Status.unknown, *where)
    decided = statement.values(status=to, claimed_by=None, **values, **reason).returning(_N.id)
    return _told(session, decided, to, reason, now)


def between(column: Any, since: datetime | None, now: datetime) -> list[ColumnElement[bool]]:
    """Build the condition that a moment is after `since`, if that is given, and not after `now`."""
    return [column <= now] if since is None else [column <= now, column > since]


def expire(session: Session, *, now: datetime, limit: int, since: datetime | None = None) -> int:
    """Mark pending rows past their deadline as expired, `limit` at most. Return how many. The caller commits.

    Rows that had to be enqueued before `since` are left out; None: none is.
    """
    due = between(Notification.enqueue_at, since, now)
    late = (
        select(Notification.id)
        .where(Notification.status == Status.pending, *due, Notification.deadline <= now)
        .order_by(Notification.enqueue_at)
        .limit(limit)
    )
    statement = (
        update(Notification)
        .where(Notification.id.in_(late), Notification.status == Status.pending)
        .values(status=Status.expired, settled_at=now, **why(ReasonCode.deadline_passed))
    )
    return _told(session, statement.returning(_N.id), Status.expired, why(ReasonCode.deadline_passed), now)


def _told(session: Session, statement: Any, to: Status, reason: Why, now: datetime) -> int:
    """Execute an UPDATE that returns keys, and tell that these rows came to rest. Return how many."""
    pks = session.scalars(statement.execution_options(synchronize_session=False)).all()
    tell(session, [AtRest(pk, to, reason["reason_code"]) for pk in pks], now=now)
    return len(pks)


def unknown(
    pk: int, claim: int, attempts: int, unknowns: int, policy: str, *, now: datetime, reply: StoredReply, **facts: Any
) -> Settlement:
    """Build the settlement for an attempt with an unknown outcome, following the row's `on_unknown` policy."""
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


def overdue(session: Session, *, now: datetime, limit: int, since: datetime | None = None) -> list[tuple[int, bool]]:
    """Return (primary key, bulk) of pending rows that no worker picked up in time, the most overdue first.

    Rows that had to be enqueued before `since` are left out; None: none is.
    """
    query = (
        select(Notification.id, Notification.bulk)
        .where(Notification.status == Status.pending, *between(Notification.enqueue_at, since, now))
        .order_by(Notification.enqueue_at)
        .limit(limit)
    )
    return [(pk, bulk) for pk, bulk in session.execute(query)]


def mark_enqueued(session: Session, pks: Collection[int], *, seen: datetime, again_at: datetime) -> list[int]:
    """Record that these rows, overdue at `seen`, are being enqueued, and that the sweep may do it again at `again_at`.

    Return the rows that the caller must enqueue: another process has already tried or enqueued the others. Commit
    before enqueueing, because a claim skips rows that another transaction has locked.
    """
    waiting = (
        among(session, Notification.id, pks),
        only_by_key(Notification.status) == Status.pending,
        Notification.enqueue_at <= seen,
    )
    later = case((Notification.next_attempt_at > again_at, Notification.next_attempt_at), else_=again_at)
    noted = update(Notification).where(*waiting).values(enqueue_at=later).returning(Notification.id)
    return list(session.scalars(noted.execution_options(synchronize_session=False)))


def enqueue_now(session: Session, pks: Collection[int], *, now: datetime) -> int:
    """Let the next sweep enqueue those of these rows that are due and wait. Return how many. The caller commits."""
    waiting = (_N.status == Status.pending, _N.next_attempt_at <= now, _N.enqueue_at > now)
    return changed(session, update(_N).where(among(session, _N.id, pks), *waiting).values(enqueue_at=now))


def changed(session: Session, statement: Update) -> int:
    """Execute `statement`. Return how many rows it changed."""
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
    """Defer these waiting rows until `until`, with the reason `code`, because of a limit or a pause.

    A row is deferred to its deadline at most; there the sweep expires it. `wake_held` finds rows by `hold_key`. Rows
    that were claimed meanwhile are left alone. Return how many. The caller commits.
    """
    due = case((_N.deadline < until, _N.deadline), else_=until)
    values: dict[str, Any] = {"next_attempt_at": due, "enqueue_at": due, **why(code, **details)}
    if hold_key is not None:
        values["hold_key"] = hold_key
    statement = (
        update(_N)
        .where(among(session, _N.id, pks), only_by_key(_N.status) == Status.pending, _N.next_attempt_at < due)
        .values(**values)
    )
    return changed(session, statement)


def wake(session: Session, *, code: ReasonCode, now: datetime) -> int:
    """Make rows due that were deferred with the reason `code`. Return how many. The caller commits."""
    statement = (
        update(_N)
        .where(_N.status == Status.pending, _N.reason_code == code, _N.next_attempt_at > now)
        .values(next_attempt_at=now, enqueue_at=now)
    )
    return changed(session, statement)
