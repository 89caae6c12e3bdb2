"""ids that SQLite never gives again, limits of sign-up emails, suppressions that end by themselves

Revision ID: 0011
Revises: 0010
"""

import re

import sqlalchemy as sa
from alembic import op

from notifier.models import types


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

MOMENT = types.UtcDateTime(timezone=True)
#: Their ids stand in keys, tokens or the audit log.
COUNTED = (
    'users', 'notifications', 'campaigns', 'campaign_runs', 'content_versions', 'operators', 'suppressions', 'audit_entries'
)


def upgrade() -> None:
    with op.batch_alter_table('users', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('abuse_key', sa.String(length=400), nullable=True))
    op.create_index('ix_users_abuse_key', 'users', ['abuse_key', 'id'])
    op.add_column('suppressions', sa.Column('until', MOMENT, nullable=True))
    op.add_column('suppressions', sa.Column('link', sa.String(length=32), nullable=True))
    if op.get_bind().dialect.name != 'sqlite':
        op.create_unique_constraint(op.f('uq_suppressions_link'), 'suppressions', ['link'])
    op.create_table('signup_emails',
    sa.Column('notification_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('at', MOMENT, nullable=False),
    sa.Column('due', MOMENT, nullable=False),
    sa.Column('mailbox', sa.String(length=32), nullable=False),
    sa.Column('network', sa.String(length=32), nullable=False),
    sa.Column('source', sa.String(length=32), nullable=True),
    sa.Column('first', sa.Boolean(), nullable=False),
    sa.Column('slowed', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('notification_id', name=op.f('pk_signup_emails'))
    )
    op.create_index('ix_signup_emails_at', 'signup_emails', ['at'])
    op.create_index('ix_signup_emails_mailbox_at', 'signup_emails', ['mailbox', 'at'])
    op.create_index('ix_signup_emails_source_due', 'signup_emails', ['source', 'due'])
    op.create_index('ix_signup_emails_slowed_due', 'signup_emails', ['slowed', 'due'])
    if op.get_bind().dialect.name == 'sqlite':
        for table in COUNTED:
            _rebuild(table, lambda text, table=table: _counting(text, table))


def downgrade() -> None:
    op.drop_table('signup_emails')
    op.drop_index('ix_users_abuse_key', 'users')
    if op.get_bind().dialect.name == 'sqlite':
        for table in COUNTED:
            _rebuild(table, lambda text, table=table: _as_before(text, table))
    else:
        op.drop_constraint(op.f('uq_suppressions_link'), 'suppressions')
    with op.batch_alter_table('suppressions', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('link')
        batch_op.drop_column('until')
    with op.batch_alter_table('users', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('abuse_key')


def _counting(text: str, table: str) -> str:
    """The table with AUTOINCREMENT, which belongs to the column; SQLite knows no other place for it."""
    text = _once(rf',\s*CONSTRAINT "?pk_{table}"? PRIMARY KEY \(id\)', '', text)
    text = _once(r'\bid INTEGER NOT NULL', 'id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT', text)
    if table == 'suppressions':
        text = _once(r'\)\s*$', ', CONSTRAINT uq_suppressions_link UNIQUE (link))', text)
    return text


def _as_before(text: str, table: str) -> str:
    text = _once(r'\bid INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT', 'id INTEGER NOT NULL', text)
    if table == 'suppressions':
        text = _once(r', CONSTRAINT uq_suppressions_link UNIQUE \(link\)', '', text)
    return _once(r'\)\s*$', f', CONSTRAINT pk_{table} PRIMARY KEY (id))', text)


def _once(pattern: str, by: str, text: str) -> str:
    changed, times = re.subn(pattern, by, text)
    if times != 1:
        raise RuntimeError(f'the table is not as this migration knows it: {text}')
    return changed


def _rebuild(table: str, change) -> None:
    """Make the table anew with the text that `change` makes of its own: https://www.sqlite.org/lang_altertable.html,
    section 7. Indexes and triggers go with the old one and come back as they were.

    Foreign keys are off meanwhile (migrations/env.py), or dropping it would delete what points at it.
    """
    connection = op.get_bind()
    if connection.exec_driver_sql('PRAGMA foreign_keys').scalar():
        raise RuntimeError('foreign keys are on: dropping a table would delete what points at it')
    query = sa.text('SELECT type, sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL')
    found = connection.execute(query, {'name': table}).all()
    (text,) = [sql for kind, sql in found if kind == 'table']
    new = f'_new_{table}'
    connection.exec_driver_sql(_once(rf'^CREATE TABLE "?{table}"?', f'CREATE TABLE {new}', change(text)))
    connection.exec_driver_sql(f'INSERT INTO {new} SELECT * FROM {table}')
    connection.exec_driver_sql(f'DROP TABLE {table}')
    connection.exec_driver_sql(f'ALTER TABLE {new} RENAME TO {table}')
    for sql in (sql for kind, sql in found if kind != 'table'):
        connection.exec_driver_sql(sql)
