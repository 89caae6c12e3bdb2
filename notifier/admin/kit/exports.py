"""Export lists as CSV: streamed, so that a million rows need little memory.

No cell can become a formula.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Response, request, stream_with_context
from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import InstrumentedAttribute

from notifier.admin.kit import login, traces
from notifier.database.transaction import writing
from notifier.extensions import db
from notifier.operators import audit_log

#: Rows of one transaction, and written at once.
CHUNK = 1000

#: Characters that start a formula in spreadsheets, in every width (OWASP, CSV injection).
_STARTS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212"
#: Invisible characters, and those that a spreadsheet may drop from the beginning of a cell.
_UNSEEN = (
    r"\s\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
_FORMULA = re.compile(rf"[\t\r\n]|[{_UNSEEN}]*+[{_STARTS}]")

#: The same after a separator of spreadsheets in other languages.
#: A run is matched possessively, so a long one is scanned once.
_NEXT_CELL = re.compile(rf"([;|\uff1b\t\r\n][{_UNSEEN}\"';|\uff1b]*+)([{_STARTS}])?")

#: Without a byte order mark Excel reads a file in its machine's code page and garbles names.
BOM = "\ufeff"

_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?", re.ASCII)


def cell(value: object) -> str:
    """Return a cell that a spreadsheet shows as it is. Numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    text = str(value).replace("\0", "")
    if _NUMBER.fullmatch(text):
        return text
    safe = _NEXT_CELL.sub(lambda found: f"{found[1]}'{found[2]}" if found[2] else found[1], text)
    return f"'{safe}" if safe != text or _FORMULA.match(text) else text


def lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield RFC 4180 text with a byte order mark, many rows at a time."""
    buffer = io.StringIO()
    buffer.write(BOM)
    writer = csv.writer(buffer)
    writer.writerow(header)
    for number, row in enumerate(rows, 1):
        writer.writerow([cell(value) for value in row])
        if number % CHUNK == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def stream(
    name: str,
    query: Select[Any],
    key: InstrumentedAttribute[int],
    columns: Mapping[str, InstrumentedAttribute[Any]],
    *,
    newest_first: bool = False,
) -> Response:
    """Stream all rows of `query` by `key`, as <name>.csv. `columns`: by their headings.

    The audit log records who exported what. `query` has no order of its own.
    """
    if request.method == "GET":
        with writing(db.session) as session:
            audit_log.record(
                session, login.actor(), f"{name}.exported", object_type=name, about=traces.searched(),
                after={"filter": traces.searched_by()},
            )  # fmt: skip
    # Plain values: objects would take four times as long.
    plain = query.with_only_columns(key, *columns.values()).order_by(key.desc() if newest_first else key).limit(CHUNK)
    pages = _rows(plain, key, newest_first=newest_first)
    answer = Response(stream_with_context(lines([*columns], pages)), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _rows(query: Select[Any], key: InstrumentedAttribute[int], *, newest_first: bool) -> Iterator[Sequence[object]]:
    """Yield the rows in portions, each a transaction of its own.

    A download takes as long as its client likes: meanwhile it must hold no connection, no snapshot and no lock.
    """
    newest = db.session.scalar(select(func.max(key)))
    within = key <= (newest or 0)
    while True:
        rows = db.session.execute(query.where(within)).all()
        db.session.rollback()
        for _, *values in rows:
            yield values
        if len(rows) < CHUNK:
            return
        last = rows[-1][0]
        within = key < last if newest_first else and_(key > last, key <= newest)
