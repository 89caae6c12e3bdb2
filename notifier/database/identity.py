"""Detect whether this is the database in use, or a copy of it that was restored from a backup.

Emails sent since the backup are pending again in the copy, so nothing is sent from it until an operator has reconciled
it. Postgres shows a restore: each row contains the id of the transaction that wrote it, and a restored dump writes it
anew. The id survives VACUUM, a failover, pg_upgrade and point-in-time recovery. SQLite has nothing comparable.
"""

import time
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)

#: The message for people.
HELD = (
    "this database was restored from a backup: nothing is sent until you run `notifier restore reconcile` "
    "(or `notifier restore release` if nothing was sent since the backup)"
)

#: Seconds for which the result of a check is reused.
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
    """Return whether this is a restored copy that was not adopted. It is always False on SQLite."""
    return _is_postgres(session) and session.scalar(_FITS) is False


def is_adopted(session: Session) -> bool:
    """Return whether this database, or the one that it was copied from, was ever adopted as the one in use."""
    return not _is_postgres(session) or session.scalar(_FITS) is not None


def adopt(session: Session, now: datetime) -> None:
    """Make this the database in use. The caller commits, in a transaction without savepoints."""
    if _is_postgres(session):
        session.execute(_ADOPT, {"now": now})


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


class RestoreHold:
    """Hold sending in this process while its database is a restored copy."""

    def __init__(self, session: Callable[[], Session]) -> None:
        self._session = session
        self._held = False
        self._looked_at: float | None = None

    def is_held(self) -> bool:
        """Return whether sending is held; query at most every LOOK_SECONDS.

        If the database does not answer, the last result stands: the task itself will meet the error.
        """
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
