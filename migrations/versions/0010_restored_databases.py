"""what a database knows of itself once it was restored from a backup

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from notifier.models import types


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
MOMENT = types.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table('database_identity',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('transaction_id', sa.BigInteger(), nullable=False),
    sa.Column('database_oid', sa.BigInteger(), nullable=False),
    sa.Column('noted_at', MOMENT, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_database_identity'))
    )
    op.create_table('unrecorded_emails',
    sa.Column('digest', sa.String(length=16), nullable=False),
    sa.Column('message_id', sa.String(length=255), nullable=False),
    sa.Column('noted_at', MOMENT, nullable=False),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_unrecorded_emails'))
    )


def downgrade() -> None:
    op.drop_table('unrecorded_emails')
    op.drop_table('database_identity')
