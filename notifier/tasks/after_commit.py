"""After a commit, and only then, publish the keys of the notifications and account requests that it stored.

The hooks watch the sessions; `notifier.outbox` publishes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
from flask import g, has_app_context
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session, SessionTransaction, UOWTransaction, sessionmaker

from notifier.models import AccountRequest, Notification, Status
from notifier.services import services

log = structlog.get_logger(__name__)

#: Groups of keys that are published together, in this order: (account requests, bulk).
_SORTS: Final = ((True, False), (False, False), (False, True))

_KEPT: Final = "notifier_outbox_kept"
_COLLECTED: Final = "notifier.outbox.collected"
_INSERTED: Final = "notifier.outbox.inserted"
_COMMITTED: Final = "notifier.outbox.committed"


def watch(sessions: "sessionmaker[Any]") -> None:
    """Watch every session that `sessions` creates. Calling it again changes nothing.

    The keys go to the outbox of the application in whose context the session commits. Without one the sweep finds the
    rows. No commit raises an error because of it.
    """
    if not event.contains(sessions, "after_flush", _collect):
        event.listen(sessions, "after_flush", _collect)
        event.listen(sessions, "after_commit", _confirm)
        event.listen(sessions, "after_transaction_end", _release)


@contextmanager
def kept() -> Iterator[list[int]]:
    """Collect the keys of people's own emails that this application context commits, instead of publishing them.

    The caller sends them. If it cannot, the sweep finds them.
    """
    keys: list[int] = []
    setattr(g, _KEPT, keys)
    try:
        yield keys
    finally:
        delattr(g, _KEPT)


class Inserted:
    """What collects rows that were inserted without the ORM, whose flush would show them."""

    @staticmethod
    def collect(session: Session, pk: int) -> None:
        """Publish the key of an email to one person after the commit.

        If a savepoint that stored the row is rolled back, the key is published all the same: no row is claimed then.
        """
        session.info.setdefault(_INSERTED, []).append(pk)


def _collect(session: Session, _context: UOWTransaction) -> None:
    new = [row for row in session.new if _is_due(row)]
    if new:
        session.info.setdefault(_COLLECTED, []).extend(new)


def _is_due(row: object) -> bool:
    return isinstance(row, AccountRequest) or (isinstance(row, Notification) and row.status == Status.pending)


def _confirm(session: Session) -> None:
    # The event also fires when a savepoint is released, which is not a commit yet.
    if session.in_nested_transaction() or not (_COLLECTED in session.info or _INSERTED in session.info):
        return
    # Rows that the rollback of a savepoint or a delete removed are no longer persistent.
    kept = [state for row in session.info.pop(_COLLECTED, ()) if (state := inspect(row)).persistent]
    session.info[_COMMITTED] = [
        (state.identity[0], state.class_ is AccountRequest, bool(state.dict.get("bulk"))) for state in kept
    ] + [(pk, False, False) for pk in session.info.pop(_INSERTED, ())]


def _release(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    session.info.pop(_COLLECTED, None)
    session.info.pop(_INSERTED, None)
    committed: list[tuple[int, bool, bool]] = session.info.pop(_COMMITTED, [])
    if not committed:
        return
    # By now the connection is back in its pool, and an eager task may use any session.
    try:
        _publish(committed)
    except Exception as error:
        # The rows are stored and the sweep finds them. The caller must not take its commit for failed.
        log.exception("outbox.not_enqueued", error=type(error).__name__, keys=len(committed))


def _publish(committed: list[tuple[int, bool, bool]]) -> None:
    for is_request, is_bulk in _SORTS:
        keys = [key for key, *sort in committed if sort == [is_request, is_bulk]]
        kept: list[int] | None = g.get(_KEPT) if has_app_context() else None
        if kept is not None and not is_request and not is_bulk:
            kept.extend(keys)
        elif keys:
            parts = services()
            (parts.request_outbox if is_request else parts.outbox).publish(keys, bulk=is_bulk)
