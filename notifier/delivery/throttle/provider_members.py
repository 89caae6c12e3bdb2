"""Customers of providers: domains of their own whose mail servers (MX in DNS) belong to a known provider.

An email never waits for DNS. A domain without a known answer is a scope of its own, and a separate thread looks it up
for the next time, but only while a provider holds or slows us; otherwise the answer would be of no use.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from queue import Empty, Full, Queue

import structlog
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from notifier import clock
from notifier.database.transaction import transaction
from notifier.delivery.side_thread import Context
from notifier.mail import providers
from notifier.models import DomainProvider
from notifier.sender_auth import LookupFailed, Resolver

log = structlog.get_logger(__name__)

#: Most domains that wait to be looked up. Beyond, a later email asks for them.
WAITING = 1000
#: Answers that a process keeps in memory, and rows that the database keeps.
MOST_IN_MEMORY, MOST_ROWS = 10_000, 50_000
#: Rows written between two deletions of old ones.
TIDY_AFTER = 100
#: Time until a domain is asked for again after the DNS server failed.
ASK_AGAIN = timedelta(minutes=10)
#: Seconds without work after which the thread ends.
IDLE_SECONDS = 5.0

_D = DomainProvider


class Members:
    """Look up customers. One instance serves all threads of a process, and survives a fork."""

    def __init__(
        self,
        session: Callable[[], Session],
        resolver: Callable[[], Resolver],
        context: Context,
        *,
        keep: timedelta = timedelta(days=7),
    ) -> None:
        """Prepare look-ups; nothing is asked yet.

        Args:
            resolver: Makes the DNS resolver.
            context: Opens the application context that `session` needs in another thread.
            keep: How long an answer holds.
        """
        self._session = session
        self._resolver = resolver
        self._context = context
        self._keep = keep
        self._lock = threading.Lock()
        #: Domain -> (its provider, until when that holds), oldest first.
        self._answers: OrderedDict[str, tuple[str | None, datetime]] = OrderedDict()
        self._queue: Queue[str] = Queue(WAITING)
        self._asked: set[str] = set()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._written = 0

    def known(self, domains: Collection[str], now: datetime) -> dict[str, str]:
        """Return the known providers of these domains; the others are looked up for the next time.

        Domains of the providers themselves are left out. One query asks for those that this process has not met before.
        """
        rest = {domain for domain in domains if providers.provider_of(domain) is None}
        missing = {domain for domain in rest if self._answer(domain, now) is None}
        if missing:
            with transaction(self._session) as session:
                query = select(_D.domain, _D.provider, _D.looked_up_at).where(
                    _D.domain.in_(missing), _D.looked_up_at > now - self._keep
                )
                for domain, provider, at in session.execute(query):
                    self._remember(domain, provider, at + self._keep)
                    missing.discard(domain)
            self._look_up(missing)
        found = {domain: self._answer(domain, now) for domain in rest}
        return {domain: answer[0] for domain, answer in found.items() if answer is not None and answer[0] is not None}

    def wait(self) -> None:
        """Wait until everything asked for has been looked up. Tests use it."""
        self._queue.join()

    def _answer(self, domain: str, now: datetime) -> tuple[str | None, datetime] | None:
        answer = self._answers.get(domain)
        return answer if answer is not None and answer[1] > now else None

    def _remember(self, domain: str, provider: str | None, until: datetime) -> None:
        with self._lock:
            self._answers[domain] = (provider, until)
            self._answers.move_to_end(domain)
            while len(self._answers) > MOST_IN_MEMORY:
                self._answers.popitem(last=False)

    def _look_up(self, domains: Iterable[str]) -> None:
        with self._lock:
            if self._pid != os.getpid():  # after a fork the thread and its queue are the parent's
                self._pid, self._queue, self._asked, self._thread = os.getpid(), Queue(WAITING), set(), None
            try:
                for domain in domains:
                    if domain not in self._asked:
                        self._queue.put_nowait(domain)
                        self._asked.add(domain)
            except Full:
                log.info("members.queue_full", waiting=WAITING)
            if self._asked and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="providers", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        resolver = self._resolver_or_none()
        while True:
            try:
                domain = self._queue.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._queue.empty():
                        self._thread = None
                        return
                continue
            try:
                self._ask(resolver, domain)
            finally:
                with self._lock:
                    self._asked.discard(domain)
                self._queue.task_done()

    def _resolver_or_none(self) -> Resolver | None:
        try:
            return self._resolver()
        except LookupFailed as error:
            log.warning("members.no_dns", error=str(error))
            return None

    def _ask(self, resolver: Resolver | None, domain: str) -> None:
        now = clock.now()
        try:
            provider = None if resolver is None else providers.by_mail_servers(resolver.mx(domain))
        except LookupFailed:
            resolver = provider = None
        if resolver is None:
            self._remember(domain, None, now + ASK_AGAIN)
            return
        self._remember(domain, provider, now + self._keep)
        try:
            with self._context():
                self._store(domain, provider, now)
        except DBAPIError as error:
            # This process knows the answer; the others look it up themselves.
            log.warning("members.not_stored", error=type(error).__name__)

    def _store(self, domain: str, provider: str | None, now: datetime) -> None:
        if self._written % TIDY_AFTER == 0:
            with transaction(self._session) as session:
                session.execute(delete(_D).where(_D.looked_up_at <= now - self._keep))
                full = (session.scalar(select(func.count()).select_from(_D)) or 0) >= MOST_ROWS
            if full:
                return
        self._written += 1
        try:
            with transaction(self._session) as session:
                session.execute(delete(_D).where(_D.domain == domain))
                session.execute(insert(_D).values(domain=domain, provider=provider, looked_up_at=now))
        except IntegrityError:
            return  # another process was faster
