"""Ids that stand in keys, tokens and the audit log are never given twice."""

from flask import Flask
from sqlalchemy import select

from notifier.accounts import erasure
from notifier.extensions import db
from notifier.models import Notification, User
from notifier.operators.audit_log import SYSTEM
from tests.support.applications import make_user
from tests.support.campaigns import expand, make_campaign, make_people, start_run

KEYS = ["test-key-that-is-long-enough-for-everything"]
COUNTED = {
    "notifier_users", "notifier_notifications", "notifier_campaigns", "notifier_campaign_runs",
    "notifier_content_versions", "notifier_operators", "notifier_suppressions", "notifier_audit_entries",
    "notifier_feedback", "notifier_api_keys", "notifier_events", "notifier_webhook_endpoints",
}  # fmt: skip


def test_the_next_person_does_not_inherit_the_keys_of_the_newest_who_was_erased(context: Flask) -> None:
    """Or the campaign would take the next person for one who had its email."""
    make_people(2)
    run_id = start_run(make_campaign())
    expand(run_id)
    newest = db.session.scalars(select(Notification).order_by(Notification.id.desc())).first()
    assert newest is not None
    gone = newest.user_id
    erasure.erase(db.session(), db.session.get_one(User, gone), keys=KEYS, by=SYSTEM)
    db.session.commit()
    assert make_user("next@example.com").id > (gone or 0)


def test_the_models_ask_for_it_wherever_an_id_is_kept_elsewhere() -> None:
    asked = {table.name for table in db.metadata.sorted_tables if table.dialect_options["sqlite"]["autoincrement"]}
    assert asked == COUNTED
