"""Health: everything that sending needs, each checked with a timeout."""

from flask.typing import ResponseReturnValue

from notifier import clock
from notifier.admin.kit.page import Page, show
from notifier.extensions import db
from notifier.observability import healthcheck
from notifier.services import services


class HealthPage(Page):
    """The same checks as those of `notifier health`."""

    title = "Health"
    section = "System"
    slug = "health"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show one line per check."""
        schema, rates = services().schema, bool(services().limits)
        findings = [
            *healthcheck.examine(db.session(), clock.now(), schema, rates=rates),
            *services().probes(),
        ]
        page: str = self.render("admin/health.html", findings=findings, well=all(each.ok for each in findings))
        return page
