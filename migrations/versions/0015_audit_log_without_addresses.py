"""the audit log holds no address: a digest names the person that an entry is about

Revision ID: 0015
Revises: 0014
"""

import re

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

DIGEST = 'person_digest IS NOT NULL'
TRIGGER = 'audit_entries_append_only'
TABLE = sa.table(
    'audit_entries',
    sa.column('id', sa.BigInteger),
    sa.column('operator_id', sa.BigInteger),
    sa.column('actor', sa.String),
    sa.column('object_id', sa.String),
    sa.column('before', sa.JSON),
    sa.column('after', sa.JSON),
)

#: As in notifier.security.redaction on the day of this migration.
ADDRESS = re.compile(r"""[^\s<>,;:()\[\]"'=/?&]{1,192}(?:@|%40)[^\s<>,;:()\[\]"'/?&]{1,255}""")

#: Rows looked at in one statement.
CHUNK = 1000


def upgrade() -> None:
    with op.batch_alter_table('audit_entries', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('person_digest', sa.String(length=64), nullable=True))
        batch_op.create_index(
            'ix_audit_entries_person_digest_id', ['person_digest', 'id'], unique=False,
            postgresql_where=sa.text(DIGEST), sqlite_where=sa.text(DIGEST),
        )
    _refuse_updates(False)
    _remove_addresses(op.get_bind())
    _refuse_updates(True)


def _remove_addresses(connection: sa.Connection) -> None:
    """Entries from before name operators and people by address. Their digests would need the keys, so none is made."""
    query = sa.select(TABLE).order_by(TABLE.c.id).limit(CHUNK)
    rows = connection.execute(query).all()
    while rows:
        for row in rows:
            values = {name: _without(getattr(row, name)) for name in ('object_id', 'before', 'after')}
            values['actor'] = f'operator {row.operator_id}' if row.operator_id is not None else _without(row.actor)
            if any(getattr(row, name) != value for name, value in values.items()):
                connection.execute(sa.update(TABLE).where(TABLE.c.id == row.id).values(values))
        rows = connection.execute(query.where(TABLE.c.id > rows[-1].id)).all()


def _without(value: object) -> object:
    if isinstance(value, str):
        return ADDRESS.sub('<address>', value)
    if isinstance(value, dict):
        return {ADDRESS.sub('<address>', name): _without(inner) for name, inner in value.items()}
    return [_without(inner) for inner in value] if isinstance(value, list) else value


def _refuse_updates(on: bool) -> None:
    """Switch the guard of the log (migration 0004) off for this migration, and on again."""
    if op.get_bind().dialect.name == 'postgresql':
        op.execute(f"ALTER TABLE audit_entries {'ENABLE' if on else 'DISABLE'} TRIGGER {TRIGGER}")
    elif on:
        op.execute(
            f"CREATE TRIGGER {TRIGGER} BEFORE UPDATE ON audit_entries "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END"
        )
    else:
        op.execute(f"DROP TRIGGER {TRIGGER}")


def downgrade() -> None:
    with op.batch_alter_table('audit_entries', schema=None, recreate='never') as batch_op:
        batch_op.drop_index('ix_audit_entries_person_digest_id')
        batch_op.drop_column('person_digest')
