"""the tables of notifier

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# What the models make of these today (notifier.database.types); a migration keeps its meaning when they change.
#: SQLite counts up only in a plain INTEGER.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

#: Tables whose rows are only ever added, with what the database says to an UPDATE.
ONLY_ADDED = {
    "notifier_audit_entries": "the audit log is only ever added to",
    "notifier_content_versions": "versions of content are only ever added",
}


#: What counts the emails that are added, come to rest, or become uncertain (notifier.models.tally).
ON_POSTGRES = (
    """CREATE OR REPLACE FUNCTION notifier_notifications_count_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
INSERT INTO notifier_tallies (name, labels, value)
SELECT 'enqueued_total', CASE a.status WHEN 'pending' THEN 'queued' ELSE a.status END, count(*)
FROM added a GROUP BY a.status
UNION ALL SELECT 'notifications_total', a.kind || chr(31) || a.status, count(*)
FROM added a WHERE a.status NOT IN ('pending', 'sending') GROUP BY a.kind, a.status;
RETURN NULL;
END $$""",
    """CREATE OR REPLACE FUNCTION notifier_notifications_count_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
INSERT INTO notifier_tallies (name, labels, value)
SELECT 'notifications_total', n.kind || chr(31) || n.status, count(*)
FROM moved n JOIN former o ON o.id = n.id
WHERE n.status <> o.status AND n.status NOT IN ('pending', 'sending') GROUP BY n.kind, n.status
UNION ALL SELECT 'unknown_total', n.on_unknown, sum(n.unknowns - o.unknowns)
FROM moved n JOIN former o ON o.id = n.id WHERE n.unknowns > o.unknowns GROUP BY n.on_unknown;
RETURN NULL;
END $$""",
    """CREATE TRIGGER notifier_notifications_count_added AFTER INSERT ON notifier_notifications
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION notifier_notifications_count_added()""",
    """CREATE TRIGGER notifier_notifications_count_moved AFTER UPDATE ON notifier_notifications
REFERENCING OLD TABLE AS former NEW TABLE AS moved
FOR EACH STATEMENT EXECUTE FUNCTION notifier_notifications_count_moved()""",
)
ON_SQLITE = (
    """CREATE TRIGGER notifier_notifications_count_added AFTER INSERT ON notifier_notifications BEGIN
UPDATE notifier_metric_totals SET value = value + 1
WHERE true
AND name = 'enqueued_total' AND labels = CASE NEW.status WHEN 'pending' THEN 'queued' ELSE NEW.status END;
INSERT INTO notifier_metric_totals (name, labels, value)
SELECT 'enqueued_total', CASE NEW.status WHEN 'pending' THEN 'queued' ELSE NEW.status END, 1
WHERE true AND changes() = 0;
UPDATE notifier_metric_totals SET value = value + 1
WHERE NEW.status NOT IN ('pending', 'sending')
AND name = 'notifications_total' AND labels = NEW.kind || char(31) || NEW.status;
INSERT INTO notifier_metric_totals (name, labels, value)
SELECT 'notifications_total', NEW.kind || char(31) || NEW.status, 1
WHERE NEW.status NOT IN ('pending', 'sending') AND changes() = 0;
END""",
    """CREATE TRIGGER notifier_notifications_count_ended AFTER UPDATE OF status ON notifier_notifications
WHEN NEW.status <> OLD.status AND NEW.status NOT IN ('pending', 'sending') BEGIN
UPDATE notifier_metric_totals SET value = value + 1
WHERE true
AND name = 'notifications_total' AND labels = NEW.kind || char(31) || NEW.status;
INSERT INTO notifier_metric_totals (name, labels, value)
SELECT 'notifications_total', NEW.kind || char(31) || NEW.status, 1
WHERE true AND changes() = 0;
END""",
    """CREATE TRIGGER notifier_notifications_count_unknown AFTER UPDATE OF unknowns ON notifier_notifications
