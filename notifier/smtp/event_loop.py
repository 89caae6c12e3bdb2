"""Hand over a batch of emails on many connections in one thread, with one selector.

Each connection runs `dialogue.converse`, the same as for a single email. This module decides only which email comes
next, and what happens if no connection can be opened; how many there may be, `connection_count` finds.
"""

import selectors
from collections import deque
from collections.abc import Iterable, Iterator
from time import monotonic

from notifier.smtp.connection_count import Stretch
from notifier.smtp.dialogue import Envelope, converse
from notifier.smtp.envelope import Later
from notifier.smtp.lender import Lender
from notifier.smtp.observer import Observer, tell
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.smtp.session import Session, close_session, open_session
from notifier.smtp.wire import Wire

#: Seconds between two checks of the clock: the precision of all timeouts here.
_TICK_SECONDS = 0.05
#: Connections that may be opening before one has succeeded; afterwards twice as many as have been opened.
_FIRST_CONNECTIONS = 4
#: Share of a tick that a batch must have lacked connections for its waiting to be judged.
_JUDGED_FROM = 0.5
#: The server ends this session: it may have too many of them (RFC 5321, section 3.8).
_CLOSING = 421
#: The server takes no emails at all now, as when it restarts (RFC 3463): that says nothing about a number.
_NOT_ACCEPTING = "4.3.2"
#: The outcome of emails that had no turn before their batch was asked to end.
NOT_TRIED = Outcome(Decision.THROTTLE, Phase.CONNECT, Scope.TRANSPORT, text="not tried: this batch was asked to end")
#: Emails settled per step if none can be sent, so that the queue of outcomes stays short.
_SETTLED_PER_STEP = 100


def send_all(
    lender: Lender, envelopes: Iterable[Envelope | Later], observer: Observer, budget: float
) -> Iterator[tuple[int, Outcome]]:
    """Hand over `envelopes`; yield one (key, outcome) for each as it becomes known, in no particular order.

    `envelopes` is consumed lazily, about one per connection ahead, so it may be a generator that stops at a bad
    outcome. After a Later it is asked again once that time is over; replies are read meanwhile.

    `budget` seconds after the start everything has ended, and emails that had no turn are THROTTLE, untried; if
    `observer` ends the batch early, they are NOT_TRIED. If no session can be opened, that outcome is the outcome of all
    waiting emails. A caller that stops iterating early leaves emails in transit that only the journal knows.
    """
    batch = _Batch(lender, envelopes, observer, monotonic() + budget)
    try:
        working = True
        while working:
            working = batch.step()
            while batch.outcomes:
                yield batch.outcomes.popleft()
    finally:
        batch.close()


