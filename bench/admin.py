"""Measure the admin's pages over a large ledger: `python -m bench.admin --rows 1000000 --users 100000`.

Postgres, durable, with seeded people, a million notifications of two campaigns in every status, and the charts'
totals. A signed-in operator requests each page several times; the median of the server's time is printed.
"""

import argparse
import json
import logging
import statistics
import time
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table

from bench.servers import SECRET, Stage, open_stage
from notifier import clock
from notifier.accounts.seeds import seed
from notifier.app import create_app
from notifier.campaigns.default_campaigns import load
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.models import Role
from notifier.observability import totals
from notifier.operators import roster
from notifier.services import services_of
from notifier.testing.operators import PASSWORD, Desk

DATABASE = "bench_admin"
EMAIL = "admin@example.com"

#: The target for a page, in milliseconds.
TARGET = 150.0

LEDGER = """
    INSERT INTO notifier_notifications (kind, user_id, recipient, dedupe_key, params, bulk, on_unknown, status, reason,
        claims, attempts, unknowns, next_attempt_at, enqueue_at, created_at, sent_at, settled_at, campaign_id, run_id,
        message_id, last_phase, last_code, last_enhanced, last_text)
    SELECT 'verification', u.id, u.email, 'bench:' || n, '{}', true, 'never', s.status, NULL, 1, 1, 0,
        m.at, m.at, m.at,
        CASE WHEN s.status IN ('sent', 'bounced', 'complained') THEN m.at END,
        CASE WHEN s.status NOT IN ('pending', 'sending') THEN m.at END,
        1 + n %% 2, 1 + n %% 20, '<n' || n || '@bench.example>', 'eod',
        CASE WHEN s.status = 'failed' THEN 554 ELSE 250 END, NULL,
        CASE WHEN s.status = 'failed' THEN 'refused for reason ' || n %% 40 ELSE 'ok' END
    FROM generate_series(1, %(rows)s) AS n
    JOIN notifier_users AS u ON u.id = 1 + n %% %(users)s
    CROSS JOIN LATERAL (SELECT now() - n %% 8640 * interval '15 minutes' AS at) AS m
    CROSS JOIN LATERAL (SELECT CASE WHEN n %% 1000 < 20 THEN 'bounced' WHEN n %% 1000 < 21
        THEN 'complained' WHEN n %% 100 < 90 THEN 'sent' WHEN n %% 100 < 95 THEN 'failed'
        WHEN n %% 100 < 97 THEN 'skipped' WHEN n %% 100 < 98 THEN 'suppressed' WHEN n %% 100 < 99 THEN 'pending'
        ELSE 'unknown' END AS status) AS s"""

#: What came back for the bounced and complained ones; one in fifty emails is reported as delivered; and a full tray.
FEEDBACK = """
    INSERT INTO notifier_feedback (source, event_id, kind, verdict, reason, code, enhanced, text, rule_version,
        notification_id, matched_by, proven, identity_key, provider, happened_at, received_at, effect)
    SELECT 'postmark', 'bench:' || id, CASE status WHEN 'sent' THEN 'delivered' WHEN 'bounced' THEN 'bounce'
        ELSE 'complaint' END,
        CASE WHEN status = 'bounced' THEN 'hard' ELSE 'none' END,
        CASE status WHEN 'bounced' THEN 'user_unknown' WHEN 'sent' THEN 'delivered' ELSE 'abuse' END,
        550, '5.1.1', '5.1.1 no such user', 1, id, 'verp', true, recipient,
        (ARRAY['gmail', 'microsoft', 'yahoo', 'example.com'])[1 + id %% 4], settled_at, settled_at,
        CASE WHEN status = 'bounced' THEN 'suppressed' ELSE 'none' END
    FROM notifier_notifications WHERE status IN ('bounced', 'complained') OR (status = 'sent' AND id %% 50 = 0)"""
TRAY = """
    INSERT INTO notifier_feedback (source, event_id, kind, verdict, reason, code, enhanced, text, rule_version,
        matched_by, proven, recipient, provider, happened_at, received_at, effect)
    SELECT 'email', 'tray:' || n, 'bounce', 'hard', 'user_unknown', 550, '5.1.1', '5.1.1 no such user', 1, 'none',
        false, 'who' || n || '@example.com', 'example.com', now(), now() - n * interval '1 minute', 'waiting'
    FROM generate_series(1, 10000) AS n"""

