"""operators' sessions and second factor, the audit log, daily totals, task results

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from notifier.models import types


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
MOMENT = types.UtcDateTime(timezone=True)
FAILED = "status IN ('failed', 'bounced', 'complained')"
SETTLED = 'settled_at IS NOT NULL'
OF_RUNS = 'run_id IS NOT NULL'


def upgrade() -> None:
    with op.batch_alter_table('operators', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('totp_secret', sa.String(length=300), nullable=True))
        batch_op.add_column(sa.Column('totp_step', sa.BigInteger(), nullable=True))
    op.create_table('operator_sessions',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('operator_id', BIG_ID, nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('ip', sa.String(length=45), nullable=False),
    sa.Column('created_at', MOMENT, nullable=False),
    sa.Column('seen_at', MOMENT, nullable=False),
    sa.ForeignKeyConstraint(['operator_id'], ['operators.id'], name=op.f('fk_operator_sessions_operator_id_operators'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_operator_sessions')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_operator_sessions_token_hash'))
    )
    op.create_index('ix_operator_sessions_operator_id', 'operator_sessions', ['operator_id'])
    op.create_table('recovery_codes',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('operator_id', BIG_ID, nullable=False),
    sa.Column('code_hash', sa.String(length=64), nullable=False),
    sa.Column('used_at', MOMENT, nullable=True),
    sa.ForeignKeyConstraint(['operator_id'], ['operators.id'], name=op.f('fk_recovery_codes_operator_id_operators'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_recovery_codes')),
    sa.UniqueConstraint('operator_id', 'code_hash', name=op.f('uq_recovery_codes_operator_id_code_hash'))
    )
    op.create_table('audit_entries',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('at', MOMENT, nullable=False),
    sa.Column('operator_id', sa.BigInteger(), nullable=True),
    sa.Column('actor', sa.String(length=320), nullable=False),
    sa.Column('ip', sa.String(length=45), nullable=False),
    sa.Column('action', sa.String(length=64), nullable=False),
    sa.Column('object_type', sa.String(length=32), nullable=False),
    sa.Column('object_id', sa.String(length=64), nullable=False),
    sa.Column('before', sa.JSON(), nullable=False),
    sa.Column('after', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entries'))
    )
    op.create_index('ix_audit_entries_at', 'audit_entries', ['at'])
    op.create_index('ix_audit_entries_operator_id_id', 'audit_entries', ['operator_id', 'id'])
    op.create_index('ix_audit_entries_action_id', 'audit_entries', ['action', 'id'])
    op.create_index('ix_audit_entries_object_type_object_id_id', 'audit_entries', ['object_type', 'object_id', 'id'])
    _refuse_updates()
    op.create_table('daily_totals',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('hour', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('mails', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'hour', 'status', name=op.f('pk_daily_totals'))
    )
    op.create_table('task_results',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('task_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('result', sa.JSON(), nullable=True),
    sa.Column('error', sa.String(length=200), nullable=True),
    sa.Column('worker', sa.String(length=200), nullable=True),
    sa.Column('queued_at', MOMENT, nullable=False),
    sa.Column('started_at', MOMENT, nullable=True),
    sa.Column('finished_at', MOMENT, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_task_results')),
    sa.UniqueConstraint('task_id', name=op.f('uq_task_results_task_id'))
    )
    op.create_index('ix_task_results_name_id', 'task_results', ['name', 'id'])
    op.create_index('ix_task_results_state_id', 'task_results', ['state', 'id'])
    op.create_index('ix_task_results_queued_at', 'task_results', ['queued_at'])
    op.create_index('ix_notifications_settled_at', 'notifications', ['settled_at'], postgresql_where=sa.text(SETTLED), sqlite_where=sa.text(SETTLED))
    op.create_index('ix_notifications_failed_settled_at', 'notifications', ['settled_at'], postgresql_where=sa.text(FAILED), sqlite_where=sa.text(FAILED))
    # With the key, so that the mails of a run are listed in the order of the index.
    op.drop_index('ix_notifications_run_id_status', 'notifications', postgresql_where=sa.text(OF_RUNS), sqlite_where=sa.text(OF_RUNS))
    op.create_index('ix_notifications_run_id_status_id', 'notifications', ['run_id', 'status', 'id'], postgresql_where=sa.text(OF_RUNS), sqlite_where=sa.text(OF_RUNS))


def _refuse_updates() -> None:
    """What happened, happened: no code path, and no careless query, rewrites an entry."""
    if op.get_bind().dialect.name == 'postgresql':
        op.execute(
            "CREATE FUNCTION audit_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log is only ever added to'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_entries_append_only BEFORE UPDATE ON audit_entries "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse()"
        )
        return
    op.execute(
        "CREATE TRIGGER audit_entries_append_only BEFORE UPDATE ON audit_entries "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END"
    )


def downgrade() -> None:
    op.drop_index('ix_notifications_run_id_status_id', 'notifications', postgresql_where=sa.text(OF_RUNS), sqlite_where=sa.text(OF_RUNS))
    op.create_index('ix_notifications_run_id_status', 'notifications', ['run_id', 'status'], postgresql_where=sa.text(OF_RUNS), sqlite_where=sa.text(OF_RUNS))
    op.drop_index('ix_notifications_failed_settled_at', 'notifications', postgresql_where=sa.text(FAILED), sqlite_where=sa.text(FAILED))
    op.drop_index('ix_notifications_settled_at', 'notifications', postgresql_where=sa.text(SETTLED), sqlite_where=sa.text(SETTLED))
    op.drop_table('task_results')
    op.drop_table('daily_totals')
    op.drop_table('audit_entries')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION audit_entries_refuse()")
    op.drop_table('recovery_codes')
    op.drop_table('operator_sessions')
    with op.batch_alter_table('operators', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('totp_step')
        batch_op.drop_column('totp_secret')
