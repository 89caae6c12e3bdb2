"""campaigns, runs, preferences, consents, digest marks

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from notifier.models import types


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('campaigns',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('title', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('paused_reason', sa.String(length=200), nullable=True),
    sa.Column('cron', sa.String(length=100), nullable=True),
    sa.Column('every', sa.Integer(), nullable=True),
    sa.Column('once_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('zone', sa.String(length=64), nullable=False),
    sa.Column('recipient_local', sa.Boolean(), nullable=False),
    sa.Column('start_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('end_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('next_slot', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('next_run_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('misfire', sa.String(length=16), nullable=False),
    sa.Column('misfire_within', sa.Integer(), nullable=True),
    sa.Column('coalesce', sa.Boolean(), nullable=False),
    sa.Column('audience', sa.JSON(), nullable=False),
    sa.Column('settings', sa.JSON(), nullable=False),
    sa.Column('rate', sa.Float(), nullable=True),
    sa.Column('on_unknown', sa.String(length=16), nullable=False),
    sa.Column('lifetime', sa.Integer(), nullable=True),
    sa.Column('quiet_from', sa.String(length=5), nullable=True),
    sa.Column('quiet_to', sa.String(length=5), nullable=True),
    sa.Column('capped', sa.Boolean(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.CheckConstraint("misfire IN ('run_late', 'skip', 'within')", name=op.f('ck_campaigns_misfire')),
    sa.CheckConstraint("state IN ('active', 'paused', 'archived')", name=op.f('ck_campaigns_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_campaigns')),
    sa.UniqueConstraint('name', name=op.f('uq_campaigns_name'))
    )
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.create_index('ix_campaigns_due', ['next_run_at'], unique=False, postgresql_where=sa.text("state = 'active'"), sqlite_where=sa.text("state = 'active'"))

    op.create_table('campaign_runs',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('campaign_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('slot', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('trigger', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=True),
    sa.Column('resume_to', sa.String(length=16), nullable=True),
    sa.Column('cursor', sa.BigInteger(), nullable=False),
    sa.Column('planned', sa.Integer(), nullable=False),
    sa.Column('excluded', sa.JSON(), nullable=False),
    sa.Column('zone_fallbacks', sa.Integer(), nullable=False),
    sa.Column('totals', sa.JSON(), nullable=True),
    sa.Column('deadline', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('created_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('touched_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expanded_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('finished_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state IN ('due', 'expanding', 'sending', 'paused', 'done', 'cancelled', 'missed', 'coalesced')", name=op.f('ck_campaign_runs_state')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_campaign_runs_campaign_id_campaigns'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_campaign_runs')),
    sa.UniqueConstraint('campaign_id', 'slot', name=op.f('uq_campaign_runs_campaign_id_slot'))
    )
    with op.batch_alter_table('campaign_runs', schema=None) as batch_op:
        batch_op.create_index('ix_campaign_runs_open', ['state', 'touched_at'], unique=False, postgresql_where=sa.text("state IN ('due', 'expanding', 'paused', 'sending')"), sqlite_where=sa.text("state IN ('due', 'expanding', 'paused', 'sending')"))

    op.create_table('consents',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('category', sa.String(length=16), nullable=False),
    sa.Column('wanted', sa.Boolean(), nullable=False),
    sa.Column('frequency', sa.String(length=16), nullable=True),
    sa.Column('how', sa.String(length=16), nullable=False),
    sa.Column('notification_id', sa.BigInteger(), nullable=True),
    sa.Column('at', types.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_consents_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consents'))
    )
    with op.batch_alter_table('consents', schema=None) as batch_op:
        batch_op.create_index('ix_consents_user_id_id', ['user_id', 'id'], unique=False)

    op.create_table('digest_marks',
    sa.Column('campaign_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('until', types.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_digest_marks_campaign_id_campaigns'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_digest_marks_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign_id', 'user_id', name=op.f('pk_digest_marks'))
    )
    op.create_table('preferences',
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('category', sa.String(length=16), nullable=False),
    sa.Column('wanted', sa.Boolean(), nullable=False),
    sa.Column('frequency', sa.String(length=16), nullable=True),
    sa.Column('updated_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_preferences_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'category', name=op.f('pk_preferences'))
    )
    # A column without a default: added and dropped in place, so a ledger of any size is not copied.
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('run_id', sa.BigInteger(), nullable=True))
        batch_op.create_index('ix_notifications_run_id_status', ['run_id', 'status'], unique=False, postgresql_where=sa.text('run_id IS NOT NULL'), sqlite_where=sa.text('run_id IS NOT NULL'))



def downgrade() -> None:
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.drop_index('ix_notifications_run_id_status', postgresql_where=sa.text('run_id IS NOT NULL'), sqlite_where=sa.text('run_id IS NOT NULL'))
        batch_op.drop_column('run_id')

    op.drop_table('preferences')
    op.drop_table('digest_marks')
    with op.batch_alter_table('consents', schema=None) as batch_op:
        batch_op.drop_index('ix_consents_user_id_id')

    op.drop_table('consents')
    with op.batch_alter_table('campaign_runs', schema=None) as batch_op:
        batch_op.drop_index('ix_campaign_runs_open', postgresql_where=sa.text("state IN ('due', 'expanding', 'paused', 'sending')"), sqlite_where=sa.text("state IN ('due', 'expanding', 'paused', 'sending')"))

    op.drop_table('campaign_runs')
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.drop_index('ix_campaigns_due', postgresql_where=sa.text("state = 'active'"), sqlite_where=sa.text("state = 'active'"))

    op.drop_table('campaigns')
