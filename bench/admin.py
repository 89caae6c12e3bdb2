"""Measure the admin's pages over a large ledger: `python -m bench.admin --rows 1000000 --users 100000`.

Postgres, durable, or SQLite (`--sqlite`, with a tenth of the rows), with what `bench.admin_rows` stores. A signed-in
operator requests each page several times; printed are the median of the server's time, and that of the processor time
of this process and of the database's.
"""

import argparse
import json
import logging
import os
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from bench import processor
from bench.admin_rows import populate
from bench.servers import SECRET, open_stage
from notifier.app import create_app
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.models import Role
from notifier.operators import roster
from notifier.services import services_of
from notifier.testing.applications import migrate
from notifier.testing.operators import PASSWORD, Desk

DATABASE = "bench_admin"
EMAIL = "admin@example.com"

#: The target for a page, in milliseconds.
TARGET = 150.0

#: Not the page Health, which asks all servers and workers anew, and waits a second for the workers' answers.
PAGES = {
    "dashboard": "/admin/",
    "dashboard, 90 days": "/admin/?days=90",
    "campaigns": "/admin/campaigns/",
    "a campaign": "/admin/campaigns/1/",
    "runs": "/admin/runs/",
    "a run": "/admin/runs/1/",
    "a run, by provider": "/admin/runs/1/came-back",
    "search: half a name": "/admin/search/?q=lovel",
    "search: two halves of a name": "/admin/search/?q=zo%C3%AB+haddad",
    "search: a part of an address": "/admin/search/?q=ser4321@seed",
    "search: nothing there": "/admin/search/?q=no+such+person",
    "search: an address": "/admin/search/?q={email}",
    "search: a Message-ID": "/admin/search/?q={message_id}",
    "search: a queue id": "/admin/search/?q=4cQ{half}",
    "search: a number": "/admin/search/?q={half}",
    "a run, the part that is fetched": "/admin/runs/1/progress",
    "moving a run to the newest content": "/admin/runs/1/move",
    "cancelling a run": "/admin/runs/1/cancel",
    "repairing a run": "/admin/runs/1/repair",
    "resuming a campaign": "/admin/campaigns/2/resume",
    "notifications": "/admin/notifications/",
    "notifications, next page": "/admin/notifications/?before={half}",
    "notifications that failed": "/admin/notifications/?status=failed",
    "notifications that are unknown": "/admin/notifications/?status=unknown",
    "notifications that bounced at Gmail": "/admin/notifications/?status=bounced&provider=gmail",
    "notifications that met a dead address": "/admin/notifications/?reason=user_unknown",
    "notifications of an address": "/admin/notifications/?email={email}",
    "notifications of a run": "/admin/notifications/?run=7",
    "notifications of a campaign": "/admin/notifications/?campaign=2",
    "a notification": "/admin/notifications/{half}/",
    "the email of a notification": "/admin/notifications/{half}/mail",
    "people": "/admin/people/",
    "a person": "/admin/people/5000/",
    "a person to read": "/admin/people/5000/export.html",
    "correcting an address": "/admin/people/5000/address",
    "changing preferences": "/admin/people/5000/preferences",
    "suppressing a person": "/admin/people/5000/suppress",
    "erasing a person": "/admin/people/5000/erase",
    "uncertain": "/admin/uncertain/",
    "deciding about uncertain emails": "/admin/uncertain/decide/sent",
    "content": "/admin/content/",
    "content of a campaign": "/admin/content/4/",
    "earlier versions of a content": "/admin/content/4/versions",
    "a new campaign": "/admin/campaigns/new",
    "editing a campaign": "/admin/campaigns/2/edit",
    "queue": "/admin/queue/",
    "held": "/admin/held/",
    "operators": "/admin/operators/",
    "suppressions": "/admin/suppressions/",
    "unassigned": "/admin/unassigned/",
    "webhooks": "/admin/webhooks/",
    "webhook endpoints": "/admin/webhook-endpoints/",
    "deliveries of an endpoint": "/admin/webhook-endpoints/1",
    "deliveries, a page in the middle": "/admin/webhook-endpoints/1?before={half}",
    "API keys": "/admin/api-keys/",
    "import": "/admin/import/",
    "account": "/admin/account/",
    "failures": "/admin/failures/",
    "failures, 90 days": "/admin/failures/?days=90",
    "tasks": "/admin/tasks/",
    "scheduled jobs": "/admin/jobs/",
    "audit log": "/admin/audit/",
    "audit log of an address": "/admin/audit/?address={email}",
    "audit log, one action": "/admin/audit/?action=campaign.edited",
}


def measure(rows: int, users: int, times: int, *, sqlite: bool) -> list[dict[str, Any]]:
    """Return milliseconds for each page: the median of `times` requests, the worst, and processor time."""
    with ExitStack() as stack:
        stage = stack.enter_context(open_stage(1, "no-other-python"))
        url = stage.postgres.create_database(DATABASE, template="bench")
        if sqlite:
            url = f"sqlite:///{stage.folder / 'bench.db'}"
            migrate(url)
        settings = Settings(
            _env_file=None, notifier_env="test", database_url=url, secret_keys=[SECRET], ratelimit_enabled=False,
            public_url="http://notifier.test", redis_url=stage.valkey.url,
        )  # fmt: skip
        app = create_app(settings)
        with app.app_context():
            known = populate(services_of(app).kinds, rows, users)
            roster.create(db.session(), email=EMAIL, password=PASSWORD, role=Role.admin)
            db.session.commit()
        desk = Desk(app)
        assert desk.sign_in(EMAIL).status_code == 303
        with app.app_context():
            engine = db.engine
        return [_time(desk, engine, name, path.format_map(known), times) for name, path in PAGES.items()]


def _time(desk: Desk, engine: Engine, name: str, path: str, times: int) -> dict[str, Any]:
    desk.get(path)  # the first one compiles templates and statements
    backends, taken, costs, status, size = processor.backends_of(engine), [], [], 0, 0
    for _ in range(times):
        began, start = processor.used(backends), time.perf_counter()
        answer = desk.get(path)
        size = len(answer.get_data())
        taken.append((time.perf_counter() - start) * 1000)
        costs.append((processor.used(backends) - began) * 1000)
        status = answer.status_code
    return {
        "page": name, "path": path, "status": status, "bytes": size, "median_ms": statistics.median(taken),
        "worst_ms": max(taken), "cpu_ms": statistics.median(costs),
    }  # fmt: skip


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure how long the admin's pages take over a large ledger.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="notifications")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=20, help="requests of each page")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite, with a tenth of the rows")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    # Log lines of requests would hide the output.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    share = 10 if options.sqlite else 1
    found = measure(options.rows // share, options.users // share, options.times, sqlite=options.sqlite)
    table = Table("page", "status", "median ms", "worst ms", "CPU ms", f"under {TARGET:.0f}")
    for each in found:
        under = "yes" if each["median_ms"] < TARGET else "NO"
        figures = [f"{each[name]:.0f}" for name in ("median_ms", "worst_ms", "cpu_ms")]
        table.add_row(each["page"], str(each["status"]), *figures, under)
    table.caption = f"load average at the end: {os.getloadavg()[0]:.1f}"
    Console(width=100).print(table)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
