"""listmonk: its CSV export of subscribers, and its JSON.

The CSV has uuid, email, name, attributes, status, created_at and updated_at, with times as Go writes them (listmonk's
source, cmd/subscribers.go). The JSON is the answer of GET /api/subscribers (its documentation, "API / Subscribers"):
`{"data": {"results": [{"email", "status", "updated_at", …}]}}`. A status is enabled, disabled or blocklisted; only the
last one is about email that must not be sent.
"""

import re
from collections.abc import Iterator

from notifier.imports.exports.entries import Entry, What, cells_of, moment_of, text_of
from notifier.imports.exports.json_items import Items
from notifier.imports.files import Table, TextFile

_STATUS = {"blocklisted": What.blocked, "blacklisted": What.blocked, "enabled": What.fine, "disabled": What.fine}

_TOTAL = re.compile(r'"total"\s*:\s*(\d{1,12})\b')


def entries(table: Table) -> Iterator[Entry]:
    """Yield all subscribers of a CSV file."""
    for cells in cells_of(table, "status"):
        yield _entry(cells.line, cells.first("email"), cells.first("status"), cells.first("updated_at"), cells.problem)


def json_entries(file: TextFile) -> Iterator[Entry]:
    """Yield all subscribers of a JSON file."""
    items, number = Items(file, "results"), 0
    for number, item in enumerate(items, 1):
        email, status, at = (text_of(item.get(name)) for name in ("email", "status", "updated_at"))
        yield _entry(number, email, status, at, "")
    total = max((int(found[1]) for found in _TOTAL.finditer(items.outside)), default=0)
    if total > number:
        # listmonk answers in pages.
        yield _entry(number + 1, "", "", "", f"the file ends after {number:,} of {total:,} subscribers: get all pages")


def _entry(line: int, email: str, status: str, at: str, problem: str) -> Entry:
    return Entry(line, email, _STATUS.get(status.casefold(), What.unclear), moment_of(at), status, problem)
