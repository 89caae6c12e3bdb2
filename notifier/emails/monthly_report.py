"""monthly_report: what happened around a user in a calendar month."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from notifier.content import Content
from notifier.emails import activity_phrases
from notifier.emails.campaign_kind import CampaignKind, Columns, Exclusion, Occasion
from notifier.emails.content_variables import GREETING
from notifier.emails.kind import Category, Owed
from notifier.emails.report_figures import WEEKS, Figures, ReportRequest, figures_of, month_of, month_starting
from notifier.ledger import Claimed
from notifier.models import Activity, User
from notifier.scheduling.periods import month_before, wall

#: The zone in which every month ends last: UTC-12, which POSIX writes with the opposite sign.
_LAST_ZONE = ZoneInfo("Etc/GMT+12")

#: Characters of the longest bar in the plain text.
_MARKS = 20


class ReportSettings(BaseModel):
    """The settings of a report campaign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Whose midnight starts and ends the month. `user` needs recipient-local time; without it the campaign's zone
    #: counts for all.
    month_of: Literal["campaign", "user"] = Field(
        "campaign",
        title="Month starts at midnight in",
        description="Recipients\u2019 time zones need \u201cIn each recipient\u2019s time zone\u201d above. Reports go "
        "out an hour after the month is over for every recipient.",
        json_schema_extra={"campaign": "the campaign\u2019s time zone", "user": "each recipient\u2019s time zone"},
    )
    #: Things with the most activities.
    top: int = Field(3, ge=0, le=10, title="Posts shown", description="The most popular ones; 0 shows none.")


