"""Is this the database in use, or a copy of it that was restored from a backup?

What went out since the backup is owed again in the copy, so nothing is sent from it until an operator has said what
went out. Postgres shows it: the transaction that wrote a row is part of the row, and a dump writes it anew. It stays
through VACUUM, a failover, pg_upgrade and recovery to a point in time; SQLite has nothing of the kind.
"""

import time
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)

#: For people, wherever it is shown.
HELD = (
    "this database was restored from a backup: nothing is sent until `notifier restore reconcile` "
    "(or `notifier restore release` where nothing went out since)"
)

#: Seconds for which a look is believed.
LOOK_SECONDS = 5.0

_OID = "(SELECT oid::bigint FROM pg_database WHERE datname = current_database())"

_FITS = text(f"""
    SELECT xmin::text::bigint = transaction_id % 4294967296 AND database_oid = {_OID}
    FROM notifier_database_identity WHERE id = 1""")

_ADOPT = text(f"""
    INSERT INTO notifier_database_identity (id, transaction_id, database_oid, noted_at)
    VALUES (1, pg_current_xact_id()::text::bigint, {_OID}, :now)
    ON CONFLICT (id) DO UPDATE SET transaction_id = excluded.transaction_id, database_oid = excluded.database_oid,
        noted_at = excluded.noted_at""")


def is_restored(session: Session) -> bool:
    """Whether this is a restored copy that nobody has adopted. False where nobody can know: on SQLite."""
    return _is_postgres(session) and session.scalar(_FITS) is False


def is_adopted(session: Session) -> bool:
    """Whether this database has been said to be the one in use, here or where it was copied from."""
    return not _is_postgres(session) or session.scalar(_FITS) is not None


def adopt(session: Session, now: datetime) -> None:
    """Let this be the database in use from now on. The caller commits, in a transaction without savepoints."""
    if _is_postgres(session):
        session.execute(_ADOPT, {"now": now})


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


class Hold:
    """Whether sending is on hold in this process because its database was restored."""

    def __init__(self, session: Callable[[], Session]) -> None:
        self._session = session
        self._held = False
        self._looked_at: float | None = None

    def is_held(self) -> bool:
        """Look, at most every LOOK_SECONDS. A database that does not answer changes nothing: the task will meet it."""
        now = time.monotonic()
        if self._looked_at is None or now - self._looked_at > LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._held

    def _look(self) -> None:
        session, before = self._session(), self._held
        try:
            self._held = is_restored(session)
        except DBAPIError as error:
            log.warning("database.identity_unknown", error=type(error).__name__)
        finally:
            session.rollback()
        if self._held and not before:
            log.error("database.restored", detail=HELD)
        elif before and not self._held:
            log.info("database.adopted")
