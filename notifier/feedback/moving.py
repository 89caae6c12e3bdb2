"""Move the row of an email that came back, and the totals of its run with it."""

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.feedback.matching import Matched
from notifier.models import CampaignRun, Notification, Status
from notifier.reasons import ReasonCode

_N = Notification

#: The statuses that a row may come from, by the one that it gets. An event that is older than the status of its row
#: finds none of them, so it never moves the row back.
_SOURCES = {
    Status.bounced: (Status.sent, Status.unknown),
    Status.complained: (Status.sent, Status.unknown, Status.bounced),
}


def move(session: Session, email: Matched, to: Status, *, now: datetime, code: ReasonCode, **details: object) -> bool:
    """Move the row to bounced or complained. Return False if its status does not allow it. The caller commits."""
    # The run first, as the code that closes it: then either that code counts the row anew, or its totals are here.
    run = _locked(session, email.run_id)
    source = next(
        (each for each in _SOURCES[to] if ledger.move(session, email.pk, each, to, now=now, code=code, **details)), None
    )
    if source is None:
        return False
    if run is not None and run.totals is not None:
        totals = dict(run.totals)
        totals[source] = max(0, totals.get(source, 0) - 1)
        totals[to] = totals.get(to, 0) + 1
        run.totals = {status: number for status, number in totals.items() if number}
        session.flush()
    return True


def delivered(session: Session, email: Matched, at: datetime) -> None:
    """Record when the recipient's own server took the email; the first report counts. The caller commits."""
    later = or_(_N.delivered_at.is_(None), _N.delivered_at > at)
    statement = update(_N).where(_N.id == email.pk, later).values(delivered_at=at)
    session.execute(statement.execution_options(synchronize_session=False))


def _locked(session: Session, run_id: int | None) -> CampaignRun | None:
    if run_id is None:
        return None
    query = select(CampaignRun).where(CampaignRun.id == run_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()
