"""Queue: the messages in the broker, read without taking any out."""

from flask import render_template
from flask.typing import ResponseReturnValue

from notifier import clock
from notifier.admin.kit.page import Page, show
from notifier.extensions import db
from notifier.observability import standing
from notifier.observability.queues import BrokerAway
from notifier.services import services


class QueuePage(Page):
    """The broker holds pointers; the ledger holds the emails. Both are shown."""

    title = "Queue"
    section = "System"
    slug = "queue"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show each queue with its length and the next messages."""
        page: str = self.render("admin/queue.html", **_now())
        return page

    @show("/now")
    def now(self) -> ResponseReturnValue:
        """Return the part that changes, which the page fetches."""
        return render_template("admin/_queue.html", **_now())


def _now() -> dict[str, object]:
    values: dict[str, object] = {"now": standing.now_in(db.session(), clock.now()), "look": None, "trouble": ""}
    try:
        values["look"] = services().queues()
    except BrokerAway as error:
        values["trouble"] = str(error)
    return values
