"""The UPDATE that settles: one statement for a batch on Postgres, one for each row on SQLite.

On Postgres the rows travel as arrays: the text of the statement never changes, so it is planned once, and a
batch is one round trip. SQLite is in this process, where a round trip costs nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, CursorResult, Update, bindparam, case, column, func, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

from notifier.models import Notification, Status

_TABLE = cast("Any", Notification.__table__)

#: What a settle brings for each row, and the column whose type it has.
_BRINGS = {
    "pk": "id",
    "claim": "claims",
    "to": "status",
    "attempts": "attempts",
    "unknowns": "unknowns",
    "reason": "reason",
    "sent_at": "sent_at",
    "phase": "last_phase",
    "code": "last_code",
    "enhanced": "last_enhanced",
    "text": "last_text",
    "message_id": "message_id",
    "template_version": "template_version",
    "transport": "transport",
    "settled_at": "settled_at",
    "due": "next_attempt_at",
    "ring_at": "ring_at",
}

#: Gives the expression of one of the names above.
_Value = Callable[[str], ColumnElement[Any]]


def end_tries(connection: Connection, rows: Sequence[dict[str, Any]], *, waiting: bool) -> int:
    """Write these rows where the claim still holds. Returns how many it did.

    `waiting`: they go back to wait, and `due` and `ring_at` count; else they come to rest.
    """
    if connection.dialect.name == "postgresql":
        arrays = {f"b_{name}": [row[name] for row in rows] for name in _BRINGS}
        result = connection.execute(_AT_ONCE[waiting], arrays)
    else:
        result = connection.execute(
            _ONE_BY_ONE[waiting], [{f"b_{name}": row[name] for name in _BRINGS} for row in rows]
        )
    return cast("CursorResult[Any]", result).rowcount


def _type(name: str) -> TypeEngine[Any]:
    return cast("TypeEngine[Any]", _TABLE.c[_BRINGS[name]].type)


def _parameter(name: str) -> ColumnElement[Any]:
    return bindparam(f"b_{name}", type_=_type(name))


def _unnested() -> _Value:
    arrays = (bindparam(f"b_{name}", type_=ARRAY(_type(name))) for name in _BRINGS)
    rows = func.unnest(*arrays).table_valued(*(column(name, _type(name)) for name in _BRINGS), name="ended")
    derived = rows.render_derived()
    return lambda name: derived.c[name]


def _statement(value: _Value, *, waiting: bool) -> Update:
    said = {f"last_{name}": _said(name, value) for name in ("phase", "code", "enhanced", "text")}
    facts = {
        name: func.coalesce(value(name), _TABLE.c[name]) for name in ("message_id", "template_version", "transport")
    }
    when = (
        {"next_attempt_at": value("due"), "ring_at": value("ring_at")}
        if waiting
        else {"settled_at": value("settled_at")}
    )
    plain = {
        "status": value("to"),
        "lease_until": None,
        "claimed_by": None,
        "attempts": value("attempts"),
        "unknowns": value("unknowns"),
        "reason": value("reason"),
        "sent_at": value("sent_at"),
    }
    ours = (
        _TABLE.c.id == value("pk"),
        _TABLE.c.status == Status.sending.value,
        _TABLE.c.claims == value("claim"),
    )
    return update(_TABLE).where(*ours).values(plain | said | facts | when)


def _said(name: str, value: _Value) -> ColumnElement[Any]:
    """What the server said in this try; where it was not asked, what it said last stays."""
    return case((value("phase").is_not(None), value(name)), else_=_TABLE.c[f"last_{name}"])


_ONE_BY_ONE = {waiting: _statement(_parameter, waiting=waiting) for waiting in (False, True)}
_AT_ONCE = {waiting: _statement(_unnested(), waiting=waiting) for waiting in (False, True)}
