"""Compare the ledger with the evidence in a temporary database, so that memory stays bounded at any size."""

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

#: Discrepancies of each kind that are named; all are counted.
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
    """An email of the ledger, and how many copies of it may be there."""

    #: Without angle brackets.
    message_id: str
    pk: int
    least: int
    most: int
    status: str
    recipient: str


class Discrepancy(NamedTuple):
    """An email that does not add up."""

    message_id: str
    recipient: str
    #: Copies that were found.
    copies: int
    #: The ledger row and its status. None: the ledger does not know the email.
    notification_id: int | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Discrepancies:
    """The number of discrepancies of one kind, and some of them by name."""

    count: int
    named: list[Discrepancy]


class Comparison:
    """Take in both sides in any order, then answer."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Create the tables. Use `comparing`, which also removes the file."""
        self._database = database
        database.executescript(_SCHEMA)
        # One transaction that never ends: no other connection reads the file, and nothing is kept.
        database.execute("BEGIN")

    def saw(self, emails: Iterable[Seen]) -> int:
        """Take in the evidence. Return how many copies that is."""
        copies = 0
        for portion in _portions(emails):
            new = [email for email in portion if self._is_new(email)]
            self._database.executemany(_ADD_SEEN, [(email.message_id, email.recipient) for email in new])
            copies += len(new)
        return copies

    def _is_new(self, email: Seen) -> bool:
        """Return False for a copy that was read twice, because the pages of an inbox move."""
        if not email.copy:
            return True
        return self._database.execute("INSERT OR IGNORE INTO copies VALUES (?)", (email.copy,)).rowcount == 1

    def expects(self, rows: Iterable[Expected]) -> int:
        """Take in the ledger's rows. Return how many there are."""
        total = 0
        for portion in _portions(rows):
            self._database.executemany("INSERT OR REPLACE INTO expected VALUES (?, ?, ?, ?, ?, ?)", portion)
            total += len(portion)
        return total

    def knows(self, message_ids: Iterable[str]) -> None:
        """Take in Message-IDs that are known but were not asked about."""
        for portion in _portions(message_ids):
            self._database.executemany("INSERT OR IGNORE INTO others VALUES (?)", [(each,) for each in portion])

    def missing(self) -> Discrepancies:
        """Return emails that the ledger says were sent, and that were not found."""
        return self._of_ours(_MISSING)

    def extra(self) -> Discrepancies:
        """Return emails with too many copies: a second one without a lost connection, or one that was never sent."""
        return self._of_ours(_EXTRA)

    def strangers(self) -> Discrepancies:
        """Return emails that the ledger does not know."""
        count = self._number(f"SELECT count(*) {_STRANGERS}")
        rows = self._database.execute(f"SELECT message_id, recipient, copies {_STRANGERS} LIMIT {NAMED}")
        return Discrepancies(count, [Discrepancy(*row) for row in rows])

    def explained(self) -> int:
        """Return the number of copies beyond the first that a lost connection explains."""
        return self._number(
            "SELECT coalesce(sum(copies - 1), 0) FROM expected JOIN seen USING (message_id) "
            "WHERE copies > 1 AND copies <= most"
        )

    def found(self, status: str) -> Iterator[int]:
        """Yield the keys of rows of this status whose email was found."""
        query = "SELECT pk FROM expected JOIN seen USING (message_id) WHERE status = ? ORDER BY pk"
        return (pk for (pk,) in self._database.execute(query, (status,)))

    def lost(self, status: str) -> Iterator[int]:
        """Yield the keys of rows of this status whose email was not found."""
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
    """Open a comparison in a temporary file, which is removed at the end."""
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