WHEN NEW.unknowns > OLD.unknowns BEGIN
UPDATE notifier_metric_totals SET value = value + NEW.unknowns - OLD.unknowns
WHERE true
AND name = 'unknown_total' AND labels = NEW.on_unknown;
INSERT INTO notifier_metric_totals (name, labels, value)
SELECT 'unknown_total', NEW.on_unknown, NEW.unknowns - OLD.unknowns
WHERE true AND changes() = 0;
END""",
)

#: In the order in which each finds what it points at.
TABLES = (
    "notifier_users",
    "notifier_activities",
    "notifier_account_requests",
    "notifier_signup_emails",
    "notifier_campaigns",
    "notifier_campaign_runs",
    "notifier_content_versions",
    "notifier_notifications",
    "notifier_attempts",
    "notifier_feedback",
    "notifier_preferences",
    "notifier_consents",
    "notifier_digest_marks",
    "notifier_suppressions",
    "notifier_domain_providers",
    "notifier_paces",
    "notifier_provider_holds",
    "notifier_transports",
    "notifier_webhook_states",
    "notifier_webhook_tokens",
    "notifier_event_drafts",
    "notifier_events",
    "notifier_webhook_endpoints",
    "notifier_webhook_deliveries",
    "notifier_operators",
    "notifier_operator_sessions",
    "notifier_operator_links",
    "notifier_api_keys",
    "notifier_kept_forms",
    "notifier_recovery_codes",
    "notifier_audit_entries",
    "notifier_heartbeats",
    "notifier_incidents",
    "notifier_tallies",
    "notifier_metric_totals",
    "notifier_task_results",
    "notifier_daily_totals",
    "notifier_provider_totals",
    "notifier_database_identity",
    "notifier_unrecorded_emails",
)


def upgrade() -> None:
    _people()
    _campaigns()
    _ledger()
    _consent()
    _mail_servers()
    _events()
    _operators()
    _housekeeping()
    for table, message in ONLY_ADDED.items():
        _refuse_updates(table, message)
    _count_notifications()


def downgrade() -> None:
    for table in TABLES[::-1]:
        op.drop_table(table)
    if _is_postgres():
        for table in ONLY_ADDED:
            op.execute(f"DROP FUNCTION {table}_refuse()")
        for name in ("added", "moved"):
            op.execute(f"DROP FUNCTION notifier_notifications_count_{name}()")


def _people() -> None:
    """People: who may get emails, what they did, what their sign-up asked for."""
    op.create_table(
        "notifier_users",
        sa.Column("id", ID, nullable=False),
        sa.Column("external_id", sa.String(200), nullable=True),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("identity_key", sa.String(400), nullable=False),
        sa.Column("abuse_key", sa.String(400), nullable=True),
        sa.Column("display_name", sa.String(64), nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("attributes", DOCUMENT, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("verified_at", MOMENT, nullable=True),
        sa.Column("address_changed_at", MOMENT, nullable=True),
        sa.Column("confirms_here", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=True),
        sa.Column("link_nonce", sa.String(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(_external_id(), name=op.f("ck_notifier_users_external_id")),
        sa.CheckConstraint(
            "erased_at IS NULL OR (external_id IS NOT NULL AND email = '' AND identity_key = '' AND abuse_key IS NULL"
            " AND display_name = '' AND verified_at IS NULL)",
            name=op.f("ck_notifier_users_erased"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_users")),
        sa.UniqueConstraint("external_id", name=op.f("uq_notifier_users_external_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notifier_users_abuse_key", "notifier_users", ["abuse_key", "id"])
    op.create_index("ix_notifier_users_identity_key", "notifier_users", ["identity_key"])
    op.create_index("ix_notifier_users_unverified", "notifier_users", ["created_at", "id"])
    op.create_index(
        "uq_notifier_users_identity_key",
        "notifier_users",
        ["identity_key"],
        unique=True,
        **_where("external_id IS NULL"),
    )
    op.create_table(
        "notifier_activities",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("external_id", sa.String(240)),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("object_key", sa.String(64), nullable=False),
        sa.Column("object_title", sa.String(200), nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["notifier_users.id"],
            name=op.f("fk_notifier_activities_user_id_notifier_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_activities")),
    )
    op.create_index("ix_notifier_activities_user_id_occurred_at", "notifier_activities", ["user_id", "occurred_at"])
    op.create_index(
        "uq_notifier_activities_external_id",
        "notifier_activities",
        ["external_id"],
        unique=True,
        **_where("external_id IS NOT NULL"),
    )
    op.create_table(
        "notifier_account_requests",
        sa.Column("id", ID, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("identity_key", sa.String(400), nullable=False),
        sa.Column("display_name", sa.String(64), nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("network", sa.String(64), nullable=False),
        sa.Column("known_provider", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("enqueue_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_account_requests")),
    )
    op.create_index("ix_notifier_account_requests_enqueue_at", "notifier_account_requests", ["enqueue_at"])
    op.create_index("ix_notifier_account_requests_identity_key", "notifier_account_requests", ["identity_key", "id"])
    op.create_table(
        "notifier_signup_emails",
        sa.Column("notification_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("due", MOMENT, nullable=False),
        sa.Column("mailbox", sa.String(32), nullable=False),
        sa.Column("network", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32), nullable=True),
        sa.Column("first", sa.Boolean(), nullable=False),
        sa.Column("slowed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_notifier_signup_emails")),
    )
    op.create_index("ix_notifier_signup_emails_at", "notifier_signup_emails", ["at"])
    op.create_index("ix_notifier_signup_emails_mailbox_at", "notifier_signup_emails", ["mailbox", "at"])
    op.create_index("ix_notifier_signup_emails_slowed_due", "notifier_signup_emails", ["slowed", "due"])
    op.create_index("ix_notifier_signup_emails_source_due", "notifier_signup_emails", ["source", "due"])


def _campaigns() -> None:
    """Campaigns, their runs, and the versions of what their emails say."""
    op.create_table(
        "notifier_campaigns",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("paused_reason", sa.String(200), nullable=True),
        sa.Column("cron", sa.String(100), nullable=True),
        sa.Column("every", sa.Integer(), nullable=True),
        sa.Column("once_at", MOMENT, nullable=True),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("recipient_local", sa.Boolean(), nullable=False),
        sa.Column("start_at", MOMENT, nullable=True),
        sa.Column("end_at", MOMENT, nullable=True),
        sa.Column("next_slot", MOMENT, nullable=True),
        sa.Column("next_run_at", MOMENT, nullable=True),
        sa.Column("prompted_at", MOMENT, nullable=True),
        sa.Column("misfire", sa.String(16), nullable=False),
        sa.Column("misfire_within", sa.Integer(), nullable=True),
        sa.Column("coalesce", sa.Boolean(), nullable=False),
        sa.Column("audience", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=True),
        sa.Column("edition", sa.Integer(), server_default="1", nullable=False),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("on_unknown", sa.String(16), nullable=False),
        sa.Column("lifetime", sa.Integer(), nullable=True),
        sa.Column("quiet_from", sa.String(5), nullable=True),
        sa.Column("quiet_to", sa.String(5), nullable=True),
        sa.Column("capped", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("misfire IN ('run_late', 'skip', 'within')", name=op.f("ck_notifier_campaigns_misfire")),
        sa.CheckConstraint("state IN ('active', 'paused', 'archived')", name=op.f("ck_notifier_campaigns_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_campaigns")),
        sa.UniqueConstraint("name", name=op.f("uq_notifier_campaigns_name")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notifier_campaigns_due", "notifier_campaigns", ["next_run_at"], **_where("state = 'active'"))
    op.create_table(
        "notifier_campaign_runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("slot", MOMENT, nullable=False),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason_code", sa.String(32), nullable=True),
        sa.Column("reason", sa.String(200), nullable=True),
        sa.Column("resume_to", sa.String(16), nullable=True),
        sa.Column("braked_at", MOMENT, nullable=True),
        sa.Column("provider_brakes", sa.JSON(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=True),
        sa.Column("edition", sa.Integer(), nullable=True),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("excluded", sa.JSON(), nullable=False),
        sa.Column("zone_fallbacks", sa.Integer(), nullable=False),
        sa.Column("totals", sa.JSON(), nullable=True),
        sa.Column("deadline", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("touched_at", MOMENT, nullable=False),
        sa.Column("expanded_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "state IN ('due', 'expanding', 'sending', 'paused', 'done', 'cancelled', 'missed', 'coalesced')",
            name=op.f("ck_notifier_campaign_runs_state"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["notifier_campaigns.id"],
            name=op.f("fk_notifier_campaign_runs_campaign_id_notifier_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_campaign_runs")),
        sa.UniqueConstraint("campaign_id", "slot", name=op.f("uq_notifier_campaign_runs_campaign_id_slot")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_notifier_campaign_runs_open",
        "notifier_campaign_runs",
        ["state", "touched_at"],
        **_where("state IN ('due', 'expanding', 'paused', 'sending')"),
    )
    op.create_table(
        "notifier_content_versions",
        sa.Column("id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("language", sa.String(35), server_default="", nullable=False),
        sa.Column("edition", sa.Integer(), server_default="1", nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=True),
        sa.Column("author", sa.String(64), server_default="", nullable=False),
        sa.Column("note", sa.String(300), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["notifier_campaigns.id"],
            name=op.f("fk_notifier_content_versions_campaign_id_notifier_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_content_versions")),
        sa.UniqueConstraint("campaign_id", "number", name=op.f("uq_notifier_content_versions_campaign_id_number")),
        sqlite_autoincrement=True,
    )


def _ledger() -> None:
    """The ledger: one row for each email, and the attempts that did not simply succeed."""
    op.create_table(
        "notifier_notifications",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("recipient", sa.String(320), nullable=False),
        sa.Column("dedupe_key", sa.String(255), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("bulk", sa.Boolean(), nullable=False),
        sa.Column("on_unknown", sa.String(16), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("content_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason_code", sa.String(32), nullable=True),
        sa.Column("reason", sa.String(200), nullable=True),
        sa.Column("hold_key", sa.String(320), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("unknowns", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("enqueue_at", MOMENT, nullable=False),
        sa.Column("owed_at", MOMENT, nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("claimed_by", sa.String(64), nullable=True),
        sa.Column("deadline", MOMENT, nullable=True),
        sa.Column("id_key", sa.String(8), nullable=True),
        sa.Column("message_id", sa.String(255), nullable=True),
        sa.Column("server_id", sa.String(128), nullable=True),
        sa.Column("template_version", sa.String(32), nullable=True),
        sa.Column("transport", sa.String(64), nullable=True),
        sa.Column("redirected", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("last_phase", sa.String(16), nullable=True),
        sa.Column("last_code", sa.Integer(), nullable=True),
        sa.Column("last_enhanced", sa.String(16), nullable=True),
        sa.Column("last_text", sa.String(500), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("delivered_at", MOMENT, nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'sending', 'sent', 'failed', 'suppressed', 'skipped', "
            "'unknown', 'cancelled', 'expired', 'bounced', 'complained')",
            name=op.f("ck_notifier_notifications_status"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["notifier_users.id"],
            name=op.f("fk_notifier_notifications_user_id_notifier_users"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_notifications")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notifier_notifications_dedupe_key")),
        sqlite_autoincrement=True,
    )
    if _is_postgres():
        # Every email leaves two dead rows, and by default Postgres would wait for a fifth of the ledger to be dead.
        op.execute(
            "ALTER TABLE notifier_notifications SET "
            "(autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01)"
        )
    op.create_index(
        "ix_notifier_notifications_due",
        "notifier_notifications",
        ["bulk", "next_attempt_at"],
        **_where("status = 'pending'"),
    )
    op.create_index(
        "ix_notifier_notifications_failed_settled_at",
        "notifier_notifications",
        ["settled_at"],
        **_where("status IN ('failed', 'bounced', 'complained')"),
    )
    op.create_index(
        "ix_notifier_notifications_hold_key_status",
        "notifier_notifications",
        ["hold_key", "status"],
        **_where("hold_key IS NOT NULL"),
    )
    op.create_index(
        "ix_notifier_notifications_pending_enqueue_at",
        "notifier_notifications",
        ["enqueue_at", "next_attempt_at"],
        **_where("status = 'pending'"),
    )
    op.create_index(
        "ix_notifier_notifications_run_id_status_id",
        "notifier_notifications",
        ["run_id", "status", "id", "content_id"],
        **_where("run_id IS NOT NULL"),
    )
    op.create_index(
        "ix_notifier_notifications_sending_lease_until",
        "notifier_notifications",
        ["lease_until"],
        **_where("status = 'sending'"),
    )
    op.create_index(
        "ix_notifier_notifications_server_id",
        "notifier_notifications",
        ["server_id"],
        **_where("server_id IS NOT NULL"),
    )
    op.create_index(
        "ix_notifier_notifications_settled_at",
        "notifier_notifications",
        ["settled_at"],
        **_where("settled_at IS NOT NULL"),
    )
    op.create_index(
        "ix_notifier_notifications_status_id",
        "notifier_notifications",
        ["status", "id"],
        # SQLite would not use a partial index for one status.
        postgresql_where=sa.text("status NOT IN ('pending', 'sending', 'sent')"),
    )
    op.create_index("ix_notifier_notifications_user_id_kind_id", "notifier_notifications", ["user_id", "kind", "id"])
    op.create_index(
        "ix_notifier_notifications_waiting",
        "notifier_notifications",
        ["bulk", "run_id", "id"],
        **_where("status = 'pending' AND reason_code = 'rate_limited'"),
    )
    op.create_table(
        "notifier_attempts",
        sa.Column("id", ID, nullable=False),
        sa.Column("notification_id", ID, nullable=False),
        sa.Column("claim", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("phase", sa.String(16), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("enhanced", sa.String(16), nullable=True),
        sa.Column("text", sa.String(500), nullable=True),
        sa.Column("owner", sa.String(64), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifier_notifications.id"],
            name=op.f("fk_notifier_attempts_notification_id_notifier_notifications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_attempts")),
    )
    op.create_index("ix_notifier_attempts_notification_id", "notifier_attempts", ["notification_id"])
    op.create_index(
        "ix_notifier_attempts_owner_at", "notifier_attempts", ["owner", "at"], **_where("owner IS NOT NULL")
    )
    _feedback()


def _feedback() -> None:
    op.create_table(
        "notifier_feedback",
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("reason", sa.String(32), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("enhanced", sa.String(16), nullable=True),
        sa.Column("text", sa.String(500), nullable=True),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("notification_id", ID, nullable=True),
        sa.Column("matched_by", sa.String(16), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("identity_key", sa.String(400), nullable=True),
        sa.Column("recipient", sa.String(320), nullable=True),
        sa.Column("provider", sa.String(255), nullable=False),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("effect", sa.String(24), nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifier_notifications.id"],
            name=op.f("fk_notifier_feedback_notification_id_notifier_notifications"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_feedback")),
        sa.UniqueConstraint("source", "event_id", name=op.f("uq_notifier_feedback_source_event_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notifier_feedback_notification_id", "notifier_feedback", ["notification_id"])
    op.create_index(
        "ix_notifier_feedback_identity_key_id",
        "notifier_feedback",
        ["identity_key", "id"],
        **_where("identity_key IS NOT NULL"),
    )
    op.create_index("ix_notifier_feedback_waiting", "notifier_feedback", ["id"], **_where("effect = 'waiting'"))
    op.create_index(
        "ix_notifier_feedback_unassigned",
        "notifier_feedback",
        ["source", "id"],
        **_where("effect IN ('waiting', 'dropped')"),
    )
    op.create_index("ix_notifier_feedback_provider_received_at", "notifier_feedback", ["provider", "received_at"])
    op.create_index(
        "ix_notifier_feedback_came_back",
        "notifier_feedback",
        ["received_at"],
        **_where("kind IN ('bounce', 'complaint')"),
    )
    op.create_index("ix_notifier_feedback_received_at", "notifier_feedback", ["received_at"])


def _consent() -> None:
    """What people want to get, how we know, and which addresses get nothing."""
    op.create_table(
        "notifier_preferences",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("category", sa.String(16), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("frequency", sa.String(16), nullable=True),
        sa.Column("wanted_since", MOMENT, nullable=True),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["notifier_users.id"],
            name=op.f("fk_notifier_preferences_user_id_notifier_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "category", name=op.f("pk_notifier_preferences")),
    )
    op.create_table(
        "notifier_consents",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("identity_key", sa.String(400), nullable=True),
        sa.Column("category", sa.String(16), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("frequency", sa.String(16), nullable=True),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("notification_id", sa.BigInteger(), nullable=True),
        sa.Column("basis", sa.String(500), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("user_id IS NOT NULL OR identity_key IS NOT NULL", name=op.f("ck_notifier_consents_whose")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["notifier_users.id"],
            name=op.f("fk_notifier_consents_user_id_notifier_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_consents")),
    )
    op.create_index("ix_notifier_consents_user_id_id", "notifier_consents", ["user_id", "id"])
    op.create_index(
        "ix_notifier_consents_identity_key",
        "notifier_consents",
        ["identity_key", "id"],
        postgresql_where=sa.text("identity_key IS NOT NULL"),
        sqlite_where=sa.text("identity_key IS NOT NULL"),
    )
    op.create_table(
        "notifier_digest_marks",
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["notifier_campaigns.id"],
            name=op.f("fk_notifier_digest_marks_campaign_id_notifier_campaigns"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["notifier_users.id"],
            name=op.f("fk_notifier_digest_marks_user_id_notifier_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "user_id", name=op.f("pk_notifier_digest_marks")),
    )
    op.create_table(
        "notifier_suppressions",
        sa.Column("id", ID, nullable=False),
        sa.Column("identity_key", sa.String(400), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("evidence", sa.String(500), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("enhanced", sa.String(16), nullable=True),
        sa.Column("reply", sa.String(500), nullable=True),
        sa.Column("rule_version", sa.Integer(), nullable=True),
        sa.Column("feedback_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("link", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_suppressions")),
        sa.UniqueConstraint("identity_key", name=op.f("uq_notifier_suppressions_identity_key")),
        sa.UniqueConstraint("link", name=op.f("uq_notifier_suppressions_link")),
        sqlite_autoincrement=True,
    )


def _mail_servers() -> None:
    """What sending processes tell each other about mail servers."""
    op.create_table(
        "notifier_domain_providers",
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("provider", sa.String(16), nullable=True),
        sa.Column("looked_up_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_notifier_domain_providers")),
    )
    op.create_index("ix_notifier_domain_providers_looked_up_at", "notifier_domain_providers", ["looked_up_at"])
    op.create_table(
        "notifier_paces",
        sa.Column("key", sa.String(400), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notifier_paces")),
    )
    op.create_table(
        "notifier_provider_holds",
        sa.Column("key", sa.String(320), nullable=False),
        sa.Column("transport", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(255), nullable=False),
        sa.Column("held_since", MOMENT, nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("enhanced", sa.String(16), nullable=True),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("next_probe_at", MOMENT, nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("bulk_only", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notifier_provider_holds")),
    )
    op.create_table(
        "notifier_transports",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("held_since", MOMENT, nullable=True),
        sa.Column("phase", sa.String(16), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("text", sa.String(500), nullable=True),
        sa.Column("next_probe_at", MOMENT, nullable=True),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("alerted_at", MOMENT, nullable=True),
        sa.Column("last_accepted_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_notifier_transports")),
    )
    op.create_table(
        "notifier_webhook_tokens",
        sa.Column("token", sa.String(40), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_notifier_webhook_tokens")),
    )
    op.create_index("ix_notifier_webhook_tokens_at", "notifier_webhook_tokens", ["at"])
    op.create_table(
        "notifier_webhook_states",
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=True),
        sa.Column("refused_at", MOMENT, nullable=True),
        sa.Column("refusal", sa.String(200), nullable=True),
        sa.Column("refused_since", MOMENT, nullable=True),
        sa.Column("refusals", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_notifier_webhook_states")),
    )


def _events() -> None:
    """What happened, for other applications, and what they were sent."""
    op.create_table(
        "notifier_event_drafts",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_event_drafts")),
    )
    op.create_table(
        "notifier_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_events")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "notifier_webhook_endpoints",
        sa.Column("id", ID, nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("secret", sa.String(400), nullable=False),
        sa.Column("previous_secret", sa.String(400), nullable=True),
        sa.Column("previous_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("disabled_reason", sa.String(200), nullable=True),
        sa.Column("last_success_at", MOMENT, nullable=True),
        sa.Column("failing_since", MOMENT, nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_call_at", MOMENT, nullable=False),
        sa.Column("busy_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_webhook_endpoints")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "notifier_webhook_deliveries",
        sa.Column("endpoint_id", ID, nullable=False),
        sa.Column("event_id", ID, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("last_attempt_at", MOMENT, nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(200), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_notifier_webhook_deliveries_state")
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["notifier_webhook_endpoints.id"],
            name=op.f("fk_notifier_webhook_deliveries_endpoint_id_notifier_webhook_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "event_id", name=op.f("pk_notifier_webhook_deliveries")),
    )
    op.create_index(
        "ix_notifier_webhook_deliveries_waiting",
        "notifier_webhook_deliveries",
        ["endpoint_id", "next_attempt_at"],
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )


def _operators() -> None:
    """People who sign in to the admin, and the log of what they did."""
    op.create_table(
        "notifier_operators",
        sa.Column("id", ID, nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("identity_key", sa.String(400), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("invited", sa.Boolean(), nullable=False),
        sa.Column("signed_in_at", MOMENT, nullable=True),
        sa.Column("totp_secret", sa.String(300), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'editor', 'admin')", name=op.f("ck_notifier_operators_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_operators")),
        sa.UniqueConstraint("identity_key", name=op.f("uq_notifier_operators_identity_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "notifier_operator_sessions",
        sa.Column("id", ID, nullable=False),
        sa.Column("operator_id", ID, nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("ip", sa.String(45), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["notifier_operators.id"],
            name=op.f("fk_notifier_operator_sessions_operator_id_notifier_operators"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_operator_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_notifier_operator_sessions_token_hash")),
    )
    op.create_index("ix_notifier_operator_sessions_operator_id", "notifier_operator_sessions", ["operator_id"])
    op.create_table(
        "notifier_operator_links",
        sa.Column("id", ID, nullable=False),
        sa.Column("operator_id", ID, nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "purpose IN ('invitation', 'password', 'second_factor')", name=op.f("ck_notifier_operator_links_purpose")
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["notifier_operators.id"],
            name=op.f("fk_notifier_operator_links_operator_id_notifier_operators"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_operator_links")),
        sa.UniqueConstraint("operator_id", name=op.f("uq_notifier_operator_links_operator_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_notifier_operator_links_token_hash")),
    )
    op.create_table(
        "notifier_api_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("principal", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_api_keys")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notifier_api_keys_principal_id", "notifier_api_keys", ["principal", "id"])
    op.create_table(
        "notifier_kept_forms",
        sa.Column("id", ID, nullable=False),
        sa.Column("operator_id", ID, nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["notifier_operators.id"],
            name=op.f("fk_notifier_kept_forms_operator_id_notifier_operators"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_kept_forms")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_notifier_kept_forms_key_hash")),
    )
    op.create_index("ix_notifier_kept_forms_created_at", "notifier_kept_forms", ["created_at"])
    op.create_index("ix_notifier_kept_forms_operator_id", "notifier_kept_forms", ["operator_id"])
    op.create_table(
        "notifier_recovery_codes",
        sa.Column("id", ID, nullable=False),
        sa.Column("operator_id", ID, nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["notifier_operators.id"],
            name=op.f("fk_notifier_recovery_codes_operator_id_notifier_operators"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_recovery_codes")),
        sa.UniqueConstraint("operator_id", "code_hash", name=op.f("uq_notifier_recovery_codes_operator_id_code_hash")),
    )
    op.create_table(
        "notifier_audit_entries",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(320), nullable=False),
        sa.Column("ip", sa.String(45), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("object_type", sa.String(32), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("person_digest", sa.String(64), nullable=True),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_audit_entries")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notifier_audit_entries_action_id", "notifier_audit_entries", ["action", "id"])
    op.create_index("ix_notifier_audit_entries_at", "notifier_audit_entries", ["at"])
    op.create_index(
        "ix_notifier_audit_entries_object_type_object_id_id",
        "notifier_audit_entries",
        ["object_type", "object_id", "id"],
    )
    op.create_index("ix_notifier_audit_entries_operator_id_id", "notifier_audit_entries", ["operator_id", "id"])
    op.create_index(
        "ix_notifier_audit_entries_person_digest_id",
        "notifier_audit_entries",
        ["person_digest", "id"],
        **_where("person_digest IS NOT NULL"),
    )


def _housekeeping() -> None:
    """Chores, counts, and what a database knows of itself after a restore."""
    op.create_table(
        "notifier_heartbeats",
        "notifier_incidents",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_notifier_heartbeats")),
    )
    op.create_table(
        "notifier_incidents",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("check", sa.String(200), nullable=False),
        sa.Column("title", sa.String(400), nullable=False),
        sa.Column("anchor", sa.String(120), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("well_since", MOMENT, nullable=True),
        sa.Column("claimed_until", MOMENT, nullable=True),
        sa.Column("alerted_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notifier_incidents")),
    )
    op.create_table(
        "notifier_task_results",
        sa.Column("id", ID, nullable=False),
        sa.Column("task_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("idle", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("error", sa.String(200), nullable=True),
        sa.Column("worker", sa.String(200), nullable=True),
        sa.Column("queued_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_task_results")),
        sa.UniqueConstraint("task_id", name=op.f("uq_notifier_task_results_task_id")),
    )
    op.create_index("ix_notifier_task_results_name_id", "notifier_task_results", ["name", "id"])
    op.create_index("ix_notifier_task_results_queued_at", "notifier_task_results", ["queued_at"])
    op.create_index("ix_notifier_task_results_state_id", "notifier_task_results", ["state", "id"])
    op.create_table(
        "notifier_daily_totals",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("emails", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "hour", "status", name=op.f("pk_notifier_daily_totals")),
    )
    op.create_table(
        "notifier_provider_totals",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("hard", sa.Integer(), nullable=False),
        sa.Column("soft", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("complained", sa.Integer(), nullable=False),
        sa.Column("counted_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("day", "hour", "provider", name=op.f("pk_notifier_provider_totals")),
    )
    op.create_table(
        "notifier_tallies",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("labels", sa.String(400), nullable=False),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_tallies")),
    )
    op.create_table(
        "notifier_metric_totals",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("labels", sa.String(400), nullable=False),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name=op.f("pk_notifier_metric_totals")),
    )
    op.create_table(
        "notifier_database_identity",
        sa.Column("id", ID, nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("database_oid", sa.BigInteger(), nullable=False),
        sa.Column("noted_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifier_database_identity")),
    )
    op.create_table(
        "notifier_unrecorded_emails",
        sa.Column("mac", sa.String(16), nullable=False),
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("noted_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("mac", name=op.f("pk_notifier_unrecorded_emails")),
    )


def _count_notifications() -> None:
    """Triggers that count what becomes of emails: on Postgres once for each statement, on SQLite for each row."""
    for statement in ON_POSTGRES if _is_postgres() else ON_SQLITE:
        op.execute(statement)


def _refuse_updates(table: str, message: str) -> None:
    if _is_postgres():
        op.execute(
            f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
        )
    else:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )


def _external_id() -> str:
    """1 to 200 letters, digits and `._:@|~-`, in the way of this database."""
    if _is_postgres():
        return "external_id ~ '^[A-Za-z0-9._:@|~-]{1,200}$'"
    return "length(external_id) BETWEEN 1 AND 200 AND external_id NOT GLOB '*[^A-Za-z0-9._:@|~-]*'"


def _where(condition: str) -> dict[str, sa.TextClause]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _is_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"
