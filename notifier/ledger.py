"""The ledger: the sole writer of a notification's status.

Every move is a compare-and-set: it names the status that it leaves and, where a worker holds the row,
the claim under which it acts. Who comes second changes nothing and is told so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy import CursorResult, Update, case, insert, select, update
from sqlalchemy.orm import Session, joinedload

from notifier.models import Attempt, Notification, OnUnknown, Status, User

#: Every move that exists. Nothing else moves.
EDGES: MappingProxyType[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.pending: frozenset({Status.sending, Status.cancelled, Status.expired}),
        Status.sending: frozenset(
            {
                Status.pending,
                Status.sent,
                Status.failed,
                Status.suppressed,
                Status.skipped,
                Status.unknown,
            }
        ),
        Status.sent: frozenset({Status.bounced, Status.complained}),
        # Where the campaign says "ask", a person decides: send again, or take it as sent.
        Status.unknown: frozenset({Status.pending, Status.sent}),
        Status.failed: frozenset(),
        Status.suppressed: frozenset(),
        Status.skipped: frozenset(),
        Status.cancelled: frozenset(),
        Status.expired: frozenset(),
        Status.bounced: frozenset(),
        Status.complained: frozenset(),
    }
)

#: Where a row comes to rest.
AT_REST = frozenset(Status) - {Status.pending, Status.sending}


class ForbiddenMove(ValueError):
    """A move that the ledger does not know: a fault of the caller, never of the data."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a mail server (or its silence) said, as the row keeps it."""

    decision: str
    phase: str | None = None
    code: int | None = None
    enhanced: str | None = None
    text: str | None = None


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
) -> Notification:
    """Add the row of a mail that we owe `user` from now on. The caller commits.

    `grace` is how long the outbox has before the sweep rings as well. A second row with the same
    `dedupe_key` fails at flush with IntegrityError.
    """
    notification = Notification(
        kind=kind,
        user=user,
        recipient=user.email,
        dedupe_key=dedupe_key,
        params=params or {},
        created_at=now,
        next_attempt_at=now,
        ring_at=now + grace,
        deadline=deadline,
    )
    session.add(notification)
    return notification


def claim(session: Session, pk: int, *, now: datetime, lease: timedelta) -> Notification | None:
    """Take the row for one try, or None: not due, taken, at rest, past its deadline, or gone.

    Of any number of callers one wins. The row comes back with its user; `claims` is the token that
    `settle` must name.
    """
    won = (
        update(Notification)
        .where(
            Notification.id == pk,
            Notification.status == Status.pending,
            Notification.next_attempt_at <= now,
            (Notification.deadline.is_(None)) | (Notification.deadline > now),
        )
        .values(status=Status.sending, claims=Notification.claims + 1, lease_until=now + lease)
    )
    if not _changed(session, won):
        return None
    query = select(Notification).options(joinedload(Notification.user)).where(Notification.id == pk)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def settle(
    session: Session, pk: int, claim: int, to: Status, *, now: datetime, reply: Reply | None = None, **values: Any
) -> bool:
    """End the try that `claim` stands for. False where the claim is no longer the row's.

    `values` are further columns of the row (attempts, next_attempt_at, reason, ...).
    """
    _check_edge(Status.sending, to)
    if to in AT_REST:
        values["settled_at"] = now
    if reply is not None and reply.phase is not None:
        values |= {
            "last_phase": reply.phase,
            "last_code": reply.code,
            "last_enhanced": reply.enhanced,
            "last_text": reply.text,
        }
    statement = (
        update(Notification)
        .where(Notification.id == pk, Notification.status == Status.sending, Notification.claims == claim)
        .values(status=to, lease_until=None, **values)
    )
    if not _changed(session, statement):
        return False
    if reply is not None and to is not Status.sent:
        _record(session, pk, claim, reply, now)
    return True


def note(session: Session, pk: int, claim: int, **values: Any) -> bool:
    """Write facts of a running try (Message-ID, template version) onto the row it holds."""
    statement = (
        update(Notification)
        .where(Notification.id == pk, Notification.status == Status.sending, Notification.claims == claim)
        .values(**values)
    )
    return bool(_changed(session, statement))


def move(session: Session, pk: int, source: Status, to: Status, *, now: datetime, reason: str | None = None) -> bool:
    """Move a row that no worker holds. False where it is no longer in `source`."""
    if source is Status.sending:
        raise ForbiddenMove("a row that a worker holds is settled by its claim, not moved")
    _check_edge(source, to)
    values: dict[str, Any] = {"status": to, "reason": reason}
    if to in AT_REST:
        values["settled_at"] = now
    else:
        values |= {"next_attempt_at": now, "ring_at": now, "settled_at": None}
    statement = update(Notification).where(Notification.id == pk, Notification.status == source).values(**values)
    return bool(_changed(session, statement))


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
        .values(status=Status.expired, settled_at=now, reason="its deadline passed before it could be sent")
    )
    return _changed(session, statement)


def lapse(session: Session, *, now: datetime, limit: int) -> int:
    """Give back the claims whose lease ran out: their worker is gone. Returns how many.

    Nobody can know how far it came, so the try counts as unknown: rows whose policy is `resend` wait
    again, the others come to rest as unknown.
    """
    rows = session.execute(
        select(Notification.id, Notification.claims, Notification.on_unknown)
        .where(Notification.status == Status.sending, Notification.lease_until <= now)
        .order_by(Notification.lease_until)
        .limit(limit)
    ).all()
    reply = Reply("LEASE_EXPIRED", text="the worker that held it did not come back")
    done = 0
    for pk, number, policy in rows:
        again = policy == OnUnknown.resend
        values: dict[str, Any] = {"unknowns": Notification.unknowns + 1}
        if again:
            values |= {"next_attempt_at": now, "ring_at": now}
        else:
            values["reason"] = "nobody can know whether it arrived"
        to = Status.pending if again else Status.unknown
        done += settle(session, pk, number, to, now=now, reply=reply, **values)
    return done


def overdue(session: Session, *, now: datetime, limit: int) -> list[tuple[int, bool]]:
    """(primary key, bulk) of pending rows that nobody picked up in time, the most overdue first."""
    query = (
        select(Notification.id, Notification.bulk)
        .where(Notification.status == Status.pending, Notification.ring_at <= now)
        .order_by(Notification.ring_at)
        .limit(limit)
    )
    return [(pk, bulk) for pk, bulk in session.execute(query)]


def rung(session: Session, pks: Collection[int], *, again_at: datetime) -> None:
    """Remember that the bell was rung for these rows, and when to ring again."""
    waiting = (Notification.id.in_(pks), Notification.status == Status.pending)
    later = case((Notification.next_attempt_at > again_at, Notification.next_attempt_at), else_=again_at)
    session.execute(
        update(Notification).where(*waiting).values(ring_at=later).execution_options(synchronize_session=False)
    )


def _check_edge(source: Status, to: Status) -> None:
    if to not in EDGES[source]:
        raise ForbiddenMove(f"a notification never goes from {source} to {to}")


def _changed(session: Session, statement: Update) -> int:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount


def _record(session: Session, pk: int, claim: int, reply: Reply, now: datetime) -> None:
    session.execute(
        insert(Attempt).values(
            notification_id=pk,
            claim=claim,
            decision=reply.decision,
            phase=reply.phase,
            code=reply.code,
            enhanced=reply.enhanced,
            text=reply.text,
            at=now,
        )
    )
