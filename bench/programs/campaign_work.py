"""The measured programs of bench.campaign: one step of a campaign for each "go", each in its own process."""

import resource
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection, event

from bench.driver import Facts, mails, serve
from bench.worker import app
from notifier import clock
from notifier.campaigns import control
from notifier.campaigns.editing import create
from notifier.campaigns.slots import newest_slot
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.services import services_of

REPORT, NEWS = "bench-report", "bench-news"

#: Seconds. Long enough that a report does not expire, on any day of the month.
LIFETIME = 60 * 86_400

_WORDS = {
    "subject": "News",
    "heading": "What is new",
    "paragraphs": ["One thing is new, and it is a good one.", "Another one is, too."],
}


class Transactions:
    """A measurement of the longest transaction, from its BEGIN to its end."""

    def __init__(self) -> None:
        self._begun: dict[int, float] = {}
        #: Seconds.
        self.longest = 0.0
        event.listen(db.engine, "begin", self._begin)
        event.listen(db.engine, "commit", self._end)
        event.listen(db.engine, "rollback", self._end)

    def _begin(self, connection: Connection) -> None:
        self._begun[id(connection)] = time.monotonic()

    def _end(self, connection: Connection) -> None:
        begun = self._begun.pop(id(connection), None)
        if begun is not None:
            self.longest = max(self.longest, time.monotonic() - begun)


def plan() -> Facts:
    """Plan the reports of last month, with a campaign created for it."""
    with app.app_context():
        made_at = clock.now() - timedelta(days=62)
        values = {"name": REPORT, "kind": "monthly_report", "cron": "0 9 1 * *", "recipient_local": True}
        create(db.session(), values | {"lifetime": LIFETIME}, KINDS, now=made_at)
        db.session.commit()
        found = _measured(lambda: services_of(app).planner.plan(REPORT, "newest"))
        plan = found.pop("result")
    return found | {"count": plan.count, "excluded": plan.excluded, "token": str(plan.token)}


def expand() -> Facts:
    """Expand the planned run, and enqueue its rows."""
    with app.app_context():
        run_id = _started(REPORT)
        found = _measured(lambda: services_of(app).expansion.run(run_id))
    return found | {"run": run_id, "expanded": found.pop("result")}


def announce() -> Facts:
    """Expand an announcement to everyone, and enqueue its rows."""
    with app.app_context():
        create(db.session(), {"name": NEWS, "kind": "announcement", "settings": _WORDS}, KINDS, now=clock.now())
        db.session.commit()
        run_id = _started(NEWS)
        found = _measured(lambda: services_of(app).expansion.run(run_id))
    return found | {"run": run_id, "expanded": found.pop("result")}


def send() -> Facts:
    """Start an announcement to the first users; the workers do the rest."""
    with app.app_context():
        values = {"name": NEWS, "kind": "announcement", "settings": _WORDS, "audience": {"user_to": mails()}}
        create(db.session(), values, KINDS, now=clock.now())
        db.session.commit()
        run_id = _started(NEWS)
        taken = services_of(app).run_effects.started([run_id])
        db.session.remove()
    return {"run": run_id, "taken": taken}


def _started(name: str) -> int:
    campaign = control.find(db.session(), name)
    slot = newest_slot(campaign, clock.now(), KINDS)
    run_id = control.run_now(db.session(), campaign, KINDS, slot=slot)
    db.session.commit()
    return run_id


def _measured(work: Callable[[], object]) -> Facts:
    """Run a step. Return its seconds, bytes and result."""
    transactions = Transactions()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.monotonic()
    result = work()
    seconds = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    db.session.remove()
    return {
        "seconds": seconds,
        "longest": transactions.longest,
        "rss_before": before,
        "rss_peak": peak,
        "result": result,
    }


if __name__ == "__main__":
    serve({"plan": plan, "expand": expand, "announce": announce, "send": send}[sys.argv[1]])
