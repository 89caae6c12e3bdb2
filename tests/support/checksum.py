"""What a database holds, as one number."""

import hashlib

from sqlalchemy import text

from notifier.extensions import db


def checksum() -> str:
    """A hash over all rows of all tables. Needs an application context, and no transaction may be open."""
    digest = hashlib.sha256()
    with db.engine.connect() as connection:
        for table in sorted(db.metadata.tables):
            key = ", ".join(column.name for column in db.metadata.tables[table].primary_key)
            rows = connection.execute(text(f"SELECT * FROM {table} ORDER BY {key}"))
            digest.update(f"{table}: {rows.all()!r}\n".encode())
    return digest.hexdigest()
