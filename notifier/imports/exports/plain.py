"""A plain CSV file: `email`, and optionally `reason` and `date`."""

from collections.abc import Iterator
from typing import Final

from notifier.imports.exports.entries import Entry, What, cells_of, moment_of
from notifier.imports.files import Table

REASONS: Final = {
    "hard_bounce": What.dead,
    "complaint": What.complained,
    "manual": What.blocked,
    "unsubscribed": What.unsubscribed,
}


def entries(table: Table, otherwise: str) -> Iterator[Entry]:
    """Yield the entries. `otherwise`: the reason, one of REASONS, of lines that have none."""
    for cells in cells_of(table, "email"):
        reason = cells.first("reason").casefold() or otherwise
        at = moment_of(cells.first("date", "created_at", "created"))
        yield Entry(
            cells.line, cells.first("email"), REASONS.get(reason, What.unclear), at, reason[:100], cells.problem
        )
