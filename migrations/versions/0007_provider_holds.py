"""holds by provider, the provider of a domain, and what a waiting row waits for

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from notifier.models import types


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

HELD = 'hold_key IS NOT NULL'


def upgrade() -> None:
    op.create_table('provider_holds',
    sa.Column('key', sa.String(length=320), nullable=False),
    sa.Column('transport', sa.String(length=64), nullable=False),
    sa.Column('scope', sa.String(length=255), nullable=False),
    sa.Column('held_since', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('phase', sa.String(length=16), nullable=False),
    sa.Column('code', sa.Integer(), nullable=True),
    sa.Column('text', sa.String(length=500), nullable=False),
    sa.Column('next_probe_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('probes', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_provider_holds'))
    )
    op.create_table('domain_providers',
    sa.Column('domain', sa.String(length=255), nullable=False),
    sa.Column('provider', sa.String(length=16), nullable=True),
    sa.Column('looked_up_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('domain', name=op.f('pk_domain_providers'))
    )
    with op.batch_alter_table('domain_providers', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_domain_providers_looked_up_at'), ['looked_up_at'], unique=False)
    with op.batch_alter_table('paces', schema=None) as batch_op:
        batch_op.alter_column('key', existing_type=sa.String(length=300), type_=sa.String(length=400))
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('hold_key', sa.String(length=320), nullable=True))
        batch_op.create_index('ix_notifications_hold_key_status', ['hold_key', 'status'], unique=False,
                              postgresql_where=sa.text(HELD), sqlite_where=sa.text(HELD))


def downgrade() -> None:
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.drop_index('ix_notifications_hold_key_status', postgresql_where=sa.text(HELD), sqlite_where=sa.text(HELD))
        batch_op.drop_column('hold_key')
    with op.batch_alter_table('paces', schema=None) as batch_op:
        batch_op.alter_column('key', existing_type=sa.String(length=400), type_=sa.String(length=300))
    op.drop_table('domain_providers')
    op.drop_table('provider_holds')
