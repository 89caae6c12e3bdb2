"""transports, paces; who holds a notification, and its campaign

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from notifier.models import types


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('transports',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('held_since', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('phase', sa.String(length=16), nullable=True),
    sa.Column('code', sa.Integer(), nullable=True),
    sa.Column('text', sa.String(length=500), nullable=True),
    sa.Column('next_probe_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('probes', sa.Integer(), nullable=False),
    sa.Column('alerted_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('last_accepted_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_transports'))
    )
    op.create_table('paces',
    sa.Column('key', sa.String(length=300), nullable=False),
    sa.Column('until', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('level', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_paces'))
    )
    # Columns without a default: added and dropped in place, so a ledger of any size is not copied.
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('claimed_by', sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column('campaign_id', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('campaign_id')
        batch_op.drop_column('claimed_by')

    op.drop_table('paces')
    op.drop_table('transports')