class MonthlyReport(CampaignKind):
    """Totals, change, a chart and the most popular things, of the month before the slot's."""

    name: ClassVar[str] = "monthly_report"
    category: ClassVar[Category] = Category.report
    lifetime: ClassVar[timedelta] = timedelta(days=3)
    because: ClassVar[str] = "You're receiving this because monthly reports are turned on in your settings."
    Settings: ClassVar[type[BaseModel]] = ReportSettings
    has_data: ClassVar[bool] = True
    offers: ClassVar[Mapping[str, Any]] = {
        "month": "October",
        "year": 2026,
        "total": "1,204",
        "activities": "interactions",
        "change": "up 8 from September",
        "joined": "3 October",
        "summary": "800 likes and 404 comments",
        "home_url": "https://example.com/",
    }

    def __init__(self, *, grace: timedelta = timedelta(hours=1)) -> None:
        """Report activities that were stored up to `grace` after the end of the month."""
        self._grace = grace

    def ready_at(self, occasion: Occasion) -> datetime:
        """Return when the month has ended in every zone that counts, plus the grace."""
        _, end = month_starting(_month(occasion), occasion.zone)
        if occasion.settings.month_of == "user" and occasion.by_their_clocks:
            _, end = month_starting(_month(occasion), _LAST_ZONE)
        return end + self._grace

    def timing(self, occasion: Occasion, step: timedelta | None) -> str:
        """Return a sentence about when the month is over, and who gets the report later because of it."""
        ready = self.ready_at(occasion)
        text = f"Not before {ready:%H:%M} UTC on {ready.day} {ready:%B}, once the month is over for every recipient"
        late = " People whose local time comes earlier get it then." if occasion.by_their_clocks else ""
        return f"{text} and its last activities are recorded.{late}"

    def content(self, settings: ReportSettings) -> Content:
        """Return the content of templates/emails/monthly_report."""
        return Content(
            "Your {{ month }} {{ year }} in numbers",
            "Your {{ month }} {{ year }}",
            f"{GREETING}\n\n"
            "{% if joined %}\nYou joined on {{ joined }}. Here\u2019s how your first month went.\n{% else %}\n"
            "Here\u2019s how your month went.\n{% endif %}\n\n"
            "{content}\n\n"
            "{button: Open {{ product }} | {{ home_url }}}",
        )

    def window(self, occasion: Occasion, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the month before the slot's in the campaign's calendar.

        It runs from midnight to midnight in the zone that counts. All recipients of one slot get the report of the same
        month.
        """
        own = occasion.settings.month_of == "user"
        return month_starting(_month(occasion), zone if own else occasion.zone)

    def exclusions(self, occasion: Occasion, columns: Columns) -> Sequence[Exclusion]:
        """Exclude people without any activity in the month."""
        inside = (Activity.occurred_at >= columns.since, Activity.occurred_at < columns.until)
        any_activity = select(Activity.id).where(Activity.user_id == User.id, *inside).correlate_except(Activity)
        return [
            Exclusion(
                "nothing_happened",
                f"nothing happened in {_month(occasion):%B %Y}",
                ~exists(any_activity),
                {"from": columns.since, "to": columns.until},
            )
        ]

    def period(self, occasion: Occasion, columns: Columns) -> str:
        """Return the month, such as 2026-10."""
        return f"{_month(occasion):%Y-%m}"

    def params(self, occasion: Occasion, columns: Columns) -> Mapping[str, ColumnElement[Any] | str | int]:
        """Return the month, its start and end, and the zones by which they may be read."""
        return {
            "month": _month(occasion).isoformat(),
            "since": columns.since,
            "until": columns.until,
            "home": occasion.zone.key,
            "top": occasion.settings.top,
        } | ({"zone": User.timezone.expression} if occasion.settings.month_of == "user" else {})

    def load(self, session: Session, rows: Sequence[Claimed]) -> Mapping[int, Figures]:
        """Return the figures by row key."""
        return figures_of(session, [_wanted(row, row.user.id) for row in rows if row.user])

    def unwanted(self, owed: Owed) -> str | None:
        """Return a reason if there is no activity: an empty report is not sent."""
        nothing = isinstance(owed.data, Figures) and not owed.data.counts
        return "there is no activity left to report" if nothing else None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return everything that is shown: see templates/emails/monthly_report."""
        figures: Figures = owed.data
        first, total = figures.month.first, figures.counts.total()
        month, earlier = _names(first)
        change = "" if figures.joined else _change(total, figures.before.total(), earlier)
        return {
            "month": month,
            "year": first.year,
            "total": f"{total:,}",
            "activities": "interaction" if total == 1 else "interactions",
            "change": change,
            "joined": activity_phrases.day(figures.joined) if figures.joined else "",
            "summary": activity_phrases.tally(figures.counts),
            "kinds": _kinds(figures, earlier),
            "weeks": _weeks(figures),
            "things": [(title, activity_phrases.tally(counts)) for title, counts in _things(figures)],
            "home_url": owed.links.home(),
        }


def _month(occasion: Occasion) -> date:
    """Return the first day of the month that the reports of this slot are about."""
    since, _ = month_before(occasion.slot, occasion.zone)
    return wall(since, occasion.zone).date().replace(day=1)


def _wanted(row: Claimed, user_id: int) -> ReportRequest:
    params = row.params
    first = date.fromisoformat(params["month"])
    month = month_of(first, params["since"], params["until"], (params.get("zone"), params["home"]))
    return ReportRequest(row.id, user_id, month, params["top"])


@lru_cache(maxsize=64)
def _names(first: date) -> tuple[str, str]:
    """Return the name of the month, and of the one before."""
    return f"{first:%B}", f"{first - timedelta(days=1):%B}"


def _change(now: int, before: int, earlier: str) -> str:
    if before == 0:
        return f"up from 0 in {earlier}"
    if now == before:
        return f"same as in {earlier}"
    return f"{'up' if now > before else 'down'} {abs(now - before):,} from {earlier}"


def _kinds(figures: Figures, earlier: str) -> list[tuple[str, str, str]]:
    """Return (heading, count, change) of each kind in either month."""
    now, before = activity_phrases.by_phrases(figures.counts), activity_phrases.by_phrases(figures.before)
    found = []
    for phrases in activity_phrases.PHRASES:
        count, earlier_count = now.get(phrases, 0), before.get(phrases, 0)
        if count or (earlier_count and not figures.joined):
            change = "" if figures.joined else _change(count, earlier_count, earlier)
            found.append((phrases.heading, f"{count:,}", change))
    return found


def _weeks(figures: Figures) -> list[tuple[str, str, int, str]]:
    """Return (days, count, per cent of the best week, the whole row as text) of each week."""
    month = figures.month
    best = max(figures.weeks.values(), default=1)
    return [_week(days, figures.weeks[week], best) for week, days in enumerate(_days(month.first, month.last))]


@lru_cache(maxsize=4096)
def _week(days: str, count: int, best: int) -> tuple[str, str, int, str]:
    # Rounded up, so that the smallest count is visible.
    percent, marks = -(-100 * count // best), -(-_MARKS * count // best)
    return days, f"{count:,}", percent, f"{days:<9} {'#' * marks:.<{_MARKS}} {count:,}"


@lru_cache(maxsize=64)
def _days(first: date, last: date) -> tuple[str, ...]:
    """Return the days of each week, such as 1-7 Oct, with an en dash."""
    ends = [*(start - 1 for start in WEEKS[1:] if start <= last.day), last.day]
    pairs = zip(WEEKS, ends, strict=False)
    return tuple(f"{start}\u2013{end} {first:%b}" if start < end else f"{start} {first:%b}" for start, end in pairs)


def _things(figures: Figures) -> list[tuple[str, dict[str, int]]]:
    return [(activity_phrases.title(title) or "Untitled", counts) for title, counts in figures.things]
