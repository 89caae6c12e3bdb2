"""editions of a campaign's content, and the language of each version

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('campaigns', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('edition', sa.Integer(), server_default='1', nullable=False))
    with op.batch_alter_table('campaign_runs', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('edition', sa.Integer(), nullable=True))
    with op.batch_alter_table('content_versions', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('edition', sa.Integer(), server_default='1', nullable=False))
        batch_op.add_column(sa.Column('language', sa.String(length=35), server_default='', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('content_versions', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('language')
        batch_op.drop_column('edition')
    for table in ('campaign_runs', 'campaigns'):
        with op.batch_alter_table(table, schema=None, recreate='never') as batch_op:
            batch_op.drop_column('edition')
