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
    op.create_table('campaign_words',
    sa.Column('id', BIG_ID, nullable=False),
    sa.Column('campaign_id', BIG_ID, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('heading', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('author_id', sa.BigInteger(), nullable=True),
    sa.Column('note', sa.String(length=300), nullable=False),
    sa.Column('created_at', MOMENT, nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_campaign_words_campaign_id_campaigns'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_campaign_words')),
    sa.UniqueConstraint('campaign_id', 'number', name=op.f('uq_campaign_words_campaign_id_number'))
    )
    _refuse_updates()
    for table in PINNED:
        with op.batch_alter_table(table, schema=None, recreate='never') as batch_op:
            batch_op.add_column(sa.Column('words_id', sa.BigInteger(), nullable=True))


def _refuse_updates() -> None:
    """A mail that names a version says what that version said."""
    if op.get_bind().dialect.name == 'postgresql':
        op.execute(
            "CREATE FUNCTION campaign_words_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'versions of words are only ever added'; END $$"
        )
        op.execute(
            "CREATE TRIGGER campaign_words_append_only BEFORE UPDATE ON campaign_words "
            "FOR EACH STATEMENT EXECUTE FUNCTION campaign_words_refuse()"
        )
        return
    op.execute(
        "CREATE TRIGGER campaign_words_append_only BEFORE UPDATE ON campaign_words "
        "BEGIN SELECT RAISE(ABORT, 'versions of words are only ever added'); END"
    )


def downgrade() -> None:
    for table in PINNED:
        with op.batch_alter_table(table, schema=None, recreate='never') as batch_op:
            batch_op.drop_column('words_id')
    op.drop_table('campaign_words')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION campaign_words_refuse()")
