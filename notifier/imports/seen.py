"""Which ids a file had already: on disk, so that a file of any length needs the same memory."""

import hashlib
import sqlite3
from collections.abc import Sequence


class SeenIds:
    """Remembers the line of each id. Close it when done."""

    def __init__(self) -> None:
        # A private file without a name, which SQLite deletes.
        self._connection = sqlite3.connect("")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("CREATE TABLE seen (id INTEGER PRIMARY KEY, line INTEGER NOT NULL)")

    def add(self, ids: Sequence[tuple[str, int]]) -> dict[int, int]:
        """Add ids with their lines. Return, for each line whose id was there before: line -> the first line of it."""
        repeated = {}
        for text, line in ids:
            # 63 bits: two ids of a million share them with a probability of 1 to 18 million.
            key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
            cursor = self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, line))
            if cursor.rowcount == 0:
                (first,) = self._connection.execute("SELECT line FROM seen WHERE id = ?", (key,)).fetchone()
                repeated[line] = first
        return repeated

    def close(self) -> None:
        """Delete everything."""
        self._connection.close()
