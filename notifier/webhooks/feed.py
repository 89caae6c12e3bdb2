"""Read the feed: what an endpoint missed, or what an application asks for by itself."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notifier.models import Event

#: Events of one answer at most.
MOST = 1000


def read(session: Session, *, after: int = 0, types: Collection[str] = (), limit: int = 100) -> Sequence[Event]:
    """Return the events with ids above `after`, the oldest first, `limit` (at most MOST) of them.

    `types`: only these; all if empty. Ask again with the id of the last one. No event ever appears below an id that was
    already returned.
    """
    query = select(Event).where(Event.id > after).order_by(Event.id).limit(min(limit, MOST))
    if types:
        query = query.where(Event.type.in_(types))
    return session.scalars(query).all()


def newest(session: Session) -> int:
    """Return the id of the newest event; 0: there is none. What `read` finds later has no event below it to miss."""
    return session.scalar(select(func.max(Event.id))) or 0


def payload(event: Event) -> dict[str, Any]:
    """Return an event as receivers see it: `type`, `timestamp` (RFC 3339, when it happened) and `data`."""
    return {"type": event.type, "timestamp": event.at.isoformat().replace("+00:00", "Z"), "data": event.data}


def message_id(event: Event) -> str:
    """Return its `webhook-id`, the same in all tries and for all endpoints."""
    return f"evt_{event.uid}"
