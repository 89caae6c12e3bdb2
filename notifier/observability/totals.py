"""Daily totals: what ended in each hour, so that a chart of 90 days need not read the ledger.

An hour is counted as a whole and may be counted again, which corrects emails that were settled late or counted twice.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.database.transaction import transaction
from notifier.models import DailyTotal, Notification, ProviderTotal, Status
from notifier.observability import by_provider

HOUR = timedelta(hours=1)

#: Time after its end in which an hour is still counted again: a long transaction may commit late.
LATE = HOUR

#: How far back the first count goes, and how long totals are kept.
KEEP = timedelta(days=400)

#: Hours counted in one transaction.
HOURS_AT_ONCE = 24

#: Statuses in the charts, in the order in which they are stacked.
SHOWN = (
    Status.sent,
    Status.failed,
    Status.bounced,
    Status.complained,
    Status.suppressed,
    Status.skipped,
    Status.unknown,
)

_N = Notification


@dataclass(frozen=True, slots=True)
class Day:
    """The emails that ended on one day (UTC)."""

    day: date
    counts: Counter[str]


def roll_up(session: Callable[[], Session], now: datetime) -> int:
    """Count the hours that may have changed, in short transactions. Return how many were counted.

    If two run at once, one leaves the counting to the other.
    """
    try:
        return _roll_up(session, now)
    except IntegrityError:
        return 0


def _roll_up(session: Callable[[], Session], now: datetime) -> int:
    hour = _first_hour(session(), now)
    session().rollback()
    if hour is None:
        return 0
    counted = 0
    while hour <= now:
        with transaction(session) as current:
            for _ in range(HOURS_AT_ONCE):
                _count(current, hour)
                counted += 1
                hour += HOUR
                if hour > now:
                    break
    with transaction(session) as current:
        for table in (DailyTotal, ProviderTotal):
            current.execute(delete(table).where(table.day < (now - KEEP).date()))
    return counted


def by_day(session: Session, *, days: int, now: datetime) -> list[Day]:
    """Return the last `days` days including today, oldest first. Days without email are included."""
    first = now.astimezone(UTC).date() - timedelta(days=days - 1)
    query = (
        select(DailyTotal.day, DailyTotal.status, func.sum(DailyTotal.emails))
        .where(DailyTotal.day >= first)
        .group_by(DailyTotal.day, DailyTotal.status)
    )
    found: dict[date, Counter[str]] = {first + timedelta(days=number): Counter() for number in range(days)}
    for day, status, emails in session.execute(query):
        if day in found:
            found[day][status] = int(emails)
    return [Day(day, counts) for day, counts in found.items()]


def total(days: Sequence[Day]) -> Counter[str]:
    """Return the sum of all days."""
    return sum((each.counts for each in days), Counter())


def _first_hour(session: Session, now: datetime) -> datetime | None:
    last = session.execute(
        select(DailyTotal.day, DailyTotal.hour).order_by(DailyTotal.day.desc(), DailyTotal.hour.desc()).limit(1)
    ).one_or_none()
    if last is not None:
        counted = datetime(last.day.year, last.day.month, last.day.day, last.hour, tzinfo=UTC)
        return min(counted, _floor(now)) - LATE
    oldest = session.scalar(select(func.min(_N.settled_at)).where(_N.settled_at.is_not(None)))
    return None if oldest is None else _floor(max(oldest, now - KEEP))


def _count(session: Session, hour: datetime) -> None:
    """Count the emails that ended in this hour, and replace the earlier count."""
    found = Counter(by_provider.count(session, hour))
    found[Status.sent] += 0
    session.execute(delete(DailyTotal).where(DailyTotal.day == hour.date(), DailyTotal.hour == hour.hour))
    # An hour without email has a row, too: it marks how far the count has come.
    rows = [
        {"day": hour.date(), "hour": hour.hour, "status": str(name), "emails": emails} for name, emails in found.items()
    ]
    session.execute(insert(DailyTotal), rows)


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
