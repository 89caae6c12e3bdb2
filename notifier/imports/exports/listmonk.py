"""listmonk: its CSV export of subscribers, and its JSON.

The CSV has uuid, email, name, attributes, status, created_at and updated_at, with times as Go writes them (listmonk's
source, cmd/subscribers.go). The JSON is the answer of GET /api/subscribers (its documentation, "API / Subscribers"):
`{"data": {"results": [{"email", "status", "updated_at", …}]}}`. A status is enabled, disabled or blocklisted; only the
last one is about email that must not be sent.
"""

from collections.abc import Iterator

from notifier.imports.exports.entries import Entry, What, cells_of, moment_of, text_of
from notifier.imports.exports.json_items import items_of
from notifier.imports.files import Table, TextFile

_STATUS = {"blocklisted": What.blocked, "blacklisted": What.blocked, "enabled": What.fine, "disabled": What.fine}


def entries(table: Table) -> Iterator[Entry]:
    """Yield all subscribers of a CSV file."""
    for cells in cells_of(table, "status"):
        yield _entry(cells.line, cells.first("email"), cells.first("status"), cells.first("updated_at"), cells.problem)


def json_entries(file: TextFile) -> Iterator[Entry]:
    """Yield all subscribers of a JSON file."""
    for number, item in enumerate(items_of(file, "results"), 1):
        email, status, at = (text_of(item.get(name)) for name in ("email", "status", "updated_at"))
        yield _entry(number, email, status, at, "")


def _entry(line: int, email: str, status: str, at: str, problem: str) -> Entry:
    return Entry(line, email, _STATUS.get(status.casefold(), What.unclear), moment_of(at), status, problem)
