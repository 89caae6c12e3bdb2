"""The windows of digests, which cover a user's time without gaps.

Each window starts where the one before ended (the mark) and ends at its slot. The transaction that adds the email's row
moves the mark to the end stored in that row, never back. People without a row keep their mark.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from typing import cast as typed
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Select,
    SQLColumnExpression,
    String,
    Table,
    case,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql

from notifier.consent.preferences import DIGEST, frequency_of, wanted_since
from notifier.database.expressions import MomentOf, moment
from notifier.database.types import BigId
from notifier.emails.campaign_kind import Columns, Occasion
from notifier.models import DigestMark, Frequency, Notification, User
from notifier.scheduling.periods import month_before, resolve, start_of_day, start_of_month, start_of_week, wall

_INSTANT = timedelta(microseconds=1)
_MARKS = typed("Table", DigestMark.__table__)


def key_part(occasion: Occasion) -> str:
    """Return the slot in UTC, such as 20261120T080000Z."""
    fraction = f".{occasion.slot:%f}" if occasion.slot.microsecond else ""
    return f"{occasion.slot:%Y%m%dT%H%M%S}{fraction}Z"


def _boundaries(moment: datetime, zone: ZoneInfo) -> dict[str, datetime]:
    """Return by frequency when the last day, week or month ended before `moment`."""
    return {
        Frequency.immediate.value: moment,
        Frequency.daily.value: start_of_day(moment, zone),
        Frequency.weekly.value: start_of_week(moment, zone),
        Frequency.monthly.value: start_of_month(moment, zone),
    }


def _beginnings(occasion: Occasion) -> dict[str, datetime]:
    """Return by frequency the start of the first window: the full day, week or month before the campaign was created.

    It does not move with the slots, so people without a digest so far lose nothing if a slot is missed.
    """
    ends = _boundaries(occasion.since, occasion.zone)
    day = ends[Frequency.daily.value]
    return {
        Frequency.immediate.value: start_of_day(day - _INSTANT, occasion.zone),
        Frequency.daily.value: start_of_day(day - _INSTANT, occasion.zone),
        Frequency.weekly.value: start_of_week(ends[Frequency.weekly.value] - _INSTANT, occasion.zone),
        Frequency.monthly.value: month_before(occasion.since, occasion.zone)[0],
    }


def _by_frequency(moments: Mapping[str, datetime]) -> ColumnElement[datetime]:
    """Build the moment for the user's frequency; the latest one if they want no digest."""
    choices = {frequency: moment(at) for frequency, at in moments.items()}
    return case(choices, value=frequency_of(), else_=moment(max(moments.values())))


def boundary_of(occasion: Occasion) -> ColumnElement[datetime]:
    """Build the end of the user's last day, week or month, in the campaign's time zone."""
    return _by_frequency(_boundaries(occasion.slot, occasion.zone))


def mark_of(occasion: Occasion) -> ColumnElement[datetime]:
    """Build the end of the user's last window."""
    mark = select(DigestMark.until).where(DigestMark.campaign_id == occasion.campaign_id, DigestMark.user_id == User.id)
    begin = _by_frequency(_beginnings(occasion))
    first = case((User.created_at > begin, User.created_at), else_=begin)
    return func.coalesce(mark.correlate_except(DigestMark).scalar_subquery(), first)


def listed_since(occasion: Occasion) -> ColumnElement[datetime]:
    """Build the moment from which activities are listed line by line; earlier ones in the window are only counted.

    It is the start of the window, unless the digest was turned on again since: then at most a period back, and never
    later than it was turned on.
    """
    since, again, floor = mark_of(occasion), wanted_since(DIGEST), _by_frequency(_a_period_before(occasion))
    listed = earlier(again, floor)
    return case((again.is_(None), since), (listed > since, listed), else_=since)


def _a_period_before(occasion: Occasion) -> dict[str, datetime]:
    """Return by frequency the moment a day, week or month before the slot, in the campaign's time zone."""
    here = wall(occasion.slot, occasion.zone)
    last_of_month_before = here.replace(day=1) - timedelta(days=1)
    month = last_of_month_before.replace(day=min(here.day, last_of_month_before.day))
    day, week = here - timedelta(days=1), here - timedelta(days=7)
    walls = {Frequency.immediate: day, Frequency.daily: day, Frequency.weekly: week, Frequency.monthly: month}
    return {frequency.value: resolve(moment, occasion.zone) for frequency, moment in walls.items()}


def until_of(occasion: Occasion, columns: Columns) -> ColumnElement[datetime]:
    """Build the slot, or the time of sending if that is earlier: no activity may fall between an email and its end."""
    return earlier(columns.send_at, moment(occasion.slot))


def earlier(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    """Build the earlier of two moments."""
    return case((one < other, one), else_=other)


def moves(occasion: Occasion, people: Select[int]) -> Sequence[Executable]:
    """Build the statement that moves the marks of those of `people` who have a row for this occasion.

    It is driven by the people: an UPDATE would be planned by the statistics of the marks, which say little while an
    expansion fills them. Both databases spell this upsert alike.
    """
    prefix = f"c{occasion.campaign_id}:{key_part(occasion)}:"

    def end(user_id: SQLColumnExpression[int]) -> Select[datetime]:
        until = cast(Notification.params["until"].as_string(), BigInteger)
        mine = Notification.dedupe_key == literal(prefix) + cast(user_id, String)
        return select(MomentOf(until)).where(mine).correlate_except(Notification)

    ends = select(literal(occasion.campaign_id, BigId), User.id, end(User.id).scalar_subquery()).where(
        User.id.in_(people), end(User.id).scalar_subquery().is_not(None)
    )
    insert = postgresql.insert(_MARKS).from_select(["campaign_id", "user_id", "until"], ends)
    later = {"until": insert.excluded.until}
    keys = [_MARKS.c.campaign_id, _MARKS.c.user_id]
    return [insert.on_conflict_do_update(index_elements=keys, set_=later, where=_MARKS.c.until < insert.excluded.until)]
