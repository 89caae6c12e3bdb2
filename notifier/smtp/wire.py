"""Drive a conversation over one connection, with timeouts and without blocking.

`Wire.run` drives one connection and blocks; `event_loop.py` drives many of them.
"""

import math
import select
import socket
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from time import monotonic
from typing import Any, TypeVar

from notifier.smtp.channel import Channel
from notifier.smtp.dial import Dial, check
from notifier.smtp.operations import Connect, Conversation, Op, Read, StartTls
from notifier.smtp.outcome import Failure, Phase, Reply
from notifier.smtp.replies import ReplyReader, WireError
from notifier.smtp.session import Endpoint, Session

T = TypeVar("T")


class Wire:
    """A connection to `endpoint`. It is not thread-safe: one borrower at a time.

    While a conversation runs, `waits_for` is the event that it needs (EVENT_READ or EVENT_WRITE) and `due` its time
    limit (monotonic seconds). When it has ended, `waits_for` is 0 and `result` is set.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.session: Session | None = None
        self.socket: socket.socket | None = None
        self.waits_for = 0
        self.due = math.inf
        #: Whether the conversation yielded to others: call `resume` when they have had their turn.
        self.paused = False
        self.result: Any = None
        #: When the last conversation ended, monotonic seconds.
        self.idle_since = monotonic()
        self._deadline = self._total = math.inf
        self._phase = Phase.CONNECT
        self._timeouts = endpoint.timeouts
        self._reader = ReplyReader()
        self._dial: Dial | None = None
        self._channel: Channel | None = None
        self._conversation: Conversation[Any] | None = None
        self._continue: Callable[[], None] = self._talk

    def run(self, conversation: Conversation[T], deadline: float = math.inf) -> T:
        """Drive one conversation to its end and return its result. Block until `deadline` (monotonic) at most."""
        self.start(conversation, deadline)
        while self.waits_for:
            if self.paused:
                self.resume()
                continue
            assert self.socket is not None
            poller = select.poll()
            poller.register(self.socket, select.POLLIN if self.waits_for == EVENT_READ else select.POLLOUT)
            patience = max(0.0, self.due - monotonic())
            if poller.poll(None if patience == math.inf else math.ceil(patience * 1000)):
                self.on_ready()
            else:
                self.expire()
        result: T = self.result
        return result

    def start(self, conversation: Conversation[Any], deadline: float = math.inf) -> None:
        """Begin a conversation that must end by `deadline` (monotonic seconds)."""
        self._conversation = conversation
        self._deadline = self._total = deadline
        self.result = None
        self._advance(None)

    def on_ready(self) -> None:
        """Continue after the event in `waits_for` has occurred."""
        if self.paused:
            return
        try:
            self._continue()
        except WireError as error:
            self._advance(None, error)

    def resume(self) -> None:
        """Continue a paused conversation."""
        self.paused = False
        self._advance(None)

    def expire(self) -> None:
        """Continue with a timeout error because `due` has passed."""
        channel = self._channel
        if channel is None:
            self._connect_failed(WireError(Failure.TIMEOUT, "connecting took too long"))
        else:
            self._advance(None, WireError(Failure.TIMEOUT, "no reply in time", channel.unsent))

    def is_stale(self) -> bool:
        """Return whether an idle connection was closed, or the server has sent something unasked."""
        if self.socket is None:
            return True
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        return self._reader.pending or bool(poller.poll(0))

    def close(self) -> None:
        """Close the socket without QUIT, and abort the conversation if one runs."""
        conversation, self._conversation = self._conversation, None
        self.waits_for, self.paused = 0, False
        if conversation is not None:
            conversation.close()
        self._hang_up()

    def abandon(self) -> None:
        """Close this forked child's copy of the socket; the parent's conversation continues untouched."""
        self._conversation = None
        self.waits_for, self.paused = 0, False
        self._hang_up()

    # --- for the conversation ----------------------------------------------------------------------

    def write(self, data: bytes, phase: Phase) -> None:
        """Queue bytes: see `ops.Pipe`."""
        if self._channel is None:
            raise WireError(Failure.DROP, "the connection is closed", phase)
        if phase is Phase.BODY and self._reader.pending:
            raise _unasked(phase)
        self._channel.write(data, phase)

    def ask(self, data: bytes, phase: Phase) -> None:
        """Queue a command on its own: see `ops.Pipe`."""
        if self._reader.pending:
            raise _unasked(phase)
        self.write(data, phase)

    @property
    def pending(self) -> bool:
        """Return whether unread input has arrived: see `ops.Pipe`."""
        return self._reader.pending

    def take(self) -> Reply | None:
        """Return the next reply if it has arrived: see `ops.Pipe`."""
        return self._reader.take()

    # --- the conversation ------------------------------------------------------------------------

    def _advance(self, value: Reply | None, error: WireError | None = None) -> None:
        """Run the conversation until it has to wait for the network, or ends."""
        conversation = self._conversation
        assert conversation is not None
        try:
            op = conversation.send(value) if error is None else self._tell(conversation, error)  # type: ignore[arg-type]
            while True:
                try:
                    if type(op) is Read:
                        value = self._reader.take()
                        if value is None:
                            self._await(op)
                            return
                    else:
                        self._begin(op)
                        return
                except WireError as fault:
                    op = self._tell(conversation, fault)
                else:
                    op = conversation.send(value)
        except StopIteration as end:
            self._end(end.value)

    def _tell(self, conversation: Conversation[Any], error: WireError) -> Op:
        """Hang up, because the connection is unusable after an error, and throw it into the conversation."""
        self._hang_up()
        return conversation.throw(error)

    def _end(self, result: Any) -> None:
        self._conversation = None
        self.waits_for = 0
        self.due = math.inf
        self.result = result
        self.idle_since = monotonic()

    def _begin(self, op: Op) -> None:
        if type(op) is Connect:
            self._connect()
        elif type(op) is StartTls:
            self._start_tls()
        else:
            self.paused, self.waits_for, self.due = True, EVENT_READ, math.inf

    def _await(self, op: Read) -> None:
        """Flush everything that was written, then wait for a reply."""
        self._phase = op.phase
        self._continue = self._talk
        if op.phase is Phase.MAIL:
            self._total = min(self._deadline, monotonic() + self.endpoint.total)
        self._send_or_wait()

    def _talk(self) -> None:
        channel = self._channel
        assert channel is not None
        if self.waits_for == EVENT_WRITE:
            # Do not read meanwhile: input that arrives before the final dot is sent cannot be its reply.
            self._send_or_wait()
            return
        self._reader.feed(channel.receive())
        reply = self._reader.take()
        if reply is not None:
            self._advance(reply)

    def _send_or_wait(self) -> None:
        """Flush, then set `waits_for` and `due`. The time limit of a body restarts with each progress."""
        channel = self._channel
        if channel is None:
            raise WireError(Failure.DROP, "the connection is closed")
        phase = self._phase
        if channel.flush():
            self.waits_for = EVENT_READ
        else:
            self.waits_for = EVENT_WRITE
            phase = channel.unsent or phase
        self.due = min(self._total, monotonic() + self._timeouts[phase])

    # --- connecting ------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._phase = Phase.CONNECT
        self._continue = self._connected
        self._total = min(self._deadline, monotonic() + self.endpoint.total)
        self._dial = Dial(self.endpoint.host, self.endpoint.port, self._timeouts[Phase.CONNECT])
        self._connect_next(WireError(Failure.DNS, "the name has no address"))

    def _connect_next(self, last: WireError) -> None:
        assert self._dial is not None
        self.socket = self._dial.next(last)
        self.waits_for = EVENT_WRITE
        self.due = min(self._total, monotonic() + self._dial.patience)

    def _connected(self) -> None:
        assert self.socket is not None
        try:
            check(self.socket)
        except WireError as error:
            self._connect_failed(error)
        else:
            self._channel = Channel(self.socket)
            self._advance(None)

    def _connect_failed(self, error: WireError) -> None:
        self._hang_up()
        try:
            self._connect_next(error)
        except WireError as last:
            self._advance(None, last)

    def _hang_up(self) -> None:
        self._channel = None
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    # --- TLS -------------------------------------------------------------------------------------

    def _start_tls(self) -> None:
        if self._reader.pending:
            raise WireError(Failure.TLS, "the server sent clear text after its reply to STARTTLS")
        assert self._channel is not None
        assert self.endpoint.context is not None
        self._phase = Phase.STARTTLS
        self._continue = self._shake_hands
        self._channel.start_tls(self.endpoint.context, self.endpoint.host)
        self._handshake()

    def _shake_hands(self) -> None:
        assert self._channel is not None
        if self.waits_for == EVENT_WRITE:
            self._send_or_wait()
            return
        self._channel.receive_handshake()
        self._handshake()

    def _handshake(self) -> None:
        assert self._channel is not None
        if self._channel.handshake():
            self._channel.flush()
            self._advance(None)
        else:
            self._send_or_wait()


def _unasked(phase: Phase) -> WireError:
    return WireError(Failure.GARBAGE, "the server sent a reply that was not asked for", phase)
