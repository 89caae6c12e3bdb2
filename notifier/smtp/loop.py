"""Many connections, one thread: hands over a batch of mails with one selector.

What is said on a connection is `smtp.converse`, the same as for a single mail. Here is decided only how
many connections there are, which mail comes next, and what follows where no connection can be had.
"""

import selectors
from collections import deque
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Protocol

from notifier.smtp.dialogue import Envelope, converse
from notifier.smtp.envelope import Later
from notifier.smtp.observer import Observer, tell
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.smtp.session import Session, close_session, open_session
from notifier.smtp.wire import Wire

#: How often the clock is looked at, seconds: the grain of all timeouts here.
_TICK = 0.05
#: Connections that are tried before one has succeeded; then their number may triple.
_FIRST = 4
#: The outcome of mails that had no turn before their batch was told to end.
NOT_TRIED = Outcome(Decision.THROTTLE, Phase.CONNECT, Scope.TRANSPORT, text="not tried: this batch was told to end")
#: Mails settled in one go where none can be sent: the list of outcomes stays short.
_SLICE = 100


class Lender(Protocol):
    """Who keeps the connections."""

    connections: int

    def take(self) -> Wire | None:
        """An idle connection with a session."""

    def new_wire(self) -> Wire:
        """One that is not open yet."""

    def keep(self, wire: Wire) -> bool:
        """Take back a connection; False: it has served its time, say QUIT."""

    def is_spent(self, session: Session) -> bool:
        """Whether the session has carried its share of mails."""


