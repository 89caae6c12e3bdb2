"""Held: transports, providers and domains that take no email of ours, and how many emails wait for each."""

from flask import render_template
from flask.typing import ResponseReturnValue

from notifier import clock
from notifier.admin.kit.page import Page, show
from notifier.extensions import db
from notifier.observability.held import holds


class HeldPage(Page):
    """All holds, each with the server's own text."""

    title = "Held"
    section = "System"
    slug = "held"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show one line for each hold."""
        page: str = self.render("admin/held.html", **_now())
        return page

    @show("/now")
    def now(self) -> ResponseReturnValue:
        """Return the part that changes, which the page fetches."""
        return render_template("admin/_held.html", **_now())


def _now() -> dict[str, object]:
    return {"holds": holds(db.session(), clock.now())}
