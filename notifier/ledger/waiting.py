"""Rows that wait for a rate limit: marked once, and left alone until it is their turn.

Such a row is due, and its reason says what it waits for. Those who hand out turns find it by that. The sweep does not
ring for it before its deadline, so a campaign that waits for hours costs nothing meanwhile.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, exists, literal, or_, select, text, update
from sqlalchemy.orm import Session

from notifier.database.keys import among
from notifier.ledger.rows import changed, why
from notifier.models import WAITING, Campaign, CampaignRun, Notification, RunState, Status
from notifier.reasons import ReasonCode

_N = Notification

#: The sweep rings after so long in any case, for rows without a deadline.
ENQUEUE_AT_LATEST_AFTER = timedelta(days=1)

#: The very words of the partial index.
_WAITING = text(WAITING)

#: Runs whose emails may go. What waits of a paused run goes on waiting.
_MOVING = (RunState.expanding, RunState.sending)


class TurnQueue(NamedTuple):
    """Rows that wait behind one another: those of a run, or those of no run."""

    bulk: bool
    run_id: int | None = None
    #: Emails a second that its campaign allows. None: no limit of its own.
    rate: float | None = None


class Waiting(NamedTuple):
    """A row that waits."""

    id: int
    recipient: str
    campaign_id: int | None


def wait_for_turn(session: Session, pks: Collection[int], *, now: datetime) -> int:
    """Mark those of these rows that are due and wait. Returns how many were not marked. The caller commits."""
    half_way = latest_enqueue_at(now - ENQUEUE_AT_LATEST_AFTER / 2)
    left_alone = and_(_N.reason_code == ReasonCode.rate_limited, _N.ring_at >= half_way)
    fresh = or_(_N.reason_code.is_(None), ~left_alone)
    statement = (
        update(_N)
        .where(among(session, _N.id, pks), _N.status == Status.pending, _N.next_attempt_at <= now, fresh)
        .values(ring_at=latest_enqueue_at(now), **why(ReasonCode.rate_limited))
    )
    return changed(session, statement)


def latest_enqueue_at(now: datetime, deadline: Any = _N.deadline) -> ColumnElement[datetime]:
    """When the sweep rings for a row that waits from `now` on: at its deadline it is to come to rest."""
    last = literal(now + ENQUEUE_AT_LATEST_AFTER, _N.ring_at.type)
    return case((deadline < last, deadline), else_=last)


def turn_queues(session: Session, *, bulk: Collection[bool]) -> list[TurnQueue]:
    """Return the lines in which a row waits: of campaigns (True), of people's own email (False), or of both."""
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


def stop_waiting(session: Session, line: TurnQueue, *, now: datetime, since: datetime, limit: int) -> int:
    """Let the sweep ring for the first rows of this line that were due at `since`. Returns for how many.

    The caller commits.
    """
    first = select(_N.id).where(_WAITING, *_of(line), _N.next_attempt_at <= since).order_by(_N.id).limit(limit)
    values = {"ring_at": now, "reason": None, "reason_code": None}
    return changed(session, update(_N).where(_N.id.in_(first), _WAITING).values(values))


def first_of(session: Session, line: TurnQueue, *, now: datetime, after: int, limit: int) -> Sequence[Waiting]:
    """Return the first rows of this line whose key is above `after`."""
    waiting = select(_N.id, _N.recipient, _N.campaign_id).where(_WAITING, *_of(line), _N.next_attempt_at <= now)
    return [Waiting(*row) for row in session.execute(waiting.where(_N.id > after).order_by(_N.id).limit(limit))]


def _of(line: TurnQueue) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _N.bulk == line.bulk, _N.run_id.is_(None) if line.run_id is None else _N.run_id == line.run_id