def send_all(
    lender: Lender, envelopes: Iterable[Envelope | Later], observer: Observer, budget: float
) -> Iterator[tuple[int, Outcome]]:
    """Hand over `envelopes`; yields (key, outcome) as they come, one for each, in no order.

    Takes from `envelopes` as it goes, a connection's worth ahead, so they may be made on the way (and
    their maker may stop when it sees a bad outcome). At a Later it asks again when that is over, and reads
    replies meanwhile. `budget` seconds after the start all has ended: what had no turn is THROTTLE, untried. If
    `observer` ends the batch early, it is NOT_TRIED. Where no session can be opened its outcome is that of all
    that wait. Whoever stops iterating early leaves mails on the wire: only the journal knows of them.
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
    """The mails of one call and the connections at work for them. Is the Work of all of them."""

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
        #: Mails whose connection died before their turn: the next fresh connection is theirs.
        self._returned: deque[Envelope] = deque()
        self._deadline = deadline
        self._selector = selectors.DefaultSelector()
        self._opening: set[Wire] = set()
        self._talking: set[Wire] = set()
        self._leaving: set[Wire] = set()
        #: Those that gave way, in the order in which they did.
        self._paused: deque[tuple[Wire, selectors.SelectorKey]] = deque()
        self._opened = 0
        #: As many connections as the server has let us open.
        self._limit = lender.connections
        #: What becomes of all that still waits.
        self._verdict: Outcome | None = None
        self._next_check = monotonic() + _TICK

    # --- the work of the conversations -------------------------------------------------------------

    def take(self, session: Session) -> Envelope | None:
        """The next mail for this session."""
        if self._verdict is not None or self._lender.is_spent(session):
            return None
        if not session.used and self._returned:
            return self._returned.popleft()
        if not self._waiting:
            self._look_ahead(1)
        return self._waiting.popleft() if self._waiting else None

    def give_back(self, envelope: Envelope) -> None:
        """Its turn never came."""
        self._returned.append(envelope)

    def begin(self, envelope: Envelope) -> None:
        """The body is about to go out."""
        self._observer.begin(envelope.key)

    def settle(self, envelope: Envelope, outcome: Outcome) -> None:
        """Its attempt has ended."""
        tell(self._observer, envelope, outcome)
        self.outcomes.append((envelope.key, outcome))

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
        """Seconds until the next envelope may be asked for."""
        return 0.0 if self._dry else max(0.0, self._ask_at - monotonic())

    # --- the connections ---------------------------------------------------------------------------

    def step(self) -> bool:
        """Let happen what can happen now, or wait a moment for it; False when all has ended."""
        waiting = True
        if self._verdict is not None:
            waiting = self._give_up(self._verdict)
        elif len(self._talking) + len(self._opening) < self._limit:
            waiting = self._grow()
        early = self._early()
        if not self._opening and not self._talking and not early:
            return waiting or not self._dry
        at_once = self._paused or (waiting and self._verdict)
        for key, _ in self._selector.select(0 if at_once else min(early or _TICK, _TICK)):
            wire: Wire = key.data
            if not wire.paused:
                wire.on_ready()
                self._follow(wire, key)
        if self._paused:
            wire, key = self._paused.popleft()
            wire.resume()
            self._follow(wire, key)
        now = monotonic()
        if now >= self._next_check:
            self._check_clock(now)
        return True

    def _follow(self, wire: Wire, key: selectors.SelectorKey) -> None:
        if wire.paused:
            self._paused.append((wire, key))
        elif wire.socket is not key.fileobj or wire.waits_for != key.events:
            self._watch(wire, key)

    def close(self) -> None:
        """Close what is still at work; the idle connections are the lender's."""
        for wire in [*self._opening, *self._talking, *self._leaving]:
            wire.close()
        self._selector.close()

    def _grow(self) -> bool:
        """Put to work as many connections as there are mails for; whether mails wait."""
        room = self._limit - len(self._talking) - len(self._opening)
        if room > 0 and not self._dry:
            self._look_ahead(room)
        if not self._waiting and not self._returned:
            return False
        while self._may_grow() and (wire := self._kept()) is not None:
            self._converse(wire)
        while self._may_grow() and self._may_open():
            wire = self._lender.new_wire()
            self._opening.add(wire)
            wire.start(open_session(wire, wire.endpoint), self._deadline)
            self._watch(wire)
        return True

    def _may_grow(self) -> bool:
        mails = len(self._waiting) + len(self._returned) - len(self._opening)
        return mails > 0 and len(self._talking) + len(self._opening) < self._limit

    def _may_open(self) -> bool:
        return self._verdict is None and len(self._opening) < max(_FIRST, 2 * self._opened)

    def _kept(self) -> Wire | None:
        # What was given back waits for a fresh connection: an old one could die under it once more.
        return self._lender.take() if self._waiting else None

    def _converse(self, wire: Wire) -> None:
        assert wire.session is not None
        self._talking.add(wire)
        wire.start(converse(wire, wire.session, self), self._deadline)
        self._watch(wire)

    def _watch(self, wire: Wire, key: selectors.SelectorKey | None = None) -> None:
        """Bring the selector in line with what the wire waits for; go on where it waits no more."""
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
        self._limit = len(self._talking) + len(self._opening)
        if not self._limit:
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
        self._next_check = now + _TICK
        end_by = self._observer.tick()
        if end_by is not None:
            self._deadline = min(self._deadline, end_by)
            self._verdict = self._verdict or NOT_TRIED
        keys = {key.data: key for key in self._selector.get_map().values()}
        late = now >= self._deadline
        # One that gave way goes on first: it waits for nothing, so it has nothing to be late for.
        for wire in [wire for wire in keys if wire.due <= now or (late and not wire.paused)]:
            wire.expire()
            self._watch(wire, keys[wire])
        if now >= self._deadline and self._verdict is None:
            text = "not tried: the time for this batch is over"
            self._verdict = Outcome(Decision.THROTTLE, Phase.CONNECT, Scope.TRANSPORT, text=text)

    def _give_up(self, verdict: Outcome) -> bool:
        """Settle a slice of what waits; whether mails wait still."""
        for _ in range(_SLICE):
            if self._returned:
                envelope = self._returned.popleft()
            else:
                self._look_ahead(1)
                if not self._waiting:
                    return False
                envelope = self._waiting.popleft()
            self.settle(envelope, verdict)
        return True
