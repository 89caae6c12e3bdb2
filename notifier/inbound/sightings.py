"""Note when the webhook of each provider was last taken and last refused: an operator must see that a key is wrong.

Anyone can post to a webhook, so the notes are bounded: one row per provider, which each process writes at most once in
EVERY for posts that are taken, and as rarely for those that are refused.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import case, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier.database.expressions import moment
from notifier.models import Feedback, WebhookState

EVERY = timedelta(seconds=10)

_W = WebhookState


class Sightings:
    """The notes of one process. One instance serves all threads."""

    def __init__(self) -> None:
        """Begin without any."""
        self._noted: dict[tuple[str, bool], datetime] = {}
        self._lock = Lock()

    def taken(self, session: Session, provider: str, now: datetime) -> None:
        """Note a post whose proof was right. The caller commits."""
        if self._is_due(provider, True, now):
            _store(session, {"provider": provider, "taken_at": now, "refusals": 0}, {"taken_at": now})

    def refused(self, session: Session, provider: str, cause: str, now: datetime) -> None:
        """Note a refused post, and why. The caller commits."""
        if not self._is_due(provider, False, now):
            return
        with self._lock:
            # The next post that is taken must be noted at once: it says that the refusals are over.
            self._noted.pop((provider, True), None)
        new = {"refused_at": now, "refusal": cause[:200], "refused_since": now, "refusals": 1}
        # The first one, or the first one after a post that was taken.
        begins = or_(_W.refused_at.is_(None), _W.taken_at > _W.refused_at)
        changed = new | {
            "refused_since": case((begins, moment(now)), else_=_W.refused_since),
            "refusals": case((begins, 1), else_=_W.refusals + 1),
        }
        _store(session, {"provider": provider, **new}, changed)

    def _is_due(self, provider: str, taken: bool, now: datetime) -> bool:
        with self._lock:
            last = self._noted.get((provider, taken))
            if last is not None and last <= now < last + EVERY:
                return False
            self._noted[provider, taken] = now
            return True


def is_refusing(state: WebhookState | None) -> bool:
    """Return whether the newest post was refused, as far as the notes of all processes tell."""
    if state is None or state.refused_at is None:
        return False
    # Another process may have taken posts shortly after the newest note that says so.
    return state.taken_at is None or state.refused_at >= state.taken_at + EVERY


def states(session: Session) -> Mapping[str, WebhookState]:
    """Return the notes by provider."""
    return {row.provider: row for row in session.scalars(select(_W))}


def events_since(session: Session, since: datetime) -> Mapping[str, tuple[int, datetime]]:
    """Return the number of stored events and the newest one since then, by source."""
    query = (
        select(Feedback.source, func.count(), func.max(Feedback.received_at))
        .where(Feedback.received_at >= since)
        .group_by(Feedback.source)
    )
    return {source: (number, newest) for source, number, newest in session.execute(query)}


def _store(session: Session, values: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(_W).values(**values)
    session.execute(statement.on_conflict_do_update(index_elements=["provider"], set_=dict(changed)))
