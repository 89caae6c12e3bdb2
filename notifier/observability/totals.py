"""Daily totals: what ended in each hour, so that a chart of 90 days need not read the ledger.

An hour is counted as a whole and may be counted again, which corrects emails that were settled late or counted twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import and_, delete, func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.database.transaction import transaction
from notifier.models import FAILED, DailyTotal, Notification, ProviderTotal, Status
from notifier.observability import by_provider

HOUR = timedelta(hours=1)

#: Time after its end in which an hour is still counted again: a long transaction may commit late.
LATE = HOUR

#: How far back the first count goes, and how long totals are kept.
KEEP = timedelta(days=400)

#: Hours counted in one transaction.
HOURS_AT_ONCE = 24

#: Minutes between two counts of the present hour by mailbox provider. A new hour is counted at once.
PROVIDERS_EVERY = 5

Table = type[DailyTotal] | type[ProviderTotal]
#: Counts the emails of an hour, and replaces the earlier count.
Count = Callable[[Session, datetime], None]

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
#: Emails that were sent first, perhaps in another hour.
_AFTER_SENT = and_(text(FAILED), _N.status.in_((Status.bounced, Status.complained)))


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
    counted = _count_hours(session, DailyTotal, _count, now)
    # Counting by provider reads the address of each email, which costs some times as much: not at every tick.
    last = _last_hour(session(), ProviderTotal)
    session().rollback()
    if last is None or last < _floor(now) or now.minute % PROVIDERS_EVERY == 0:
        _count_hours(session, ProviderTotal, by_provider.count, now)
    return counted


def _count_hours(session: Callable[[], Session], table: Table, count: Count, now: datetime) -> int:
    hour = _first_hour(session(), table, now)
    session().rollback()
    if hour is None:
        return 0
    counted = 0
    while hour <= now:
        with transaction(session) as current:
            for _ in range(HOURS_AT_ONCE):
                count(current, hour)
                counted += 1
                hour += HOUR
                if hour > now:
                    break
    with transaction(session) as current:
        current.execute(delete(table).where(table.day < (now - KEEP).date()))
    return counted


def recount(session: Callable[[], Session], hours: Iterable[datetime], now: datetime) -> None:
    """Count again the hours that begin at these moments, up to `now`: emails were added to the past."""
    past = sorted(hour for hour in set(hours) if hour <= now)
    for count in (_count, by_provider.count):
        for start in range(0, len(past), HOURS_AT_ONCE):
            with transaction(session) as current:
                for hour in past[start : start + HOURS_AT_ONCE]:
                    count(current, hour)


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


def _last_hour(session: Session, table: Table) -> datetime | None:
    """Return the last hour that was counted."""
    query = select(table.day, table.hour).order_by(table.day.desc(), table.hour.desc()).limit(1)
    last = session.execute(query).one_or_none()
    return None if last is None else datetime(last.day.year, last.day.month, last.day.day, last.hour, tzinfo=UTC)


def _first_hour(session: Session, table: Table, now: datetime) -> datetime | None:
    last = _last_hour(session, table)
    if last is not None:
        return min(last, _floor(now)) - LATE
    oldest = session.scalar(select(func.min(_N.settled_at)).where(_N.settled_at.is_not(None)))
    return None if oldest is None else _floor(max(oldest, now - KEEP))


def _count(session: Session, hour: datetime) -> None:
    """Count the emails that ended in this hour, and replace the earlier count."""
    until = hour + HOUR
    settled = and_(_N.settled_at >= hour, _N.settled_at < until)
    # A bounced email was sent before: that hour keeps it as sent. Written as in a partial index's condition.
    was_sent = and_(_AFTER_SENT, _N.settled_at >= hour, _N.sent_at >= hour, _N.sent_at < until)
    found: Counter[str] = Counter()
    for status, emails in session.execute(select(_N.status, func.count()).where(settled).group_by(_N.status)):
        found[status] += emails
    again = session.scalar(select(func.count()).select_from(_N).where(was_sent))
    found[Status.sent] += again or 0
    session.execute(delete(DailyTotal).where(DailyTotal.day == hour.date(), DailyTotal.hour == hour.hour))
    # An hour without email has a row, too: it marks how far the count has come.
    rows = [
        {"day": hour.date(), "hour": hour.hour, "status": str(name), "emails": emails}
        for name, emails in found.items()
        if emails or name == Status.sent
    ]
    session.execute(insert(DailyTotal), rows)


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