class _Batch:
    """The emails of one call and the connections that send them. It implements Work for all conversations."""

    deep = True

    def __init__(
        self, lender: Lender, envelopes: Iterable[Envelope | Later], observer: Observer, deadline: float
    ) -> None:
        self.outcomes: deque[tuple[int, Outcome]] = deque()
        self._lender = lender
        self._observer = observer
        self._source = iter(envelopes)
        self._dry = False
        #: When the next envelope may be asked for.
        self._ask_at = 0.0
        self._waiting: deque[Envelope] = deque()
        #: Emails whose connection died before their turn: the next fresh connections take them first.
        self._returned: deque[Envelope] = deque()
        self._deadline = deadline
        self._selector = selectors.DefaultSelector()
        self._opening: set[Wire] = set()
        self._talking: set[Wire] = set()
        self._leaving: set[Wire] = set()
        #: Paused connections, in the order in which they paused.
        self._paused: deque[tuple[Wire, selectors.SelectorKey]] = deque()
        self._opened = 0
        self._count = lender.count
        self._stretch = Stretch()
        #: The outcome for all emails that still wait, once it is decided.
        self._verdict: Outcome | None = None
        self._next_check = monotonic() + _TICK_SECONDS

    # --- the work of the conversations -------------------------------------------------------------

    def take(self, session: Session) -> Envelope | None:
        """Return the next email for this session, or None."""
        if self._verdict is not None or self._lender.is_spent(session):
            return None
        if not session.used and self._returned:
            return self._returned.popleft()
        if not self._waiting:
            self._look_ahead(1)
        return self._waiting.popleft() if self._waiting else None

    def give_back(self, envelope: Envelope) -> None:
        """Take back an email that was not tried."""
        self._returned.append(envelope)

    def begin(self, envelope: Envelope) -> None:
        """Tell the observer that the body is about to go out."""
        self._observer.begin(envelope.key)

    def settle(self, envelope: Envelope, outcome: Outcome) -> None:
        """Tell the observer the outcome, and queue it for the caller."""
        tell(self._observer, envelope, outcome)
        self.outcomes.append((envelope.key, outcome))
        if outcome.code == _CLOSING:
            self._count.shrink()

    def _look_ahead(self, count: int) -> None:
        while len(self._waiting) < count and not self._dry and not self._early():
            envelope = next(self._source, None)
            if envelope is None:
                self._dry = True
            elif isinstance(envelope, Later):
                self._ask_at = monotonic() + envelope.seconds
            else:
                self._waiting.append(envelope)

    def _early(self) -> float:
        """Return the seconds until the next envelope may be asked for; 0 if it may be asked for now."""
        return 0.0 if self._dry else max(0.0, self._ask_at - monotonic())

    # --- the connections ---------------------------------------------------------------------------

    def step(self) -> bool:
        """Make progress, or wait up to one tick for an event. Return False when everything has ended."""
        waiting = True
        if self._verdict is not None:
            waiting = self._give_up(self._verdict)
        elif self._count.has_room(self._own()):
            waiting = self._grow()
        early = self._early()
        if not self._opening and not self._talking and not early:
            return waiting or not self._dry
        # Emails that no connection is free for.
        lacking = waiting and not early and not self._opening and not self._count.has_room(self._own())
        no_wait = self._paused or (waiting and self._verdict)
        started = monotonic()
        ready = self._selector.select(0 if no_wait else min(early or _TICK_SECONDS, _TICK_SECONDS))
        waited = monotonic() - started
        self._continue(ready)
        now = monotonic()
        if lacking and not self._dry:
            self._stretch.add(now - started, waited)
        if now >= self._next_check:
            self._check_clock(now)
        return True

    def _continue(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        for key, _ in ready:
            wire: Wire = key.data
            if not wire.paused:
                wire.on_ready()
                self._follow(wire, key)
        if self._paused:
            wire, key = self._paused.popleft()
            wire.resume()
            self._follow(wire, key)

    def _own(self) -> int:
        return len(self._talking) + len(self._opening)

    def _follow(self, wire: Wire, key: selectors.SelectorKey) -> None:
        if wire.paused:
            self._paused.append((wire, key))
        elif wire.socket is not key.fileobj or wire.waits_for != key.events:
            self._watch(wire, key)

    def close(self) -> None:
        """Close the connections in use; the idle ones belong to the lender."""
        self._count.leave(self._own())
        for wire in [*self._opening, *self._talking, *self._leaving]:
            wire.close()
        self._selector.close()

    def _grow(self) -> bool:
        """Use as many connections as there are emails for. Return whether emails wait."""
        if not self._dry:
            self._look_ahead(self._count.room(self._own()))
        if not self._waiting and not self._returned:
            return False
        while self._may_grow() and (wire := self._kept()) is not None:
            self._count.use()
            self._converse(wire)
        while self._may_grow() and self._may_open():
            wire = self._lender.new_wire()
            self._count.use()
            self._opening.add(wire)
            wire.start(open_session(wire, wire.endpoint), self._deadline)
            self._watch(wire)
        return True

    def _may_grow(self) -> bool:
        emails = len(self._waiting) + len(self._returned) - len(self._opening)
        return emails > 0 and self._count.has_room(self._own())

    def _may_open(self) -> bool:
        return self._verdict is None and len(self._opening) < max(_FIRST_CONNECTIONS, 2 * self._opened)

    def _kept(self) -> Wire | None:
        # Returned emails wait for a fresh connection, because an old one could die under them once more.
        return self._lender.take() if self._waiting else None

    def _converse(self, wire: Wire) -> None:
        assert wire.session is not None
        self._talking.add(wire)
        wire.start(converse(wire, wire.session, self), self._deadline)
        self._watch(wire)

    def _watch(self, wire: Wire, key: selectors.SelectorKey | None = None) -> None:
        """Register the event that the wire waits for; if it waits no longer, handle the end of its conversation."""
        if key is not None and wire.socket is key.fileobj and wire.waits_for:
            self._selector.modify(key.fileobj, wire.waits_for, wire)
            return
        if key is not None:
            self._selector.unregister(key.fileobj)
        if wire.waits_for:
            assert wire.socket is not None
            registered = self._selector.register(wire.socket, wire.waits_for, wire)
            if wire.paused:
                self._paused.append((wire, registered))
        elif wire in self._opening:
            self._opening.remove(wire)
            self._opened_or_not(wire)
        elif wire in self._talking:
            self._talking.remove(wire)
            self._count.leave()
            self._talked_out(wire)
        else:
            self._leaving.discard(wire)
            wire.close()

    def _opened_or_not(self, wire: Wire) -> None:
        result = wire.result
        if isinstance(result, Session):
            self._opened += 1
            wire.session = result
            self._converse(wire)
            return
        wire.close()
        self._count.leave()
        if self._own():
            self._count.refuse(by_reply=result.code is not None and result.enhanced != _NOT_ACCEPTING)
        else:
            self._verdict = result

    def _talked_out(self, wire: Wire) -> None:
        session = wire.session
        assert session is not None
        if session.broken or wire.socket is None:
            wire.close()
        elif not self._lender.keep(wire):
            self._leaving.add(wire)
            wire.start(close_session(wire))
            self._watch(wire)

    # --- time --------------------------------------------------------------------------------------

    def _check_clock(self, now: float) -> None:
        self._next_check = now + _TICK_SECONDS
        waited = self._stretch.end(least=_TICK_SECONDS * _JUDGED_FROM)
        if waited is not None:
            self._count.judge(waited)
        end_by = self._observer.tick()
        if end_by is not None:
            self._deadline = min(self._deadline, end_by)
            self._verdict = self._verdict or NOT_TRIED
        keys = {key.data: key for key in self._selector.get_map().values()}
        late = now >= self._deadline
        # A paused connection is not expired: it waits for nothing, so it cannot be late.
        for wire in [wire for wire in keys if wire.due <= now or (late and not wire.paused)]:
            wire.expire()
            self._watch(wire, keys[wire])
        if now >= self._deadline and self._verdict is None:
            text = "not tried: the time for this batch is over"
            self._verdict = Outcome(Decision.THROTTLE, Phase.CONNECT, Scope.TRANSPORT, text=text)

    def _give_up(self, verdict: Outcome) -> bool:
        """Settle up to _SETTLED_PER_STEP waiting emails with `verdict`. Return whether more wait."""
        for _ in range(_SETTLED_PER_STEP):
            if self._returned:
                envelope = self._returned.popleft()
            else:
                self._look_ahead(1)
                if not self._waiting:
                    return False
                envelope = self._waiting.popleft()
            self.settle(envelope, verdict)
        return True
