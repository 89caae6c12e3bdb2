"""Check whether the database takes changes: a standby, a full disk or a read-only file answers questions alone."""

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from notifier.database.sqlite import IMPATIENT
from notifier.observability.check import HealthCheck

NAME = "database writes"

#: Changes no row, but needs the right to.
_NOTHING = text("UPDATE notifier_heartbeats SET at = at WHERE name = ''")


def probe_writes(engine: Engine) -> HealthCheck:
    """Try a change of no row, and take it back."""
    try:
        with engine.connect().execution_options(**{IMPATIENT: True}) as connection:
            connection.execute(_NOTHING)
            connection.rollback()
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", "") or "").splitlines()
        reason = said[0] if said else type(error).__name__
        if isinstance(error, OperationalError) and "database is locked" in reason:
            return HealthCheck(NAME, ok=True, detail="another process is writing")
        return HealthCheck(NAME, ok=False, detail=f"a change was refused: {reason}")
    return HealthCheck(NAME, ok=True, detail="taken")
