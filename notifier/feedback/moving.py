"""Move the rows of emails that came back, and the totals of their runs with them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.database.keys import among
from notifier.feedback.matching import Matched
from notifier.models import CampaignRun, Notification, Status

_N = Notification

#: The statuses that a row may come from, by the one that it gets. An event that is older than the status of its row
#: finds none of them, so it never moves the row back.
_SOURCES = {
    Status.bounced: (Status.sent, Status.unknown),
    Status.complained: (Status.sent, Status.unknown, Status.bounced),
}


class Move(NamedTuple):
    """The email to move, to bounced or to complained, and why."""

    email: Matched
    to: Status
    why: ledger.Why


def move_all(session: Session, moves: Sequence[Move], *, now: datetime) -> list[bool]:
    """Move the rows of these emails, each once. Return for each whether its status allowed it. The caller commits."""
    # The runs first, as the code that closes them: then either that code counts the rows anew, or its totals are here.
    runs = _locked(session, {each.email.run_id for each in moves if each.email.run_id is not None})
    left = ledger.move_all(
        session, [ledger.RowMove(each.email.pk, _SOURCES[each.to], each.to, each.why) for each in moves], now=now
    )
    for each, source in zip(moves, left, strict=True):
        run = runs.get(each.email.run_id or 0)
        if source is not None and run is not None and run.totals is not None:
            totals = dict(run.totals)
            totals[source] = max(0, totals.get(source, 0) - 1)
            totals[each.to] = totals.get(each.to, 0) + 1
            run.totals = {status: number for status, number in totals.items() if number}
    session.flush()
    return [source is not None for source in left]


def delivered(session: Session, email: Matched, at: datetime) -> None:
    """Record when the recipient's own server took the email; the first report counts. The caller commits."""
    later = or_(_N.delivered_at.is_(None), _N.delivered_at > at)
    statement = update(_N).where(_N.id == email.pk, later).values(delivered_at=at)
    session.execute(statement.execution_options(synchronize_session=False))


def _locked(session: Session, run_ids: set[int]) -> dict[int, CampaignRun]:
    if not run_ids:
        return {}
    query = select(CampaignRun).where(among(session, CampaignRun.id, run_ids)).order_by(CampaignRun.id)
    runs = session.scalars(query.with_for_update().execution_options(populate_existing=True))
    return {run.id: run for run in runs}
