"""The rows over which `bench.admin` measures the pages: people, emails in every status, and what is beside them.

The statements run on Postgres and on SQLite alike; `{at:…}` becomes the dialect's moment so many minutes ago, and
`{series:…}` its numbers from 1.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from bench.servers import SECRET
from notifier import clock
from notifier.accounts.seeds import seed
from notifier.campaigns.default_campaigns import load
from notifier.database.expressions import number_of
from notifier.emails import EmailKind
from notifier.extensions import db
from notifier.mail.message_ids import Ids, message_id
from notifier.observability import totals

#: Emails of four sorts: of two campaigns with reports and announcements, and single ones without a campaign.
LEDGER = """
    INSERT INTO notifier_notifications (kind, user_id, recipient, dedupe_key, params, bulk, on_unknown, status, reason,
        claims, attempts, unknowns, next_attempt_at, enqueue_at, created_at, sent_at, settled_at, campaign_id, run_id,
        id_key, server_id, last_phase, last_code, last_enhanced, last_text)
    SELECT CASE n % 4 WHEN 0 THEN 'verification' WHEN 1 THEN 'announcement' ELSE 'monthly_report' END, u.id, u.email,
        'bench:' || n, {json:CASE WHEN n % 4 > 1 THEN :params ELSE '{}' END}, n % 4 > 0, 'never', s.status, NULL,
        1, 1, 0,
        s.at, s.at, s.at,
        CASE WHEN s.status IN ('sent', 'bounced', 'complained') THEN s.at END,
        CASE WHEN s.status NOT IN ('pending', 'sending') THEN s.at END,
        CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 4 ELSE 2 END, CASE WHEN n % 4 > 0 THEN 1 + n % 20 END,
        :id_key, '4cQ' || n, 'eod',
        CASE WHEN s.status = 'failed' THEN 554 ELSE 250 END, NULL,
        CASE WHEN s.status = 'failed' THEN 'refused for reason ' || n % 40 ELSE 'ok' END
    FROM (SELECT n, {at:n % 8640 * 15} AS at, CASE WHEN n % 1000 < 20 THEN 'bounced' WHEN n % 1000 < 21
        THEN 'complained' WHEN n % 100 < 90 THEN 'sent' WHEN n % 100 < 95 THEN 'failed'
        WHEN n % 100 < 97 THEN 'skipped' WHEN n % 100 < 98 THEN 'suppressed' WHEN n % 100 < 99 THEN 'pending'
        ELSE 'unknown' END AS status FROM {series:rows}) AS s
    JOIN notifier_users AS u ON u.id = 1 + s.n % :users"""

#: What came back for the bounced and complained ones; one in fifty emails is reported as delivered; and a full tray.
FEEDBACK = """
    INSERT INTO notifier_feedback (source, event_id, kind, verdict, reason, code, enhanced, text, rule_version,
        notification_id, matched_by, proven, identity_key, provider, happened_at, received_at, effect)
    SELECT 'postmark', 'bench:' || id, CASE status WHEN 'sent' THEN 'delivered' WHEN 'bounced' THEN 'bounce'
        ELSE 'complaint' END,
        CASE WHEN status = 'bounced' THEN 'hard' ELSE 'none' END,
        CASE status WHEN 'bounced' THEN 'user_unknown' WHEN 'sent' THEN 'delivered' ELSE 'abuse' END,
        550, '5.1.1', '5.1.1 no such user', 1, id, 'verp', true, recipient,
        CASE id % 4 WHEN 0 THEN 'gmail' WHEN 1 THEN 'microsoft' WHEN 2 THEN 'yahoo' ELSE 'example.com' END,
        settled_at, settled_at, CASE WHEN status = 'bounced' THEN 'suppressed' ELSE 'none' END
    FROM notifier_notifications WHERE status IN ('bounced', 'complained') OR (status = 'sent' AND id % 50 = 0)"""
TRAY = """
    INSERT INTO notifier_feedback (source, event_id, kind, verdict, reason, code, enhanced, text, rule_version,
        matched_by, proven, recipient, provider, happened_at, received_at, effect)
    SELECT 'email', 'tray:' || n, 'bounce', 'hard', 'user_unknown', 550, '5.1.1', '5.1.1 no such user', 1, 'none',
        false, 'who' || n || '@example.com', 'example.com', {at:0}, {at:n}, 'waiting' FROM {series:tray}"""

RUNS = """
    INSERT INTO notifier_campaign_runs (campaign_id, slot, trigger, state, cursor, planned, excluded, zone_fallbacks,
        provider_brakes, created_at, touched_at)
    SELECT 2 + n % 2 * 2, {at:n * 1440}, 'schedule', 'sending', 0, :rows / 20, '{}', 0, '{}', {at:0}, {at:0}
    FROM {series:runs}"""

ACTIVITIES = """
    INSERT INTO notifier_activities (user_id, kind, actor, object_key, object_title, occurred_at)
    SELECT 1 + n % :users, CASE n % 2 WHEN 0 THEN 'like' ELSE 'comment' END, 'Bo ' || n % 50, 'photo:' || n % 7,
        'Sunset ' || n % 7, {at:n % 80000} FROM {series:rows}"""

#: A feed of events, and what each of two endpoints was sent.
ENDPOINTS = """
    INSERT INTO notifier_webhook_endpoints (url, types, secret, created_at, failures, next_call_at)
    SELECT 'https://hooks' || n || '.example/', '["notification.sent"]', 'sealed', {at:0}, 0, {at:0}
    FROM {series:endpoints}"""
EVENTS = """
    INSERT INTO notifier_events (uid, type, at, data, published_at)
    SELECT 'bench' || n, 'notification.sent', {at:n % 40000}, '{}', {at:n % 40000} FROM {series:events}"""
DELIVERIES = """
    INSERT INTO notifier_webhook_deliveries (endpoint_id, event_id, state, attempts, next_attempt_at, last_attempt_at,
        last_status)
    SELECT e.id, v.id, CASE WHEN v.id % 100 < 97 THEN 'delivered' WHEN v.id % 100 < 99 THEN 'failed' ELSE 'waiting' END,
        1, {at:0}, {at:0}, 200 FROM notifier_webhook_endpoints AS e CROSS JOIN notifier_events AS v"""

#: A year of a busy log.
AUDIT = """
    INSERT INTO notifier_audit_entries (at, operator_id, actor, ip, action, object_type, object_id, person_digest,
        before, after)
    SELECT {at:n}, 1 + n % 9, 'operator ' || (1 + n % 9), '', CASE n % 5 WHEN 0 THEN 'campaign.edited'
        WHEN 1 THEN 'people.exported' WHEN 2 THEN 'suppression.lifted' ELSE 'addresses.shown' END, 'person',
        'n' || n % 1000, NULL, '{}', '{}' FROM {series:audit}"""


def populate(kinds: Mapping[str, EmailKind], rows: int, users: int) -> dict[str, Any]:
    """Fill the database of this application context. Return what addresses of pages need."""
    for _ in seed(db.session(), users=users, verified=0.9, activities=0, now=clock.now()):
        pass
    load(db.session(), kinds, now=clock.now(), paused_reason=None)
    db.session.commit()
    values = {
        "rows": rows, "users": users, "tray": min(10_000, rows), "runs": 20, "endpoints": 2, "events": rows // 2,
        "audit": rows // 2, "params": _report(), "id_key": Ids([SECRET]).names[-1],
    }  # fmt: skip
    for statement in (RUNS, LEDGER, FEEDBACK, TRAY, ACTIVITIES, ENDPOINTS, EVENTS, DELIVERIES, AUDIT):
        execute(db.session.connection(), statement, values)
        db.session.commit()
    totals.roll_up(db.session, clock.now())
    analyze()
    half = rows // 2
    with db.engine.connect() as plain:
        query = text("SELECT dedupe_key FROM notifier_notifications WHERE id = :half")
        key = plain.execute(query, {"half": half}).scalar_one()
        email = plain.execute(text("SELECT email FROM notifier_users WHERE id = 4321")).scalar_one()
    db.session.remove()
    named = message_id(Ids([SECRET]).make(half, key), "example.com")
    return {"email": email, "half": half, "message_id": named.strip("<>")}


def analyze() -> None:
    """Give the planner the figures of the present rows, as autovacuum does in time."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
        plain.execute(text("VACUUM ANALYZE" if plain.dialect.name == "postgresql" else "ANALYZE"))


