"""The figures of a monthly report: activities of a month by week, of the month before, and by thing."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, FromClause, Select, case, func, select
from sqlalchemy.orm import Session

from notifier.database.expressions import as_text, moment_of, number_of, table_of
from notifier.database.types import BigId, UtcDateTime
from notifier.emails import activity_phrases
from notifier.models import Activity, User
from notifier.scheduling.periods import resolve, wall, zone_of

_A = Activity
#: Days of the month on which the weeks of a report start: the last week is short.
WEEKS = (1, 8, 15, 22, 29)
#: The bucket of the month before.
_BEFORE = -1


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in the zone that counts for its recipient."""

    first: date
    zone: ZoneInfo
    #: Start of the month before.
    before: datetime
    #: Start of each week.
    weeks: tuple[datetime, ...]
    until: datetime

    @property
    def since(self) -> datetime:
        """The start of the month."""
        return self.weeks[0]

    @property
    def last(self) -> date:
        """The last day of the month."""
        return _next(self.first) - timedelta(days=1)


@dataclass(slots=True)
class Figures:
    """The figures of one recipient's report."""

    month: Month
    #: By kind, in no particular order.
    counts: Counter[str] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    #: By week, from 0.
    weeks: Counter[int] = field(default_factory=Counter)
    #: Title and counts by kind of the things with the most activities, sorted by number.
    things: list[tuple[str, dict[str, int]]] = field(default_factory=list)
    #: The day in this month on which the recipient signed up.
    joined: date | None = None


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """The figures that one row asks for."""

    key: int
    user_id: int
    month: Month
    #: Number of things.
    things: int


def month_starting(first: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return [since, until) of the month with this first day."""
    return _midnight(first, zone), _midnight(_next(first), zone)


@lru_cache(maxsize=1024)
def month_of(first: date, since: int, until: int, zones: tuple[str | None, ...]) -> Month:
    """Return the month with this first day.

    It is in the first of the zones in which it is [since, until), given as numbers.
    """
    for name in zones:
        zone, _ = zone_of(name)
        begin, end = month_starting(first, zone)
        if (number_of(begin), number_of(end)) == (since, until):
            break
    # Time zone rules change: if no zone fits any more, the row still says where the month starts and ends.
    begin, end = moment_of(since), moment_of(until)
    days = (_next(first) - first).days
    weeks = [_midnight(first.replace(day=day), zone) for day in WEEKS if 1 < day <= days]
    before = _midnight((first - timedelta(days=1)).replace(day=1), zone)
    return Month(first, zone, before, (begin, *weeks), end)


def figures_of(session: Session, wanted: Sequence[ReportRequest]) -> dict[int, Figures]:
    """Return the figures by key, in three statements for any number of them."""
    found = {one.key: Figures(one.month) for one in wanted}
    if not wanted:
        return found
    # Rows of plain columns: the session would wrap each of them.
    connection = session.connection()
    dialect = connection.dialect.name
    by_week, by_thing, who_joined = _statements(dialect)
    given = _given(dialect, wanted)
    for key, kind, week, count in connection.execute(by_week, given):
        figures = found[key]
        if week == _BEFORE:
            figures.before[kind] += count
        else:
            figures.counts[kind] += count
            figures.weeks[week] += count
    things: defaultdict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    titles: dict[tuple[int, int], str] = {}
    for key, place, kind, count, title in connection.execute(by_thing, given):
        things[key, place][kind] = count
        titles[key, place] = title
    for key, place in sorted(things):
        found[key].things.append((titles[key, place], things[key, place]))
    for key, created_at in connection.execute(who_joined, given):
        found[key].joined = wall(created_at, found[key].month.zone).date()
    return found


#: The moments of a month: its weeks begin at these, and the last one ends at `until`.
_MOMENTS = ("before", *(f"week{number}" for number in range(len(WEEKS))), "until")


def _given(dialect: str, wanted: Sequence[ReportRequest]) -> dict[str, str]:
    """Return the parameters of the statements. Most rows are about the same month, which travels once."""
    months = {month: number for number, month in enumerate({one.month: None for one in wanted})}
    rows: list[dict[str, int | datetime]] = [
        {"key": one.key, "user_id": one.user_id, "things": one.things, "month": months[one.month]} for one in wanted
    ]
    moments: list[dict[str, int | datetime]] = []
    for month, number in months.items():
        # In a month of four weeks, the fifth starts when the month is over.
        ends = (month.before, *month.weeks, *[month.until] * (len(WEEKS) - len(month.weeks)), month.until)
        moments.append({"month": number, **dict(zip(_MOMENTS, ends, strict=True))})
    return {"b_wanted": as_text(dialect, rows), "b_months": as_text(dialect, moments)}


@cache
def _statements(dialect: str) -> tuple[Select[Any], Select[Any], Select[Any]]:
    """Build the statements: by week, by thing, and who joined in the month."""
    number = BigInteger()
    wanted = table_of(dialect, "b_wanted", key=number, user_id=BigId, things=number, month=number)
    months = table_of(dialect, "b_months", month=number, **dict.fromkeys(_MOMENTS, UtcDateTime()))
    w, m = wanted.c, months.c
    columns = (w.key, w.user_id, w.things, *(m[name] for name in _MOMENTS))
    table = select(*columns).join_from(wanted, months, w.month == m.month).subquery()
    return _by_week(table), _by_thing(table), _who_joined(table)


def _who_joined(table: FromClause) -> Select[Any]:
    """Build (key, moment) of the people who signed up in their month."""
    w = table.c
    then = (User.created_at >= w.week0, User.created_at < w.until)
    return select(w.key, User.created_at).where(User.id == w.user_id, *then)


def _by_week(table: FromClause) -> Select[Any]:
    """Build (key, kind, week, count)."""
    w = table.c
    ends = [(_A.occurred_at < w.week0, _BEFORE)]
    ends += [(_A.occurred_at < w[f"week{number + 1}"], number) for number in range(len(WEEKS) - 1)]
    week = case(*ends, else_=len(WEEKS) - 1).label("week")
    mine = (_A.user_id == w.user_id, _A.occurred_at >= w.before, _A.occurred_at < w.until)
    return select(w.key, _A.kind, week, func.count()).where(*mine).group_by(w.key, _A.kind, week)


def _by_thing(table: FromClause) -> Select[Any]:
    """Build (key, place from 1, kind, count, title) of the things with the most activities."""
    w = table.c
    mine = (_A.user_id == w.user_id, _A.occurred_at >= w.week0, _A.occurred_at < w.until)
    things = (_A.object_key != "", _A.kind.not_in(activity_phrases.PERSONAL))
    each = (
        select(w.key, w.things, _A.object_key, _A.kind, func.count().label("times"))
        .add_columns(func.max(_A.object_title).label("title"))
        .where(*mine, *things)
        .group_by(w.key, w.things, _A.object_key, _A.kind)
        .subquery()
    )
    thing = (each.c.key, each.c.object_key)
    summed = select(
        each,
        func.sum(each.c.times).over(partition_by=thing).label("total"),
        func.max(each.c.title).over(partition_by=thing).label("name"),
    ).subquery()
    s = summed.c
    place = func.dense_rank().over(partition_by=s.key, order_by=(s.total.desc(), s.object_key)).label("place")
    ranked = select(summed, place).subquery()
    r = ranked.c
    return select(r.key, r.place, r.kind, r.times, r.name).where(r.place <= r.things)


def _next(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return resolve(datetime.combine(day, time()), zone).astimezone(UTC)
