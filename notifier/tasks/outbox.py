"""The outbox: after the commit, and only then, enqueue the notifications and the requests of forms that it stored.

Enqueueing is a hint. A broker that is down or hangs must neither fail nor slow the request that stored
the row: the outbox logs, counts, and leaves the rest to the sweep.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog
from flask import current_app, g
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session, SessionTransaction, UOWTransaction, sessionmaker

from notifier.models import AccountRequest, Notification, Status

log = structlog.get_logger(__name__)

#: Hands primary keys to the broker: (keys, bulk). Raises whatever the broker's client raises.
Publish = Callable[[Sequence[int], bool], None]

#: Where the keys go: (extension of the application, requests of forms, bulk).
_OUTBOXES: Final = (
    ("notifier.request_outbox", True, False),
    ("notifier.outbox", False, False),
    ("notifier.outbox", False, True),
)

_KEPT: Final = "notifier_outbox_kept"
_COLLECTED: Final = "notifier.outbox.collected"
_COMMITTED: Final = "notifier.outbox.committed"


class Breaker:
    """Stops asking a broker that just failed, so that no request pays for it twice."""

    def __init__(self, rest: float = 3.0) -> None:
        """`rest`: seconds without a try after a failure."""
        self._rest = rest
        self._closed_again = 0.0
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """True when a try may be made. One caller probes; the others wait for its result."""
        moment = time.monotonic()
        with self._lock:
            if moment < self._closed_again:
                return False
            if self._closed_again:
                self._closed_again = moment + self._rest
            return True

    def failed(self) -> None:
        """Start the rest."""
        with self._lock:
            self._closed_again = time.monotonic() + self._rest

    def succeeded(self) -> None:
        """Back to normal."""
        with self._lock:
            self._closed_again = 0.0


class Outbox:
    """Publishes the keys of stored rows, without ever failing its caller."""

    def __init__(self, publish: Publish, *, breaker: Breaker | None = None) -> None:
        """`publish` hands keys to the broker; see `notifier.tasks.publisher`."""
        self._publish = publish
        self._breaker = breaker or Breaker()
        #: Keys that the broker took, since this process started.
        self.published = 0
        #: Keys that the sweep has to ring for, since this process started.
        self.left_to_sweep = 0

    def publish(self, keys: Sequence[int], *, bulk: bool = False) -> bool:
        """Ring for these keys. False where the broker did not take them; never raises for that."""
        if not keys:
            return True
        if not self._breaker.allows():
            self.left_to_sweep += len(keys)
            return False
        try:
            self._publish(keys, bulk)
        except Exception as error:
            # Whatever the client of whichever broker raises: the rows are stored, and the sweep finds them.
            self._breaker.failed()
            self.left_to_sweep += len(keys)
            log.warning("outbox.broker_unavailable", error=type(error).__name__, keys=len(keys))
            return False
        self._breaker.succeeded()
        self.published += len(keys)
        return True


def watch(sessions: "sessionmaker[Any]") -> None:
    """Follow every session that `sessions` makes. Calling it again changes nothing.

    The keys go to the outbox of the application in whose context the session commits.
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


def _collect(session: Session, _context: UOWTransaction) -> None:
    new = [row for row in session.new if _is_due(row)]
    if new:
        session.info.setdefault(_COLLECTED, []).extend(new)


def _is_due(row: object) -> bool:
    return isinstance(row, AccountRequest) or (isinstance(row, Notification) and row.status == Status.pending)


def _confirm(session: Session) -> None:
    # It also fires where a savepoint is released: that is not yet a commit.
    if session.in_nested_transaction() or _COLLECTED not in session.info:
        return
    # What a savepoint's rollback or a delete took back is no longer persistent.
    kept = [state for row in session.info.pop(_COLLECTED) if (state := inspect(row)).persistent]
    session.info[_COMMITTED] = [
        (state.identity[0], state.class_ is AccountRequest, bool(state.dict.get("bulk"))) for state in kept
    ]


def _release(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    session.info.pop(_COLLECTED, None)
    committed: list[tuple[int, bool, bool]] = session.info.pop(_COMMITTED, [])
    # Here the connection is back in its pool, and an eager task may use any session.
    for name, is_request, is_bulk in _OUTBOXES:
        keys = [key for key, *sort in committed if sort == [is_request, is_bulk]]
        kept: list[int] | None = g.get(_KEPT)
        if kept is not None and not is_request and not is_bulk:
            kept.extend(keys)
        elif keys:
            outbox: Outbox = current_app.extensions[name]
            outbox.publish(keys, bulk=is_bulk)


def never(_keys: Sequence[int], _bulk: bool) -> None:
    """Publishes nothing: what a process without a broker does. The sweep of one that has a broker finds the rows."""
    raise ConnectionError("no broker is configured")


def nobody(_keys: Sequence[int], _bulk: bool) -> None:
    """Rings for nobody, and is content: for tests that replace the broker."""
