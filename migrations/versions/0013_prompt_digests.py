"""when a preference was switched on again, and when a campaign was last asked for prompt emails

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from notifier.models import types

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('preferences', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('wanted_since', types.UtcDateTime(timezone=True), nullable=True))
    with op.batch_alter_table('campaigns', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('prompted_at', types.UtcDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('campaigns', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('prompted_at')
    with op.batch_alter_table('preferences', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('wanted_since')
