"""Add a row by INSERT ... ON CONFLICT DO NOTHING, in the transaction of another application.

A conflict raises nothing there, so what that transaction wrote before survives. A second transaction with the same key
waits until the first one has ended.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier.models import Notification, Status

#: A row whose key is taken may give it back between our two statements.
_TRIES = 3

#: The session may bind several bases to engines; it must not flush, because it may be flushing.
_BIND: dict[str, Any] = {"mapper": Notification}
_FRESH = {"populate_existing": True}


def add_once(
    session: Session,
    *,
    kind: str,
    user_id: int,
    recipient: str,
    dedupe_key: str,
    params: dict[str, Any],
    now: datetime,
    due: datetime,
    enqueue_at: datetime,
    deadline: datetime,
) -> tuple[Notification, bool]:
    """Return the row with this key, and whether this call added it. It neither flushes nor commits.

    `enqueue_at` is when the sweep enqueues the row, `due` when it may be sent. Raise RuntimeError if the key is taken
    by a row that this transaction cannot see.
    """
    values = {
        "kind": kind,
        "user_id": user_id,
        "recipient": recipient,
        "dedupe_key": dedupe_key,
        "params": params,
        "status": Status.pending.value,
        "created_at": now,
        "next_attempt_at": due,
        "enqueue_at": enqueue_at,
        "deadline": deadline,
    }
    postgres = session.get_bind(mapper=Notification).dialect.name == "postgresql"
    insert = (postgresql.insert if postgres else sqlite.insert)(Notification).values(values)
    once = insert.on_conflict_do_nothing(index_elements=[Notification.dedupe_key]).returning(Notification)
    known = select(Notification).where(Notification.dedupe_key == dedupe_key)
    with session.no_autoflush:
        for _ in range(_TRIES):
            added = session.scalars(once, bind_arguments=_BIND, execution_options=_FRESH).one_or_none()
            if added is not None:
                return added, True
            found = session.scalars(known, bind_arguments=_BIND, execution_options=_FRESH).one_or_none()
            if found is not None:
                return found, False
    raise RuntimeError(f"the key {dedupe_key} is taken by a row that this transaction cannot see")
