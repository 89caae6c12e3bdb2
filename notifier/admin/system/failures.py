"""Failures: recent ones, grouped, with advice on what to do."""

from datetime import timedelta

from flask.typing import ResponseReturnValue

from notifier import clock
from notifier.admin.kit import arguments
from notifier.admin.kit.page import Page, show
from notifier.extensions import db
from notifier.observability.failures import failures

#: Days to look back.
SPANS = (1, 7, 30, 90)


class FailuresPage(Page):
    """Groups of emails that failed in the same way."""

    title = "Failures"
    section = "Find"
    slug = "failures"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the failures of the last days."""
        days = arguments.number("days", 7, SPANS)
        found = failures(db.session(), since=clock.now() - timedelta(days=days))
        page: str = self.render("admin/failures.html", days=days, spans=SPANS, failures=found)
        return page
