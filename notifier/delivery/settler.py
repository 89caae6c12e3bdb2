"""Stores how tries ended, whatever it takes: what a mail server said cannot be asked again."""

import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.consent import suppressions
from notifier.delivery.side_thread import SideThread, run_inline
from notifier.ledger import Claimed, Settlement
from notifier.mail.addresses import identity_of
from notifier.models import SuppressionReason
from notifier.smtp.outcome import Outcome

log = structlog.get_logger(__name__)

#: Ends kept until they are stored together. A transaction costs the same whether it stores 50 or 250; more than that
#: would save little, and leave more in doubt where the whole host is lost.
FLUSH_ROWS = 250

#: Seconds after which they are stored in any case, so that people see a slow batch move.
FLUSH_SECONDS = 1.0

#: Stores that may be under way beside the sending: where the database is slow, sending waits for it.
MAX_STORES = 4

#: Seconds until a tick tries again where the database was away.
RETRY_SECONDS = 10.0

#: Seconds between tries where the database is away.
RETRY_PAUSES = (0.1, 0.5, 2.0, 5.0)


class Settler:
    """Collects the ends of one batch and stores them in few statements."""

    def __init__(self, session: Callable[[], Session], side_thread: SideThread = run_inline) -> None:
        """`session` gives the current session; each store is a transaction of its own, made by `aside`."""
        self._session = session
        self._side_thread = side_thread
        self._ends: list[Settlement] = []
        self._bounced: list[tuple[str, str]] = []
        self._since = time.monotonic()
        self._stores: deque[Future[None]] = deque()
        #: Ends that could not be stored at the first try.
        self._again: deque[tuple[list[Settlement], list[tuple[str, str]]]] = deque()
        self.statuses: Counter[str] = Counter()

    def add(self, end: Settlement) -> None:
        """Take note of an end; it is stored now or soon. Raises what an earlier store met."""
        self._ends.append(end)
        if len(self._ends) >= FLUSH_ROWS:
            self._store_soon()
        else:
            self.tick()

    def tick(self) -> None:
        """Store what has waited for long. Never raises: mails are on the wire, and where the database is away, their
        ends can wait for it.
        """
        if self._waiting() and time.monotonic() - self._since > FLUSH_SECONDS:
            self._stores.append(self._side_thread(self._try_once, *self._taken()))

    def _store_soon(self) -> None:
        self._hand_over()
        while self._stores and (self._stores[0].done() or len(self._stores) > MAX_STORES):
            self._stores.popleft().result()

    def bounced(self, row: Claimed, outcome: Outcome) -> None:
        """Suppress the address that was refused, which need not be the one that the account has by now."""
        self._bounced.append((identity_of(row.recipient), f"{outcome.code or ''} {outcome.text}".strip()))

    def flush(self) -> None:
        """Store what is waiting. Raises DBAPIError where the database stays away."""
        while self._waiting() or self._stores:
            self._hand_over()
            while self._stores:
                self._stores.popleft().result()

    def _hand_over(self) -> None:
        if self._waiting():
            self._stores.append(self._side_thread(self._insist, *self._taken()))

    def _waiting(self) -> bool:
        return bool(self._ends or self._again or self._bounced)

    def _taken(self) -> tuple[list[Settlement], list[tuple[str, str]]]:
        """All ends that are not being stored."""
        ends, self._ends = self._ends, []
        bounced, self._bounced = self._bounced, []
        while self._again:
            more, others = self._again.popleft()
            ends, bounced = more + ends, others + bounced
        self._since = time.monotonic()
        return ends, bounced

    def _try_once(self, ends: list[Settlement], bounced: list[tuple[str, str]]) -> None:
        try:
            self._store(ends, bounced)
        except DBAPIError as error:
            log.warning("settle.later", rows=len(ends), error=type(error).__name__)
            self._again.append((ends, bounced))
            # Where nothing is done aside, each try keeps the servers waiting.
            self._since = time.monotonic() + RETRY_SECONDS
            self._session().rollback()

    def _insist(self, ends: list[Settlement], bounced: list[tuple[str, str]]) -> None:
        for pause in (*RETRY_PAUSES, None):
            try:
                self._store(ends, bounced)
            except DBAPIError as error:
                self._session().rollback()
                log.error("settle.failed", rows=len(ends), error=type(error).__name__)
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return

    def _store(self, ends: list[Settlement], bounced: list[tuple[str, str]]) -> None:
        session = self._session()
        settled = ledger.settle(session, ends, now=clock.now())
        if settled < len(ends):
            # Their leases ran out while they were sent. What became of them we know all the same.
            settled += ledger.correct(session, ends, now=clock.now())
        for identity_key, evidence in bounced:
            suppressions.add(
                session, identity_key, reason=SuppressionReason.hard_bounce, source="smtp", evidence=evidence
            )
        session.commit()
        self.statuses.update(end.to.value for end in ends)
        if settled < len(ends):
            # Others hold them now, or have decided.
            log.error("settle.claims_lost", lost=len(ends) - settled, rows=len(ends))
