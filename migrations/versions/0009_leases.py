"""attempts name the process whose lease ran out; emails count the processes that died while making them

Revision ID: 0009
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('deaths', sa.Integer(), server_default=sa.text('0'), nullable=False))
    with op.batch_alter_table('attempts', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('owner', sa.String(length=64), nullable=True))
        batch_op.create_index(
            'ix_attempts_owner_at',
            ['owner', 'at'],
            unique=False,
            postgresql_where=sa.text('owner IS NOT NULL'),
            sqlite_where=sa.text('owner IS NOT NULL'),
        )


def downgrade() -> None:
    with op.batch_alter_table('attempts', schema=None) as batch_op:
        batch_op.drop_index('ix_attempts_owner_at')
        batch_op.drop_column('owner')
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('deaths')
