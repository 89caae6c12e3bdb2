"""The dashboard: the state of sending, and what needs an operator's attention."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue

from notifier import clock
from notifier.admin.campaigns import summary
from notifier.admin.kit import arguments, came_back
from notifier.admin.kit.charts import bars
from notifier.admin.kit.page import Page, show
from notifier.extensions import db
from notifier.observability import by_provider, healthcheck, heartbeats, standing, totals
from notifier.observability.braked_runs import braked_runs
from notifier.observability.failures import failures
from notifier.observability.held_providers import HeldProvider, held_providers

#: Days that the chart may show.
SPANS = (14, 30, 90)


class Dashboard(Page):
    """The first page after signing in."""

    title = "Dashboard"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show numbers, chart, failures and campaigns."""
        now, session, present = clock.now(), db.session(), _now()
        days = arguments.number("days", SPANS[0], SPANS)
        by_day = totals.by_day(session, days=days, now=now)
        page: str = self.render(
            "admin/dashboard.html",
            days=days,
            spans=SPANS,
            totals=totals.total(by_day),
            chart=bars([(f"{each.day:%d %b}", each.counts) for each in by_day], [str(name) for name in totals.SHOWN]),
            failures=failures(session, since=now - totals.HOUR * 24 * 7),
            **summary.of_dashboard(session),
            **_by_provider(days, present["held_providers"]),
            **present,
        )
        return page

    @show("/now")
    def now(self) -> ResponseReturnValue:
        """Return the part that changes every second, which the page fetches."""
        return render_template("admin/_now.html", **_now())


def _by_provider(days: int, held: Sequence[HeldProvider]) -> dict[str, Any]:
    """Return what was sent and what came back by mailbox provider, from the stored totals."""
    states: dict[str, list[str]] = defaultdict(list)
    for each in held:
        scope = each.scope if each.known else by_provider.OTHER
        states[scope].append("campaigns paused" if each.bulk_only else "held")
    figures = by_provider.of_days(db.session(), days=days, now=clock.now())
    names = [name for name in by_provider.NAMES if name in figures or name in states]
    return {"figures": figures, "providers": names, "provider_states": states, "no_figures": by_provider.Figures(),
            "counted_at": by_provider.counted_at(db.session())}  # fmt: skip


def _now() -> dict[str, Any]:
    now, session = clock.now(), db.session()
    age = heartbeats.ages(session, now)["tick"]
    return {
        "now": standing.now_in(session, now),
        "tick_age": age,
        "braked_runs": braked_runs(session),
        "held_providers": held_providers(session),
        "unassigned": came_back.waiting(),
        "tick_late": age is None or age > healthcheck.LATE["tick"],
    }
