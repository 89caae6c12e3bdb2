"""Build the UPDATE that settles: one statement per batch on Postgres, one per row on SQLite.

On Postgres the rows travel as one JSON text, which is written in a tenth of the time of arrays. The text of the
statement never changes, so it is planned once. SQLite runs in this process, where a round trip costs nothing.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Integer,
    String,
    Text,
    Update,
    and_,
    bindparam,
    case,
    column,
    func,
    literal_column,
    or_,
    type_coerce,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from notifier.database.keys import only_by_key
from notifier.models import Notification, Status

_TABLE = cast("Any", Notification.__table__)


class Ended(NamedTuple):
    """The values that settling writes to one row."""

    pk: int
    claim: int
    to: str
    attempts: int
    unknowns: int
    reason_code: str | None
    reason: str | None
    sent_at: datetime | None
    phase: str | None
    code: int | None
    enhanced: str | None
    text: str | None
    message_id: str | None
    server_id: str | None
    template_version: str | None
    transport: str | None
    #: Used only for a row that waits again.
    due: datetime | None
    enqueue_at: datetime | None


#: The column that each field belongs to, if the names differ.
_COLUMNS = {
    "pk": "id",
    "claim": "claims",
    "to": "status",
    "phase": "last_phase",
    "code": "last_code",
    "enhanced": "last_enhanced",
    "text": "last_text",
    "due": "next_attempt_at",
}

#: Returns the SQL expression of a field of Ended.
_Value = Callable[[str], ColumnElement[Any]]


def end_tries(
    connection: Connection, rows: Sequence[Ended], now: datetime, *, waiting: bool, late: bool = False
) -> int:
    """Write these rows at `now` if their claim still holds. Return how many rows were changed.

    With `waiting` they wait again, and `due` and `enqueue_at` are used; otherwise they come to rest. With `late` their
    attempts had been counted as unknown, and no later claim was made.
    """
    if connection.dialect.name == "postgresql":
        # Arrays instead of objects halve the text. A server may send NUL, which Postgres cannot store, but `clean` in
        # smtp.outcome has replaced it.
        text = json.dumps(rows, default=datetime.isoformat, ensure_ascii=False)
        result = connection.execute(_PER_BATCH[waiting, late], {"b_rows": text, "b_settled_at": now})
    else:
        named = [{f"b_{name}": value for name, value in zip(Ended._fields, row, strict=True)} for row in rows]
        each = [row | {"b_settled_at": now} for row in named]
        result = connection.execute(_PER_ROW[waiting, late], each)
    return cast("CursorResult[Any]", result).rowcount


def _type(name: str) -> TypeEngine[Any]:
    return cast("TypeEngine[Any]", _TABLE.c[_COLUMNS.get(name, name)].type)


def _parameter(name: str) -> ColumnElement[Any]:
    return bindparam(f"b_{name}", type_=_type(name))


def _listed() -> _Value:
    """Return the expressions of one row's values: elements of an array in the JSON text."""
    elements = func.jsonb_array_elements(sql_cast(bindparam("b_rows", type_=Text()), JSONB()))
    row = elements.table_valued(column("values", JSONB()), name="ended").render_derived().c["values"]

    def value(name: str) -> ColumnElement[Any]:
        text = row.op("->>", return_type=Text())(literal_column(str(Ended._fields.index(name)), Integer()))
        wanted = _type(name)
        # Only other types are cast: a cast to VARCHAR(n) would silently cut a text that is too long.
        return type_coerce(text, wanted) if isinstance(wanted, String) else sql_cast(text, wanted)

    return value


def _statement(value: _Value, *, waiting: bool, late: bool) -> Update:
    said = {f"last_{name}": _said(name, value) for name in ("phase", "code", "enhanced", "text")}
    facts = {
        name: func.coalesce(value(name), _TABLE.c[name])
        for name in ("message_id", "server_id", "template_version", "transport")
    }
    when = (
        {"next_attempt_at": value("due"), "enqueue_at": value("enqueue_at"), "deaths": 0}
        if waiting
        else {"settled_at": _parameter("settled_at")}
    )
    plain = {
        "status": value("to"),
        "lease_until": None,
        # Unknown rows keep the process, so that an operator can see the host.
        "claimed_by": case((value("to") == Status.unknown.value, _TABLE.c.claimed_by), else_=None),
        "attempts": value("attempts"),
        "unknowns": value("unknowns"),
        "reason_code": value("reason_code"),
        "reason": value("reason"),
        "sent_at": value("sent_at"),
    }
    ours = (_TABLE.c.id == value("pk"), _left(value, late=late), _TABLE.c.claims == value("claim"))
    return update(_TABLE).where(*ours).values(plain | said | facts | when)


def _left(value: _Value, *, late: bool) -> ColumnElement[bool]:
    """Return the condition on the row's present status."""
    if not late:
        return only_by_key(_TABLE.c.status) == Status.sending.value
    again = and_(_TABLE.c.status == Status.pending.value, value("to") == Status.sent.value)
    return or_(_TABLE.c.status == Status.unknown.value, again)


def _said(name: str, value: _Value) -> ColumnElement[Any]:
    """Return the server's words in this attempt; if it was not asked, keep those of the last attempt."""
    return case((value("phase").is_not(None), value(name)), else_=_TABLE.c[f"last_{name}"])


_SORTS = [(waiting, late) for waiting in (False, True) for late in (False, True)]
_PER_ROW = {(waiting, late): _statement(_parameter, waiting=waiting, late=late) for waiting, late in _SORTS}
_PER_BATCH = {(waiting, late): _statement(_listed(), waiting=waiting, late=late) for waiting, late in _SORTS}
