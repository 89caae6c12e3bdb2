"""The ledger beside what is really there, whatever their size: both lie in a file, and memory stays flat."""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from notifier.explain.audit_evidence import Seen

T = TypeVar("T")

#: Rows in one statement.
CHUNK = 5000

#: Discrepancies of one sort that are named; all are counted.
NAMED = 1000

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -32000;
CREATE TABLE seen (message_id TEXT PRIMARY KEY, copies INTEGER NOT NULL, recipient TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE copies (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE expected (
    message_id TEXT PRIMARY KEY, pk INTEGER, least INTEGER, most INTEGER, status TEXT, recipient TEXT
) WITHOUT ROWID;
CREATE TABLE others (message_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_ADD_SEEN = """
INSERT INTO seen VALUES (?, 1, ?) ON CONFLICT (message_id) DO UPDATE SET copies = copies + 1
"""

_MISSING = "FROM expected LEFT JOIN seen USING (message_id) WHERE expected.least > coalesce(copies, 0)"
_EXTRA = "FROM expected JOIN seen USING (message_id) WHERE copies > most"
_STRANGERS = """
FROM seen WHERE NOT EXISTS (SELECT 1 FROM expected WHERE expected.message_id = seen.message_id)
AND NOT EXISTS (SELECT 1 FROM others WHERE others.message_id = seen.message_id)
"""


class Expected(NamedTuple):
    """A mail of the ledger: how many copies of it may be there."""

    #: Without angle brackets.
    message_id: str
    pk: int
    least: int
    most: int
    status: str
    recipient: str


class Discrepancy(NamedTuple):
    """A mail that does not add up."""

    message_id: str
    recipient: str
    #: Copies that are there.
    copies: int
    #: The row of the ledger and what it says; None of a stranger.
    notification_id: int | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Discrepancies:
    """So many of one sort, and some of them by name."""

    count: int
    named: list[Discrepancy]


class Comparison:
    """Takes in both sides in any order, then answers."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Use `comparing`, which removes the file again."""
        self._database = database
        database.executescript(_SCHEMA)
        # One transaction for good: nobody else looks, and nothing is kept.
        database.execute("BEGIN")

    def saw(self, mails: Iterable[Seen]) -> int:
        """Take in what is there. Returns how many copies that is."""
        copies = 0
        for portion in _portions(mails):
            new = [mail for mail in portion if self._is_new(mail)]
            self._database.executemany(_ADD_SEEN, [(mail.message_id, mail.recipient) for mail in new])
            copies += len(new)
        return copies

    def _is_new(self, mail: Seen) -> bool:
        """False for a copy that was read twice, because the pages of an inbox move."""
        if not mail.copy:
            return True
        return self._database.execute("INSERT OR IGNORE INTO copies VALUES (?)", (mail.copy,)).rowcount == 1

    def expects(self, rows: Iterable[Expected]) -> int:
        """Take in what the ledger says. Returns how many rows that is."""
        total = 0
        for portion in _portions(rows):
            self._database.executemany("INSERT OR REPLACE INTO expected VALUES (?, ?, ?, ?, ?, ?)", portion)
            total += len(portion)
        return total

    def knows(self, message_ids: Iterable[str]) -> None:
        """These are mails of ours, too, that nobody asked about."""
        for portion in _portions(message_ids):
            self._database.executemany("INSERT OR IGNORE INTO others VALUES (?)", [(each,) for each in portion])

    def missing(self) -> Discrepancies:
        """The ledger says that they were sent, and they are not there."""
        return self._of_ours(_MISSING)

    def extra(self) -> Discrepancies:
        """More copies than can be: a second one that no lost connection explains, or one that was never sent."""
        return self._of_ours(_EXTRA)

    def strangers(self) -> Discrepancies:
        """The ledger knows nothing of them."""
        count = self._number(f"SELECT count(*) {_STRANGERS}")
        rows = self._database.execute(f"SELECT message_id, recipient, copies {_STRANGERS} LIMIT {NAMED}")
        return Discrepancies(count, [Discrepancy(*row) for row in rows])

    def explained(self) -> int:
        """Copies beyond the first that a lost connection explains."""
        return self._number(
            "SELECT coalesce(sum(copies - 1), 0) FROM expected JOIN seen USING (message_id) "
            "WHERE copies > 1 AND copies <= most"
        )

    def found(self, status: str) -> Iterator[int]:
        """The keys of the rows of this status that are there."""
        query = "SELECT pk FROM expected JOIN seen USING (message_id) WHERE status = ? ORDER BY pk"
        return (pk for (pk,) in self._database.execute(query, (status,)))

    def lost(self, status: str) -> Iterator[int]:
        """The keys of the rows of this status that are not there."""
        query = "SELECT pk FROM expected LEFT JOIN seen USING (message_id) WHERE status = ? AND copies IS NULL"
        return (pk for (pk,) in self._database.execute(f"{query} ORDER BY pk", (status,)))

    def _of_ours(self, condition: str) -> Discrepancies:
        columns = "message_id, expected.recipient, coalesce(copies, 0), pk, status"
        rows = self._database.execute(f"SELECT {columns} {condition} ORDER BY pk LIMIT {NAMED}")
        return Discrepancies(self._number(f"SELECT count(*) {condition}"), [Discrepancy(*row) for row in rows])

    def _number(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])


@contextmanager
def comparing() -> Iterator[Comparison]:
    """A comparison in a file of its own, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="notifier-audit-") as folder:
        database = sqlite3.connect(Path(folder) / "both.db", isolation_level=None)
        try:
            yield Comparison(database)
        finally:
            database.close()


def _portions(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while portion := list(islice(rest, CHUNK)):
        yield portion
