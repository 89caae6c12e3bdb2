"""`notifier db upgrade` while the service is in use: it gives way to open transactions, and tries again."""

import time
from collections.abc import Callable

import click
import psycopg
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from notifier import migrating
from notifier.extensions import db

#: Seconds between tries: at first, and at most. They give the queries that waited behind us time to finish.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0

#: How many transactions the message names.
NAMED = 3

_LONGEST = text("""
    SELECT pid, coalesce(nullif(application_name, ''), 'no name'), state,
        extract(epoch FROM now() - xact_start)::int
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    ORDER BY xact_start LIMIT :limit""")


def upgrade(*, lock_timeout: float, tries: int, tell: Callable[[str], None]) -> None:
    """Run the migrations that are missing. `lock_timeout`: seconds that each statement waits for a table.

    Raises:
        ClickException: a table was in use at each of the `tries`. Finished migrations stay.
    """
    for number in range(1, tries + 1):
        try:
            migrating.upgrade()
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            busy = f"A table is in use: waited {lock_timeout:g} s for it and gave way. {_longest()}"
            if number == tries:
                raise click.ClickException(
                    f"{busy}\nThe database was not upgraded after {tries} tries; the migration that waited changed "
                    "nothing. End those transactions or wait for them, then run `notifier db upgrade` again."
                ) from None
            pause = min(FIRST_PAUSE * 2 ** (number - 1), LONGEST_PAUSE)
            tell(f"{busy} Trying again in {pause:g} s ({number} of {tries}).")
            time.sleep(pause)
        else:
            return


def _longest() -> str:
    """Name the longest open transactions: one of them uses the table, or another upgrade is running."""
    with db.engine.connect() as connection:
        found = connection.execute(_LONGEST, {"limit": NAMED}).all()
    if not found:
        return "The transaction that used it has ended."
    named = "; ".join(f"process {pid} ({name}, {state}, {seconds} s)" for pid, name, state, seconds in found)
    return f"Longest transactions: {named}."
