"""Store how attempts ended, despite database outages: a mail server's reply cannot be asked for again."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.bounces.reasons import RULES
from notifier.consent import suppressions
from notifier.delivery.side_thread import SideThread, run_inline
from notifier.ledger import Claimed, Settlement
from notifier.mail.addresses import identity_of
from notifier.metrics import tally
from notifier.metrics.catalogue import BOUNCES
from notifier.models import SuppressionReason
from notifier.smtp.outcome import Outcome, clean

log = structlog.get_logger(__name__)

#: Settlements collected before they are stored. A transaction costs the same for 50 or 250 rows; more than that would
#: save little and leave more emails uncertain if the host crashed.
FLUSH_ROWS = 250

#: Seconds after which settlements are stored in any case, so that people see a slow batch progress.
FLUSH_SECONDS = 1.0

#: Stores that may be pending in the side thread. Beyond that, sending waits for a slow database.
MAX_STORES = 4

#: Seconds until a tick tries again after the database was unreachable.
RETRY_SECONDS = 10.0

#: Seconds between tries to store while the database is unreachable.
RETRY_PAUSES = (0.1, 0.5, 2.0, 5.0)


class Settler:
    """Collect the settlements of one batch and store them in few statements."""

    def __init__(
        self,
        session: Callable[[], Session],
        side_thread: SideThread = run_inline,
        *,
        flush_rows: int = FLUSH_ROWS,
        flush_seconds: float = FLUSH_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        retry_pauses: Sequence[float] = RETRY_PAUSES,
    ) -> None:
        """Store through `side_thread`.

        Args:
            session: Returns the current session; each store is a transaction of its own.
            side_thread: Runs a store.
            flush_rows: Settlements that are stored together.
            flush_seconds: Seconds after which settlements are stored in any case.
            retry_seconds: Seconds until a tick tries again after the database was unreachable.
            retry_pauses: Seconds between the tries of `flush`.
        """
        self._flush_rows, self._flush_seconds = flush_rows, flush_seconds
        self._retry_seconds, self._retry_pauses = retry_seconds, retry_pauses
        self._session = session
        self._side_thread = side_thread
        self._ends: list[Settlement] = []
        self._bounced: list[tuple[str, Outcome]] = []
        self._since = time.monotonic()
        self._stores: deque[Future[None]] = deque()
        #: Settlements that could not be stored at the first try.
        self._again: deque[tuple[list[Settlement], list[tuple[str, Outcome]]]] = deque()
        self.statuses: Counter[str] = Counter()

    def add(self, end: Settlement) -> None:
        """Add a settlement; it is stored now or soon. Raise the error of an earlier store."""
        self._ends.append(end)
        if len(self._ends) >= self._flush_rows:
            self._store_soon()
        else:
            self.tick()

    def tick(self) -> None:
        """Store settlements that have waited `flush_seconds`.

        Never raise: emails are being sent, and if the database is unreachable their settlements can wait.
        """
        if self._waiting() and time.monotonic() - self._since > self._flush_seconds:
            self._stores.append(self._side_thread(self._try_once, *self._taken()))

    def _store_soon(self) -> None:
        self._hand_over()
        while self._stores and (self._stores[0].done() or len(self._stores) > MAX_STORES):
            self._stores.popleft().result()

    def bounced(self, row: Claimed, outcome: Outcome) -> None:
        """Suppress the address that was refused, which may differ from the account's present one."""
        self._bounced.append((identity_of(row.recipient), outcome))

    def flush(self) -> None:
        """Store everything that waits. Raise DBAPIError if the database stays unreachable."""
        while self._waiting() or self._stores:
            self._hand_over()
            while self._stores:
                self._stores.popleft().result()

    def _hand_over(self) -> None:
        if self._waiting():
            self._stores.append(self._side_thread(self._insist, *self._taken()))

    def _waiting(self) -> bool:
        return bool(self._ends or self._again or self._bounced)

    def _taken(self) -> tuple[list[Settlement], list[tuple[str, Outcome]]]:
        """Return all settlements that no store holds."""
        ends, self._ends = self._ends, []
        bounced, self._bounced = self._bounced, []
        while self._again:
            more, others = self._again.popleft()
            ends, bounced = more + ends, others + bounced
        self._since = time.monotonic()
        return ends, bounced

    def _try_once(self, ends: list[Settlement], bounced: list[tuple[str, Outcome]]) -> None:
        try:
            self._store(ends, bounced)
        except DBAPIError as error:
            log.warning("settle.later", rows=len(ends), error=type(error).__name__)
            self._again.append((ends, bounced))
            # Without a side thread every try keeps the mail servers waiting.
            self._since = time.monotonic() + self._retry_seconds
            self._session().rollback()

    def _insist(self, ends: list[Settlement], bounced: list[tuple[str, Outcome]]) -> None:
        for pause in (*self._retry_pauses, None):
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

    def _store(self, ends: list[Settlement], bounced: list[tuple[str, Outcome]]) -> None:
        session = self._session()
        settled = ledger.settle(session, ends, now=clock.now())
        if settled < len(ends):
            # Their leases ran out while they were sent, but the outcomes are known all the same.
            settled += ledger.correct(session, ends, now=clock.now())
        for identity_key, outcome in bounced:
            _suppress(session, identity_key, outcome)
        if bounced:
            tally(session, BOUNCES, "smtp", "hard", by=len(bounced))
        session.commit()
        self.statuses.update(end.to.value for end in ends)
        if settled < len(ends):
            # Another worker holds these rows by now, or an operator has decided.
            log.error("settle.claims_lost", lost=len(ends) - settled, rows=len(ends))


def _suppress(session: Session, identity_key: str, outcome: Outcome) -> None:
    said = suppressions.Said(outcome.code, outcome.enhanced, clean(outcome.text), RULES)
    evidence = f"{outcome.code or ''} {outcome.text}".strip()
    suppressions.add(
        session, identity_key, reason=SuppressionReason.hard_bounce, source="smtp", evidence=evidence, said=said
    )
