"""Which rows to enqueue, kept by transaction, and enqueued after the outermost commit.

Rows of a savepoint that is rolled back are dropped; those of one that is released belong to its parent.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

log = structlog.get_logger(__name__)

#: Hands the keys of committed rows to the broker, such as `Outbox.publish`.
Enqueue = Callable[[Sequence[int]], object]

_COMMITTED: Final = "committed"


class Commits:
    """The way from a stored row to the broker. The host's `commit()` raises nothing of ours."""

    def __init__(self, enqueue: Enqueue | None) -> None:
        """Create one. `enqueue` None: nothing is enqueued, and the sweep of a worker finds the rows."""
        self.enqueue = enqueue

    def listen(self, sessions: "sessionmaker[Any]") -> None:
        """Watch every session that `sessions` creates. Calling it again changes nothing."""
        if not event.contains(sessions, "after_commit", self._committed):
            event.listen(sessions, "after_commit", self._committed)
            event.listen(sessions, "after_transaction_end", self._ended)

    def collect(self, session: Session, pk: int) -> None:
        """Keep the key of a row that the session's present transaction or savepoint stored and that is due."""
        transaction = session.get_nested_transaction() or session.get_transaction()
        if self.enqueue is not None and transaction is not None:
            self._kept(session).setdefault(transaction, []).append(pk)

    def _kept(self, session: Session) -> dict[SessionTransaction | str, list[int]]:
        kept: dict[SessionTransaction | str, list[int]] = session.info.setdefault(self, {})
        return kept

    def _committed(self, session: Session) -> None:
        if self not in session.info:
            return
        kept = self._kept(session)
        savepoint = session.get_nested_transaction()
        ended = savepoint or session.get_transaction()
        keys = kept.pop(ended, []) if ended is not None else []
        parent: SessionTransaction | str | None = _COMMITTED if savepoint is None else _above(savepoint)
        if keys and parent is not None:
            kept.setdefault(parent, []).extend(keys)

    def _ended(self, session: Session, transaction: SessionTransaction) -> None:
        if self not in session.info:
            return
        if transaction.parent is not None:
            # A savepoint that was released gave its keys to its parent before.
            self._kept(session).pop(transaction, None)
            return
        # By now the connection is back in its pool, and an eager task may use any session.
        keys = session.info.pop(self).get(_COMMITTED, [])
        try:
            if keys and self.enqueue is not None:
                self.enqueue(keys)
        except Exception as error:
            # The rows are stored and the sweep finds them. The host must not take its commit for failed.
            log.exception("embedding.not_enqueued", error=type(error).__name__, keys=len(keys))


def _above(savepoint: SessionTransaction) -> SessionTransaction | None:
    """Return the savepoint or transaction around this savepoint.

    In a hook the flush has one of its own between them, which ends without an event that would pass the keys on.
    """
    parent = savepoint.parent
    while parent is not None and parent.parent is not None and not parent.nested:
        parent = parent.parent
    return parent
