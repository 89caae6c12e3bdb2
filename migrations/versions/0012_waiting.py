"""an index of what waits for a rate limit

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

WAITING = "status = 'pending' AND reason_code = 'rate_limited'"


def upgrade() -> None:
    where = sa.text(WAITING)
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.create_index(
            'ix_notifications_waiting', ['bulk', 'run_id', 'id'], unique=False,
            postgresql_where=where, sqlite_where=where,
        )


def downgrade() -> None:
    with op.batch_alter_table('notifications', schema=None, recreate='never') as batch_op:
        batch_op.drop_index('ix_notifications_waiting')
