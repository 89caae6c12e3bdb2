"""Keep connections to one mail server, lend them to conversations, and replace stale ones."""

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from time import monotonic

from notifier.config.settings import Settings
from notifier.smtp.connection_count import ConnectionCount
from notifier.smtp.dialogue import Envelope, converse
from notifier.smtp.envelope import Later
from notifier.smtp.event_loop import send_all
from notifier.smtp.observer import NO_OBSERVER, Observer, tell
from notifier.smtp.outcome import Outcome, Phase
from notifier.smtp.session import Endpoint, Session, close_session, open_session
from notifier.smtp.wire import Wire

_transports: "weakref.WeakSet[Transport]" = weakref.WeakSet()


class Transport:
    """Connections to one mail server, shared by the threads of one process."""

    def __init__(
        self,
        to: Settings | Endpoint,
        *,
        connections: int = 50,
        max_idle: float = 30.0,
        max_emails: int = 1000,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> None:
        """Prepare the transport without connecting.

        Args:
            to: The server, or the settings that describe it.
            connections: How many connections batches may use at most; `count` finds the best number.
            max_idle: Seconds that an unused connection is kept.
            max_emails: Transactions after which a connection is replaced.
            sign: Adds a signature to an email's bytes.

        Raises:
            OSError: MAIL_CA_FILE cannot be read.
            ssl.SSLError: MAIL_CA_FILE holds no certificate.
        """
        self.endpoint = to if isinstance(to, Endpoint) else Endpoint.from_settings(to)
        self.count = ConnectionCount(connections)
        self._max_idle = max_idle
        self._max_emails = max_emails
        self._sign = sign
        self._idle: list[Wire] = []
        self._wires: weakref.WeakSet[Wire] = weakref.WeakSet()
        self._lock = Lock()
        _transports.add(self)

    def send(self, envelope: Envelope, observer: Observer = NO_OBSERVER) -> Outcome:
        """Hand over one email. Block for MAIL_TIMEOUT_TOTAL at most; never raise for what a server does."""
        deadline = monotonic() + self.endpoint.total
        work = _One(observer, self._signed(envelope))
        if (kept := self.take()) is not None:
            self._converse(kept, work, deadline)
        if work.outcome is None:
            # Without a usable idle connection, open a fresh one at once, and only once (RFC 5321, 3.8).
            fresh = self.new_wire()
            refused = self._open(fresh, deadline)
            if refused is None:
                self._converse(fresh, work, deadline)
            else:
                work.settle(envelope, refused)
        assert work.outcome is not None
        return work.outcome

    def send_batch(
        self, envelopes: Iterable[Envelope | Later], observer: Observer = NO_OBSERVER, *, budget: float | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """Hand over many emails on as many connections as help; yield (key, outcome) as they become known.

        See `event_loop.send_all`. `budget` limits the whole batch, in seconds (default MAIL_TIMEOUT_TOTAL).
        """
        if self._sign is not None:
            envelopes = (each if isinstance(each, Later) else self._signed(each) for each in envelopes)
        return send_all(self, envelopes, observer, self.endpoint.total if budget is None else budget)

    def close(self) -> None:
        """Send QUIT on all idle connections, within MAIL_TIMEOUT_QUIT in all. The transport stays usable."""
        with self._lock:
            idle, self._idle = self._idle, []
        deadline = monotonic() + self.endpoint.timeouts[Phase.QUIT]
        for wire in idle:
            self._quit(wire, deadline)

    # --- for the loop ----------------------------------------------------------------------------

    def take(self) -> Wire | None:
        """Return an idle connection that looks alive, or None."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                wire = self._idle.pop()
            if monotonic() - wire.idle_since <= self._max_idle and not wire.is_stale():
                return wire
            wire.close()

    def new_wire(self) -> Wire:
        """Return a connection that is not open yet."""
        wire = Wire(self.endpoint)
        self._wires.add(wire)
        return wire

    def keep(self, wire: Wire) -> bool:
        """Take back a working connection. Return False if it is surplus or worn out: then the caller sends QUIT."""
        assert wire.session is not None
        with self._lock:
            room = len(self._idle) < self.count.allowed and not self.is_spent(wire.session)
            if room:
                self._idle.append(wire)
        return room

    def is_spent(self, session: Session) -> bool:
        """Return whether the session has carried `max_emails` emails."""
        return session.used >= self._max_emails

    def _signed(self, envelope: Envelope) -> Envelope:
        # Sign here and not where emails are built: the signature belongs to the transport, which is known only now.
        return envelope if self._sign is None else envelope._replace(data=self._sign(envelope.data), ready=False)

    # --- one connection --------------------------------------------------------------------------

    def _open(self, wire: Wire, deadline: float) -> Outcome | None:
        """Open a session on `wire`. Return None, or the outcome for all emails that wanted it if that fails."""
        try:
            result = wire.run(open_session(wire, self.endpoint), deadline)
        except BaseException:
            wire.close()
            raise
        if isinstance(result, Session):
            wire.session = result
            return None
        wire.close()
        return result

    def _converse(self, wire: Wire, work: "_One", deadline: float) -> None:
        assert wire.session is not None
        try:
            wire.run(converse(wire, wire.session, work), deadline)
        except BaseException:
            # After a signal's exception the state of the server is unclear, so never reuse the connection.
            wire.close()
            raise
        if wire.session.broken or wire.socket is None:
            wire.close()
        elif not self.keep(wire):
            self._quit(wire, monotonic() + self.endpoint.total)

    def _quit(self, wire: Wire, deadline: float) -> None:
        try:
            wire.run(close_session(wire), deadline)
        finally:
            wire.close()

    def _forget(self) -> None:
        """Drop the parent's connections in a forked child: close only this process's copies of the sockets."""
        self._lock = Lock()
        self.count = ConnectionCount(self.count.ceiling)
        self._idle.clear()
        for wire in list(self._wires):
            wire.abandon()


class _One:
    """The work of `send`: a single email."""

    deep = False

    def __init__(self, observer: Observer, envelope: Envelope) -> None:
        self.outcome: Outcome | None = None
        self._observer = observer
        self._waiting: Envelope | None = envelope

    def take(self, session: Session) -> Envelope | None:
        envelope, self._waiting = self._waiting, None
        return envelope

    def give_back(self, envelope: Envelope) -> None:
        self._waiting = envelope

    def begin(self, envelope: Envelope) -> None:
        self._observer.begin(envelope.key)

    def settle(self, envelope: Envelope, outcome: Outcome) -> None:
        self.outcome = outcome
        tell(self._observer, envelope, outcome)


def _forget_all() -> None:
    for transport in list(_transports):
        transport._forget()


os.register_at_fork(after_in_child=_forget_all)
