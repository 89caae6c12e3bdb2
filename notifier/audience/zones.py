"""A table of the recipients' time zones: when an occasion is due there, and the period it is about.

Every zone name among the people of a query gets a row of a VALUES list, joined to them. People whose zone is invalid
have no row and get the campaign's values. So kinds need not handle zones, and no person is dropped.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import CTE, ColumnClause, ColumnElement, String, case, column, func, literal, select, values

from notifier.audience.occasions import CampaignOccasion
from notifier.database.expressions import moment
from notifier.database.types import UtcDateTime
from notifier.emails.campaign_kind import Columns
from notifier.reasons import ReasonCode
from notifier.scheduling.periods import leave_quiet, resolve, wall, zone_of


@dataclass(frozen=True, slots=True)
class Times:
    """The times of an occasion in one zone."""

    send_at: datetime
    #: When it may be sent: not before now, nor in quiet hours.
    due: datetime
    deadline: datetime
    since: datetime
    until: datetime
    reason_code: str | None


def times_of(occasion: CampaignOccasion, reader: ZoneInfo, now: datetime) -> Times:
    """Return the times of this occasion for recipients in the zone `reader`."""
    counts = reader if occasion.recipient_local else occasion.zone
    send_at = resolve(wall(occasion.slot, occasion.zone), counts) if occasion.by_their_clocks else occasion.slot
    earliest = max(send_at, now)
    due = leave_quiet(earliest, reader, occasion.quiet_from, occasion.quiet_to)
    since, until = occasion.kind_of.window(occasion, counts)
    return Times(
        send_at, due, send_at + occasion.life, since, until, ReasonCode.quiet_hours.value if due > earliest else None
    )


@dataclass(frozen=True, slots=True)
class ZoneColumns:
    """The columns of the joined table, or constants if the zone makes no difference."""

    #: None if nothing depends on the recipient's zone.
    table: CTE | None
    kinds: Columns
    due: ColumnElement[datetime]
    deadline: ColumnElement[datetime]
    reason_code: ColumnElement[str | None]
    #: '' if the recipient's own zone counts; else whose zone it became.
    fallback: ColumnElement[str]


def needs_zones(occasion: CampaignOccasion) -> bool:
    """Return whether the same slot is another moment in other zones."""
    return occasion.recipient_local or bool(occasion.quiet_from and occasion.quiet_to)


def zone_columns(occasion: CampaignOccasion, names: Collection[str], now: datetime) -> ZoneColumns:
    """Return the columns for people whose zones have these names. A name left out counts as invalid."""
    default, whose = times_of(occasion, occasion.zone, now), occasion.zone_is
    if not needs_zones(occasion):
        return _constants(default)
    rows = [
        (name, times.send_at, times.due, times.deadline, times.since, times.until, times.reason_code)
        for name in sorted(names)
        if not (found := zone_of(name))[1]
        for times in (times_of(occasion, found[0], now),)
    ]
    if not rows:
        return _constants(default, whose)
    table = _table(rows)

    def either(name: str, other: datetime) -> ColumnElement[datetime]:
        return func.coalesce(table.c[name], moment(other))

    missing = table.c.timezone.is_(None)
    return ZoneColumns(
        table,
        Columns(either("send_at", default.send_at), either("since", default.since), either("until", default.until)),
        either("due", default.due),
        either("deadline", default.deadline),
        case((missing, literal(default.reason_code, String)), else_=table.c.reason_code),
        case((missing, literal(whose)), else_=literal("")),
    )


def _constants(times: Times, fallback: str = "") -> ZoneColumns:
    return ZoneColumns(
        None,
        Columns(moment(times.send_at), moment(times.since), moment(times.until)),
        moment(times.due),
        moment(times.deadline),
        literal(times.reason_code, String),
        literal(fallback),
    )


def _table(rows: list[tuple[str, datetime, datetime, datetime, datetime, datetime, str | None]]) -> CTE:
    moments = [column(name, UtcDateTime) for name in ("send_at", "due", "deadline", "since", "until")]
    columns: list[ColumnClause[Any]] = [column("timezone", String), *moments, column("reason_code", String)]
    if len(rows) == 1:
        # SQLAlchemy never caches a statement with a VALUES list, and compiling the rule takes longer than asking about
        # one person.
        (row,) = rows
        alone = zip(columns, row, strict=True)
        return select(*(literal(value, each.type).label(each.name) for each, value in alone)).cte("zones")
    return values(*columns, name="zones").data(rows).cte("zones")
