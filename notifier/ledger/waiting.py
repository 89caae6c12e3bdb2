"""Let rows wait for a rate limit: they are marked once and left alone until it is their turn.

Such a row is due, and its reason says that it waits for its turn; the pump finds it by that. The sweep does not enqueue
it before its deadline, so a campaign that waits for hours costs nothing meanwhile.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, exists, literal, or_, select, text, update
from sqlalchemy.orm import Session

from notifier.database.keys import among, only_by_key
from notifier.ledger.rows import changed, why
from notifier.models import WAITING, Campaign, CampaignRun, Notification, RunState, Status
from notifier.reasons import ReasonCode

_N = Notification

#: After this time the sweep enqueues a waiting row in any case, if it has no earlier deadline.
ENQUEUE_AT_LATEST_AFTER = timedelta(days=1)

#: The exact condition of the partial index.
_WAITING = text(WAITING)

#: States of runs whose emails may be sent. Waiting rows of a paused run keep waiting.
_MOVING = (RunState.expanding, RunState.sending)


class TurnQueue(NamedTuple):
    """A queue of waiting rows: those of one run, or those of no run."""

    bulk: bool
    run_id: int | None = None
    #: Emails per second that the campaign allows; None if it has no limit of its own.
    rate: float | None = None


class WaitingRow(NamedTuple):
    """One waiting row."""

    id: int
    recipient: str
    campaign_id: int | None


def wait_for_turn(session: Session, pks: Collection[int], *, now: datetime) -> int:
    """Mark those of these rows that are due and pending as waiting. Return how many. The caller commits.

    Rows that were marked less than half of ENQUEUE_AT_LATEST_AFTER ago are left alone.
    """
    half_way = latest_enqueue_at(now - ENQUEUE_AT_LATEST_AFTER / 2)
    left_alone = and_(_N.reason_code == ReasonCode.rate_limited, _N.enqueue_at >= half_way)
    fresh = or_(_N.reason_code.is_(None), ~left_alone)
    statement = (
        update(_N)
        .where(among(session, _N.id, pks), only_by_key(_N.status) == Status.pending, _N.next_attempt_at <= now, fresh)
        .values(enqueue_at=latest_enqueue_at(now), **why(ReasonCode.rate_limited))
    )
    return changed(session, statement)


def latest_enqueue_at(now: datetime, deadline: Any = _N.deadline) -> ColumnElement[datetime]:
    """Build the moment when the sweep enqueues a row that waits from `now` on: at its deadline, to expire it."""
    last = literal(now + ENQUEUE_AT_LATEST_AFTER, _N.enqueue_at.type)
    return case((deadline < last, deadline), else_=last)


def turn_queues(session: Session, *, bulk: Collection[bool]) -> list[TurnQueue]:
    """Return the queues that are not empty. `bulk`: of campaigns (True), of people's own emails (False), or both."""
    found: list[TurnQueue] = []
    for each in bulk:
        if session.scalar(select(exists().where(_WAITING, _N.bulk == each, _N.run_id.is_(None)))):
            found.append(TurnQueue(each))
    if True in bulk:
        waits = exists().where(_WAITING, _N.bulk == literal(True), _N.run_id == CampaignRun.id)
        query = select(CampaignRun.id, Campaign.rate).join(Campaign, Campaign.id == CampaignRun.campaign_id)
        rows = session.execute(query.where(CampaignRun.state.in_(_MOVING), waits).order_by(CampaignRun.id))
        found += [TurnQueue(True, run_id, rate) for run_id, rate in rows]
    return found


def stop_waiting(session: Session, queue: TurnQueue, *, now: datetime, since: datetime, limit: int) -> int:
    """Let the sweep enqueue the first rows of this queue that were due at `since`. Return how many.

    The caller commits.
    """
    first = select(_N.id).where(_WAITING, *_of(queue), _N.next_attempt_at <= since).order_by(_N.id).limit(limit)
    values = {"enqueue_at": now, "reason": None, "reason_code": None}
    return changed(session, update(_N).where(_N.id.in_(first), _WAITING).values(values))


def first_waiting(session: Session, queue: TurnQueue, *, now: datetime, after: int, limit: int) -> Sequence[WaitingRow]:
    """Return the first due rows of this queue whose key is above `after`, `limit` at most."""
    waiting = select(_N.id, _N.recipient, _N.campaign_id).where(_WAITING, *_of(queue), _N.next_attempt_at <= now)
    return [WaitingRow(*row) for row in session.execute(waiting.where(_N.id > after).order_by(_N.id).limit(limit))]


def _of(queue: TurnQueue) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _N.bulk == queue.bulk, _N.run_id.is_(None) if queue.run_id is None else _N.run_id == queue.run_id
