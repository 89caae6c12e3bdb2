"""record: something happened to a user, as one row in the caller's transaction."""

import re
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier import clock
from notifier.entries.errors import KeyConflict
from notifier.entries.people import Person
from notifier.mail.header_text import NAME_LIMIT, clean_text
from notifier.models import Activity

#: The widths of the columns.
_OBJECT_KEY, _TITLE = 64, 200

_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")

_BIND: Final[dict[str, Any]] = {"mapper": Activity}


def write(
    session: Session,
    kind: str,
    person: Person,
    *,
    external_id: str | None,
    at: datetime | None,
    actor: str,
    object_key: str,
    object_title: str,
) -> Activity:
    """Write the row, or return the one with this id. Raise KeyConflict if that one has other content.

    Raise ValueError for a kind or an object key that cannot be stored. It neither flushes nor commits.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError("the kind of an activity has 1 to 32 lower-case letters, digits and underscores")
    if len(object_key) > _OBJECT_KEY or not object_key.isprintable():
        raise ValueError(f"object_key has at most {_OBJECT_KEY} printable characters")
    content = {
        "user_id": person.id,
        "kind": kind,
        "actor": clean_text(actor, NAME_LIMIT),
        "object_key": object_key,
        "object_title": clean_text(object_title, _TITLE),
    }
    values = content | {"external_id": external_id, "occurred_at": at or clock.now()}
    postgres = session.get_bind(mapper=Activity).dialect.name == "postgresql"
    insert = (postgresql.insert if postgres else sqlite.insert)(Activity).values(values)
    once = insert.on_conflict_do_nothing().returning(Activity)
    known = select(Activity).where(Activity.external_id == external_id)
    fresh = {"populate_existing": True}
    with session.no_autoflush:
        row = session.scalars(once, bind_arguments=_BIND, execution_options=fresh).one_or_none()
        if row is not None:
            return row
        row = session.scalars(known, bind_arguments=_BIND, execution_options=fresh).one()
    if at is not None:
        content["occurred_at"] = at
    if any(getattr(row, name) != value for name, value in content.items()):
        raise KeyConflict(
            f"the id {external_id!r} was used for another activity, row {row.id}: the same id needs the same content. "
            "Give another activity another id, or none"
        )
    return row