RUNS = """
    INSERT INTO notifier_campaign_runs (campaign_id, slot, trigger, state, cursor, planned, excluded, zone_fallbacks,
        created_at, touched_at)
    SELECT 1 + n %% 2, now() - n * interval '1 day', 'schedule', 'sending', 0,
        %(rows)s / 20, '{}', 0, now(), now()
    FROM generate_series(1, 20) AS n"""

PAGES = {
    "dashboard": "/admin/",
    "dashboard, 90 days": "/admin/?days=90",
    "campaigns": "/admin/campaigns/",
    "a campaign": "/admin/campaigns/1/",
    "runs": "/admin/runs/",
    "a run": "/admin/runs/1/",
    "a run, by provider": "/admin/runs/1/came-back",
    "notifications": "/admin/notifications/",
    "notifications, next page": "/admin/notifications/?before=500000",
    "notifications that failed": "/admin/notifications/?status=failed",
    "notifications that are unknown": "/admin/notifications/?status=unknown",
    "notifications that bounced at Gmail": "/admin/notifications/?status=bounced&provider=gmail",
    "notifications that met a dead address": "/admin/notifications/?reason=user_unknown",
    "notifications of an address": "/admin/notifications/?email={email}",
    "notifications of a run": "/admin/notifications/?run=7",
    "notifications of a campaign": "/admin/notifications/?campaign=2",
    "a notification": "/admin/notifications/500000/",
    "people": "/admin/people/",
    "a person": "/admin/people/5000/",
    "suppressions": "/admin/suppressions/",
    "unassigned": "/admin/unassigned/",
    "webhooks": "/admin/webhooks/",
    "failures": "/admin/failures/",
    "failures, 90 days": "/admin/failures/?days=90",
    "tasks": "/admin/tasks/",
    "scheduled jobs": "/admin/jobs/",
    "audit log": "/admin/audit/",
}


def measure(rows: int, users: int, times: int) -> list[dict[str, Any]]:
    """Return milliseconds for each page: the median of `times` requests, and the worst."""
    with open_stage(1, "no-other-python") as stage:
        url = stage.postgres.create_database(DATABASE, template="bench")
        settings = Settings(
            _env_file=None, notifier_env="test", database_url=url, secret_keys=[SECRET], ratelimit_enabled=False,
            public_url="http://notifier.test", redis_url=stage.valkey.url,
        )  # fmt: skip
        app = create_app(settings)
        with app.app_context():
            email = _populate(services_of(app).kinds, stage, rows, users)
        desk = Desk(app)
        assert desk.sign_in(EMAIL).status_code == 303
        return [_time(desk, name, path.format(email=email), times) for name, path in PAGES.items()]


def _populate(kinds: Any, stage: Stage, rows: int, users: int) -> str:
    for _ in seed(db.session(), users=users, verified=0.9, activities=0, now=clock.now()):
        pass
    load(db.session(), kinds, now=clock.now(), paused_reason=None)
    roster.create(db.session(), email=EMAIL, password=PASSWORD, role=Role.admin)
    db.session.commit()
    connection = db.session.connection()
    connection.exec_driver_sql(RUNS, {"rows": rows})
    connection.exec_driver_sql(LEDGER, {"rows": rows, "users": users})
    connection.exec_driver_sql(FEEDBACK)
    connection.exec_driver_sql(TRAY)
    db.session.commit()
    totals.roll_up(db.session, clock.now())
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
        plain.exec_driver_sql("VACUUM ANALYZE")
        email = plain.exec_driver_sql("SELECT email FROM notifier_users WHERE id = 4321").scalar_one()
    db.session.remove()
    return str(email)


def _time(desk: Desk, name: str, path: str, times: int) -> dict[str, Any]:
    taken, status, size = [], 0, 0
    for _ in range(times + 1):
        start = time.perf_counter()
        answer = desk.get(path)
        size = len(answer.get_data())
        taken.append((time.perf_counter() - start) * 1000)
        status = answer.status_code
    # The first one compiles templates and statements.
    return {
        "page": name, "path": path, "status": status, "bytes": size,
        "median_ms": statistics.median(taken[1:]), "worst_ms": max(taken[1:]),
    }  # fmt: skip


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure how long the admin's pages take over a large ledger.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="notifications")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=7, help="requests of each page")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    # Log lines of requests would hide the output.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found = measure(options.rows, options.users, options.times)
    table = Table("page", "status", "median ms", "worst ms", f"under {TARGET:.0f}")
    for each in found:
        under = "yes" if each["median_ms"] < TARGET else "NO"
        table.add_row(each["page"], str(each["status"]), f"{each['median_ms']:.0f}", f"{each['worst_ms']:.0f}", under)
    Console(width=100).print(table)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