def _report() -> str:
    """Return the stored facts of a monthly report."""
    since, until = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    moments = f'"since": {number_of(since)}, "until": {number_of(until)}'
    return f'{{"month": "2026-10-01", {moments}, "home": "UTC", "top": 3}}'


def execute(connection: Connection, statement: str, values: Mapping[str, Any]) -> None:
    """Run a statement in the dialect of this connection (see above for what it may hold)."""
    postgres = connection.dialect.name == "postgresql"
    now = int(clock.now().timestamp())

    def at(found: re.Match[str]) -> str:
        if postgres:
            return f"(to_timestamp({now}) - ({found[1]}) * interval '1 minute')"
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {now} - ({found[1]}) * 60, 'unixepoch')"

    def series(found: re.Match[str]) -> str:
        number = values[found[1]]
        if postgres:
            return f"generate_series(1, {number}) AS n"
        numbers = f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {number})"
        return f"({numbers} SELECT n FROM s) AS numbers"

    def json(found: re.Match[str]) -> str:
        return f"CAST({found[1]} AS json)" if postgres else found[1]

    statement = re.sub(r"\{json:(.+? END)\}", json, statement)
    told = re.sub(r"\{series:(\w+)\}", series, re.sub(r"\{at:([^}]+)\}", at, statement))
    connection.execute(text(told), values)
