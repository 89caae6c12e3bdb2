"""SQLite for an application that embeds us: `notifier.sqlite.prepare(engine)`, in development and tests.

Without it a request of the host that reads and then writes fails with "database is locked" as soon as a worker writes.
"""

from notifier.database.sqlite import foreign_keys_off
from notifier.database.sqlite_shared import prepare

__all__ = ["foreign_keys_off", "prepare"]
