"""record: something happened to a user, as one row in the caller's transaction."""

import re
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier import clock
from notifier.entries.errors import KeyConflict
from notifier.entries.namespaces import in_namespace
from notifier.entries.people import Person
from notifier.mail.header_text import NAME_LIMIT, clean_text
from notifier.models import Activity

#: The widths of the columns.
OBJECT_KEY_LIMIT: Final = 64
TITLE_LIMIT: Final = 200

KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")

_BIND: Final[dict[str, Any]] = {"mapper": Activity}


class Happened(NamedTuple):
    """What happened, as it is stored."""

    kind: str
    actor: str
    object_key: str
    object_title: str
    #: As its principal gave it; None: each call is another activity.
    id: str | None
    #: None: now.
    at: datetime | None

    @property
    def content(self) -> dict[str, Any]:
        """Return the columns that say what happened."""
        return {
            "kind": self.kind,
            "actor": self.actor,
            "object_key": self.object_key,
            "object_title": self.object_title,
        }


class Recorded(NamedTuple):
    """The row of an activity, and whether it is new."""

    row: Activity
    is_new: bool


def happened(
    kind: str, *, id: str | None, at: datetime | None, actor: str, object_key: str, object_title: str
) -> Happened:
    """Return these facts as they are stored. Raise ValueError for a kind or an object key that cannot be."""
    if not KIND.fullmatch(kind):
        raise ValueError("the kind of an activity has 1 to 32 lower-case letters, digits and underscores")
    if len(object_key) > OBJECT_KEY_LIMIT or not object_key.isprintable():
        raise ValueError(f"object_key has at most {OBJECT_KEY_LIMIT} printable characters")
    return Happened(kind, clean_text(actor, NAME_LIMIT), object_key, clean_text(object_title, TITLE_LIMIT), id, at)


def write(session: Session, what: Happened, person: Person, *, principal: str | None = None) -> Recorded:
    """Write the row, or return the one with this id. Raise KeyConflict if that one has other content.

    It neither flushes nor commits. `principal`: whose id it is; None: that of the application itself.
    """
    content = {"user_id": person.id, **what.content}
    external_id = None if what.id is None else in_namespace(principal, what.id)
    values = content | {"external_id": external_id, "occurred_at": what.at or clock.now()}
    postgres = session.get_bind(mapper=Activity).dialect.name == "postgresql"
    insert = (postgresql.insert if postgres else sqlite.insert)(Activity).values(values)
    once = insert.on_conflict_do_nothing().returning(Activity)
    known = select(Activity).where(Activity.external_id == external_id)
    fresh = {"populate_existing": True}
    with session.no_autoflush:
        row = session.scalars(once, bind_arguments=_BIND, execution_options=fresh).one_or_none()
        if row is not None:
            return Recorded(row, True)
        row = session.scalars(known, bind_arguments=_BIND, execution_options=fresh).one()
    if what.at is not None:
        content["occurred_at"] = what.at
    if any(getattr(row, name) != value for name, value in content.items()):
        raise KeyConflict(
            f"the id {what.id!r} was used for another activity, row {row.id}: the same id needs the same content. "
            "Give another activity another id, or none"
        )
    return Recorded(row, False)
