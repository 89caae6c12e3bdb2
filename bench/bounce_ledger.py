"""A ledger of a realistic size for bench.bounce_reader: people, runs, sent emails, and earlier soft bounces."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import flask_migrate
from sqlalchemy import Connection, DateTime, Engine, bindparam, create_engine, insert, text

from bench.bounce_mails import Sent
from bench.servers import SECRET
from notifier import clock
from notifier.app import create_app
from notifier.campaigns.default_campaigns import load
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.mail.message_ids import Ids, key_name
from notifier.models import CampaignRun, DomainProvider, Feedback
from notifier.services import services_of

#: Emails of one run, and emails of one person.
OF_RUN, OF_PERSON = 50_000, 5

#: Four of ten at Gmail, and so on; one of ten at a domain of its own, of which some are customers of a provider.
_ADDRESS = """'u' || p || '@' || CASE WHEN p % 10 < 4 THEN 'gmail.com' WHEN p % 10 < 6 THEN 'outlook.com'
    WHEN p % 10 = 6 THEN 'yahoo.com' WHEN p % 10 = 7 THEN 'icloud.com' ELSE 'd' || (p % 4000) || '.example' END"""

_PEOPLE = f"""INSERT INTO notifier_users (id, email, identity_key, abuse_key, display_name, locale, timezone,
        link_nonce, created_at, verified_at, confirms_here)
    SELECT p, {_ADDRESS}, {_ADDRESS}, {_ADDRESS}, 'Person ' || p, 'en', 'UTC', 'n' || p, :at, :at, true FROM s"""

_EMAILS = f"""INSERT INTO notifier_notifications (id, kind, user_id, recipient, dedupe_key, params, bulk, on_unknown,
        campaign_id, run_id, status, claims, attempts, unknowns, next_attempt_at, enqueue_at, id_key, server_id,
        transport, last_phase, last_code, last_text, created_at, sent_at, settled_at)
    SELECT n, 'monthly_report', p, {_ADDRESS}, 'bench:' || n, '{{}}', true, 'resend', 1, 1 + n / {OF_RUN},
        'sent', 1, 1, 0, :at, :at, :key, 'Q' || n, 'default', 'eod', 250, 'Ok: queued', :at, :at, :at
    FROM (SELECT p AS n, 1 + p / {OF_PERSON} AS p FROM s) AS e"""

_SERIES = {
    "postgresql": "WITH s AS (SELECT generate_series(1, :many) AS p) ",
    "sqlite": "WITH RECURSIVE s(p) AS (SELECT 1 UNION ALL SELECT p + 1 FROM s WHERE p < :many) ",
}


def populate(url: str, emails: int) -> None:
    """Create the tables, and `emails` sent emails of as many runs as they need."""
    app = create_app(Settings(_env_file=None, notifier_env="test", database_url=url, secret_keys=[SECRET]))
    at = clock.now() - timedelta(hours=6)
    with app.app_context():
        flask_migrate.upgrade()
        load(db.session(), services_of(app).kinds, now=at, paused_reason=None)
        db.session.commit()
        with db.engine.begin() as connection:
            _series(connection, _PEOPLE, emails // OF_PERSON + 1, at=at)
            _series(connection, _EMAILS, emails, at=at, key=key_name(SECRET))
            runs = range(1, emails // OF_RUN + 2)
            connection.execute(insert(CampaignRun), [_run(number, number == runs[-1], at) for number in runs])
            domains = [f"d{number}.example" for number in range(9, 4000, 20)]
            rows = [{"domain": each, "provider": "gmail", "looked_up_at": at} for each in domains]
            connection.execute(insert(DomainProvider), rows)
            connection.execute(insert(Feedback), list(_earlier(emails, at)))
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
        db.session.remove()
        db.engine.dispose()


def _series(connection: Connection, statement: str, many: int, **values: Any) -> None:
    # SQLite wants the series before the SELECT, and Postgres allows it there.
    head, select, rest = statement.partition("    SELECT")
    made = text(head + _SERIES[connection.dialect.name] + select + rest)
    if connection.dialect.name == "sqlite":
        values["at"] = values["at"].replace(tzinfo=None)
    connection.execute(made.bindparams(bindparam("at", type_=DateTime(timezone=True))), {"many": many} | values)


def _run(number: int, is_open: bool, at: datetime) -> dict[str, Any]:
    done = {"state": "done", "totals": {"sent": OF_RUN}, "finished_at": at}
    slot = {"id": number, "campaign_id": 1, "slot": at - timedelta(days=number), "planned": OF_RUN, "created_at": at}
    return slot | ({"state": "sending", "totals": None, "finished_at": None} if is_open else done)


def _earlier(emails: int, at: datetime) -> Iterator[dict[str, Any]]:
    """Yield two soft bounces, days ago, of every hundredth person: after the next one their series is looked at."""
    for person in range(100, emails // OF_PERSON, 100):
        for number in (0, 1):
            yield {
                "source": "email", "event_id": f"earlier-{person}-{number}", "kind": "bounce", "verdict": "soft",
                "reason": "mailbox_full", "code": 552, "enhanced": "5.2.2", "text": "full", "rule_version": 1,
                "notification_id": (person - 1) * OF_PERSON + number, "matched_by": "verp", "proven": True,
                "identity_key": address_of(person), "provider": "", "happened_at": at - timedelta(days=4 + 3 * number),
                "received_at": at - timedelta(days=4 + 3 * number), "effect": "scored",
            }  # fmt: skip


def sent_emails(emails: int, many: int, seed: int) -> list[Sent]:
    """Return `many` different emails of the ledger, in any order, with their ids."""
    ids, key, chance = Ids([SECRET]), key_name(SECRET), random.Random(seed)
    chosen = chance.sample(range(1, emails + 1), many)
    return [Sent(pk, ids.make(pk, f"bench:{pk}", key), address_of(1 + pk // OF_PERSON)) for pk in chosen]


def address_of(person: int) -> str:
    """Return the address of a person, as _ADDRESS does."""
    last = person % 10
    own = {6: "yahoo.com", 7: "icloud.com", 8: "", 9: ""}.get(last, "gmail.com" if last < 4 else "outlook.com")
    return f"u{person}@{own or f'd{person % 4000}.example'}"


@contextmanager
def connected(url: str) -> Iterator[Engine]:
    """Yield an engine that holds no connection afterwards, so that a database can be copied."""
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


#: What must be the same after every reading of the same emails, without keys and moments of this reading. The sentence
#: of a pause has numbers that depend on when the brake looked.
TABLES = {
    "feedback": """SELECT source, event_id, kind, verdict, reason, code, enhanced, text, rule_version, notification_id,
        matched_by, proven, identity_key, recipient, provider, effect
        FROM notifier_feedback ORDER BY source, event_id""",
    "notifications": """SELECT id, status, reason_code, reason, claims, attempts, sent_at, delivered_at
        FROM notifier_notifications ORDER BY id""",
    "suppressions": """SELECT s.identity_key, s.reason, s.source, s.evidence, s.code, s.enhanced, s.reply,
        s.rule_version, s.until IS NULL, f.event_id FROM notifier_suppressions AS s
        LEFT JOIN notifier_feedback AS f ON f.id = s.feedback_id ORDER BY s.identity_key""",
    "preferences": "SELECT user_id, category, wanted, frequency FROM notifier_preferences ORDER BY user_id, category",
    "consent": """SELECT user_id, category, wanted, frequency, how, notification_id FROM notifier_consents
        ORDER BY user_id, category, notification_id""",
    "runs": """SELECT id, state, reason_code, totals, braked_at IS NULL FROM notifier_campaign_runs ORDER BY id""",
    "holds": "SELECT key, transport, scope, code, text, bulk_only FROM notifier_provider_holds ORDER BY key",
}
