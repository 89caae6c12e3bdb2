"""Health: everything that sending needs, each checked with a timeout, and the cause of what is wrong."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from notifier.admin.kit.page import Page, show
from notifier.services import services


class HealthPage(Page):
    """The same checks as those of `notifier health`."""

    title = "Health"
    section = "System"
    slug = "health"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the causes, and one line per check, as the watch found them last, or anew for `?look=now`."""
        watch = services().watch
        look = (None if request.args.get("look") == "now" else watch.latest()) or watch.look()
        page: str = self.render(
            "admin/health.html",
            findings=look.checks,
            problems=look.problems,
            at=look.at,
            well=all(each.ok for each in look.checks),
        )
        return page

    @show("/banner")
    def banner(self) -> ResponseReturnValue:
        """Return the banner of all pages, which they fetch."""
        return render_template("admin/_banner.html", on_health=False)
