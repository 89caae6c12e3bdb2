"""How fast mail goes: by what the ledger saw in the last day, and by the limits that were set."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notifier.audience.sql import Epoch
from notifier.models import Notification

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Throughput:
    """Mails a second where nothing else is said. None: nobody knows, or no limit."""

    last_hour: int
    last_day: int
    #: The rate that a typical mail of the last day met: each minute counts as often as mails went in it.
    seen: float | None
    campaign_limit: float | None
    limit: float | None

    @property
    def rate(self) -> float | None:
        """What to reckon with: what was seen, and never more than is allowed."""
        known = [each for each in (self.seen, self.campaign_limit, self.limit) if each is not None]
        return min(known, default=None)

    def seconds(self, mails: int) -> float | None:
        """How long so many mails take. None where nobody can know."""
        if mails == 0:
            return 0.0
        return None if self.rate is None else mails / self.rate


def throughput(
    session: Session, now: datetime, *, campaign_limit: float | None = None, limit: float | None = None
) -> Throughput:
    """What went of campaigns until now; limits in mails a second."""
    minute = (Epoch(Notification.sent_at) // 60).label("minute")
    minutes = (
        select(minute, func.count().label("mails"))
        # Only what came to rest has an index; a mail that was sent did.
        .where(Notification.settled_at > now - DAY, Notification.sent_at > now - DAY, Notification.bulk)
        .group_by("minute")
        .subquery()
    )
    lately = minutes.c.minute >= int((now - HOUR).timestamp()) // 60
    mails = minutes.c.mails
    total, recent, squares = session.execute(
        select(func.sum(mails), func.sum(mails).filter(lately), func.sum(mails * mails))
    ).one()
    seen = float(squares) / float(total) / 60 if total else None
    return Throughput(int(recent or 0), int(total or 0), seen, campaign_limit, limit)
