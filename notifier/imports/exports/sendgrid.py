"""SendGrid: its lists of suppressions, as CSV from its pages or as JSON from its API.

The items have `email`, `created` (seconds since 1970), and, by list, `reason`, `status` and `ip` (SendGrid's API
reference, "Retrieve all bounces", "… all blocks", "… all spam reports", "… all invalid emails", "… all global
suppressions"). The lists have the same shape, so a file does not say which one it is. Blocks are refusals of a message,
and the address stays usable (SendGrid's documentation, "Blocks").
"""

from collections.abc import Iterator
from typing import Final

from notifier.imports.exports.entries import Entry, What, cells_of, moment_of, text_of
from notifier.imports.exports.json_items import Items
from notifier.imports.files import Table, TextFile

LISTS: Final = {
    "bounces": What.dead,
    "blocks": What.temporary,
    "spam_reports": What.complained,
    "unsubscribes": What.unsubscribed,
    "invalid_emails": What.dead,
}


def entries(table: Table, of: str) -> Iterator[Entry]:
    """Yield the entries of a CSV file. `of`: one of LISTS."""
    for cells in cells_of(table, "email"):
        reason, status = cells.first("reason"), cells.first("status")
        yield _entry(cells.line, cells.first("email"), cells.first("created"), reason, status, of, cells.problem)


def json_entries(file: TextFile, of: str) -> Iterator[Entry]:
    """Yield the entries of a JSON file. `of`: one of LISTS."""
    for number, item in enumerate(Items(file), 1):
        email, at, reason, status = (text_of(item.get(name)) for name in ("email", "created", "reason", "status"))
        yield _entry(number, email, at, reason, status, of, "")


def _entry(line: int, email: str, at: str, reason: str, status: str, of: str, problem: str) -> Entry:
    what = LISTS[of]
    # A bounce with a status of its own that says "for now" (RFC 3463, section 2).
    if of == "bounces" and status.startswith("4"):
        what = What.temporary
    words = " ".join(filter(None, (of.replace("_", " "), status, reason)))
    return Entry(line, email, what, moment_of(at), words, problem)
