"""words of campaigns, in versions that only ever grow, pinned on runs and mails

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from notifier.models import types


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
MOMENT = types.UtcDateTime(timezone=True)
PINNED = ('campaigns', 'campaign_runs', 'notifications')


def upgrade() -> None:
    op.create_table('content_versions',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('campaign_id', BIG_ID, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('heading', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('author_id', sa.BigInteger(), nullable=True),
    sa.Column('note', sa.String(length=300), nullable=False),
    sa.Column('created_at', MOMENT, nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_content_versions_campaign_id_campaigns'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_content_versions')),
    sa.UniqueConstraint('campaign_id', 'number', name=op.f('uq_content_versions_campaign_id_number'))
    )
    _refuse_updates()
    for table in PINNED:
        with op.batch_alter_table(table, schema=None, recreate='never') as batch_op:
            batch_op.add_column(sa.Column('content_id', sa.BigInteger(), nullable=True))


def _refuse_updates() -> None:
    """A mail that names a version says what that version said."""
    if op.get_bind().dialect.name == 'postgresql':
        op.execute(
            "CREATE FUNCTION content_versions_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'versions of words are only ever added'; END $$"
        )
        op.execute(
            "CREATE TRIGGER content_versions_append_only BEFORE UPDATE ON content_versions "
            "FOR EACH STATEMENT EXECUTE FUNCTION content_versions_refuse()"
        )
        return
    op.execute(
        "CREATE TRIGGER content_versions_append_only BEFORE UPDATE ON content_versions "
        "BEGIN SELECT RAISE(ABORT, 'versions of words are only ever added'); END"
    )


def downgrade() -> None:
    for table in PINNED:
        with op.batch_alter_table(table, schema=None, recreate='never') as batch_op:
            batch_op.drop_column('content_id')
    op.drop_table('content_versions')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION content_versions_refuse()")
