"""what the public forms asked for, until a worker has decided what follows from it

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from notifier.models import types

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

MOMENT = types.UtcDateTime(timezone=True)
KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('account_requests',
    sa.Column('id', KEY, nullable=False),
    sa.Column('action', sa.String(length=16), nullable=False),
    sa.Column('email', sa.String(length=320), nullable=False),
    sa.Column('identity_key', sa.String(length=400), nullable=False),
    sa.Column('display_name', sa.String(length=64), nullable=False),
    sa.Column('locale', sa.String(length=16), nullable=False),
    sa.Column('timezone', sa.String(length=64), nullable=False),
    sa.Column('network', sa.String(length=64), nullable=False),
    sa.Column('known_provider', sa.Boolean(), nullable=False),
    sa.Column('created_at', MOMENT, nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('enqueue_at', MOMENT, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account_requests'))
    )
    op.create_index('ix_account_requests_identity_key', 'account_requests', ['identity_key', 'id'])
    op.create_index('ix_account_requests_enqueue_at', 'account_requests', ['enqueue_at'])


def downgrade() -> None:
    op.drop_table('account_requests')
