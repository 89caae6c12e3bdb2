"""Run transactions over an open session: MAIL, RCPT, DATA, body, reply (RFC 5321, section 3.3).

On a server with PIPELINING (RFC 2920) the three commands travel in one write, and those of the next email behind the
final dot of this one. In any case an email is decided by its own replies alone.
"""

from time import monotonic
from typing import Protocol

from notifier.smtp.classify import WANTED, classify, classify_failure
from notifier.smtp.envelope import Envelope, mail_command, rcpt_command, refuse_locally, stuff
from notifier.smtp.masking import without_recipient
from notifier.smtp.operations import READ, YIELD, Conversation, Pipe
from notifier.smtp.outcome import Decision, Failure, Outcome, Phase
from notifier.smtp.replies import WireError
from notifier.smtp.session import Session

__all__ = ["Envelope", "Work", "converse"]

#: Per command of a transaction: its phase, its Read, and the first digit of the reply that accepts it.
_STEPS = tuple((phase, READ[phase], WANTED[phase]) for phase in (Phase.MAIL, Phase.RCPT, Phase.DATA))
_READ_EOD = READ[Phase.EOD]
_RSET = b"RSET\r\n"
_DATA = b"DATA\r\n"
_DOT = b".\r\n"


class Work(Protocol):
    """The source of a conversation's emails, and the receiver of their outcomes."""

    #: Whether the next email may be announced before this one has its reply.
    deep: bool

    def take(self, session: Session) -> Envelope | None:
        """Return the next email for this session, or None."""

    def give_back(self, envelope: Envelope) -> None:
        """Take back an email that was not tried because its connection died; it goes to a new connection."""

    def begin(self, envelope: Envelope) -> None:
        """Record that the body is about to go out. An OSError stops the email before anything is sent."""

    def settle(self, envelope: Envelope, outcome: Outcome) -> None:
        """Record how the attempt ended."""


def converse(pipe: Pipe, session: Session, work: Work) -> Conversation[None]:
    """Send the emails of `work`, one transaction each, until there are no more or the session breaks.

    `session.broken` tells which. Nothing that the server does raises an error.
    """
    envelope = _announce_next(pipe, session, work)
    while envelope is not None:
        started = monotonic()
        refusal, go_on = yield from _ask_leave(pipe, session, envelope)
        session.timed(Phase.MAIL.value, monotonic() - started)
        following = None
        if refusal is None:
            following = yield from _hand_over(pipe, session, work, envelope)
        elif _is_stale(session, refusal):
            session.broken = True
            work.give_back(envelope)
        else:
            session.dirty = True
            if go_on and not session.broken:
                yield from _end_empty(pipe, session, refusal)
            _settle(work, envelope, refusal)
        if session.broken:
            return
        envelope = following or _announce_next(pipe, session, work)


def _announce_next(pipe: Pipe, session: Session, work: Work) -> Envelope | None:
    """Take the next email and, if the server supports pipelining, write its commands at once.

    Return None if there is no email, or if the server has sent something unasked: then no transaction may begin.
    """
    if pipe.pending:
        session.broken = True
        return None
    envelope = _next(session, work)
    if envelope is None or not session.pipelining:
        return envelope
    try:
        pipe.write(_group(session, envelope), Phase.MAIL)
    except WireError:
        session.broken = True
        work.give_back(envelope)
        return None
    return envelope


def _next(session: Session, work: Work) -> Envelope | None:
    """Return the next email that this server can take, or None; settle those that it cannot take."""
    while (envelope := work.take(session)) is not None:
        refusal = refuse_locally(session, envelope)
        if refusal is None:
            session.used += 1
            return envelope
        work.settle(envelope, refusal)
    return None


def _ask_leave(pipe: Pipe, session: Session, envelope: Envelope) -> Conversation[tuple[Outcome | None, bool]]:
    """Run MAIL, RCPT and DATA. Return the first refusal, or None, and whether the server waits for a body."""
    refusal, phase = None, Phase.MAIL
    go_on = False
    try:
        if session.dirty:
            yield from _reset(pipe, session)
        for phase, read, wanted in _STEPS:
            if not session.pipelining:
                pipe.ask(_command(phase, session, envelope), phase)
            reply = pipe.take() or (yield read)
            if reply.code // 100 == wanted:
                go_on = wanted == 3
                continue
            # With pipelining the other commands are already sent: read their replies, but the first refusal counts.
            refusal = refusal or classify(phase, reply, envelope.rcpt_to)
            session.broken = session.broken or reply.code == 421 or reply.code < 400
            if session.broken or not session.pipelining:
                break
    except WireError as error:
        session.broken = True
        refusal = refusal or classify_failure(phase, error.kind, error.detail)
    return refusal, go_on


def _reset(pipe: Pipe, session: Session) -> Conversation[None]:
    if not session.pipelining:
        pipe.ask(_RSET, Phase.MAIL)
    reply = pipe.take() or (yield READ[Phase.MAIL])
    if reply.code // 100 != 2:
        raise WireError(Failure.DROP, f"RSET was refused: {reply.code} {reply.text}")
    session.dirty = False


def _is_stale(session: Session, refusal: Outcome) -> bool:
    """Return whether a reused connection has just reached its end, which is not the email's fault (RFC 5321, 3.8)."""
    if session.used < 2 or refusal.phase is not Phase.MAIL or refusal.decision is not Decision.THROTTLE:
        return False
    return refusal.code is None or refusal.code == 421 or refusal.enhanced == "4.5.3"


def _hand_over(pipe: Pipe, session: Session, work: Work, envelope: Envelope) -> Conversation[Envelope | None]:
    """Send the body, the final dot and behind it the next email's commands; then read the reply to this one.

    Return the next email if it was announced and the session still works.
    """
    following = None
    if work.deep and session.pipelining:
        # Rendering the next email takes longer than reading all replies that have arrived. So they are read first, and
        # a killed process leaves as few emails as possible that were sent and not recorded.
        yield YIELD
        following = _next(session, work)
    started = monotonic()
    try:
        _begin(work, envelope)
        pipe.write(stuff(envelope), Phase.BODY)
        if following is not None:
            pipe.write(_group(session, following), Phase.EOD)
        reply = yield _READ_EOD
    except WireError as error:
        session.broken = True
        # The dot is the end of the body's piece: until the kernel has taken that, nothing was delivered.
        phase = Phase.BODY if error.unsent is Phase.BODY else Phase.EOD
        outcome = classify_failure(phase, error.kind, error.detail)
    else:
        outcome = classify(Phase.EOD, reply, envelope.rcpt_to)
        session.broken = reply.code == 421 or reply.code // 100 == 3
    session.timed(Phase.EOD.value, monotonic() - started)
    _settle(work, envelope, outcome)
    if session.broken and following is not None:
        work.give_back(following)
        return None
    return following


def _settle(work: Work, envelope: Envelope, outcome: Outcome) -> None:
    work.settle(envelope, without_recipient(outcome, envelope.rcpt_to))


def _begin(work: Work, envelope: Envelope) -> None:
    try:
        work.begin(envelope)
    except OSError as error:
        # The server waits for a body. A lone dot would be an empty email, so only hanging up is safe.
        raise WireError(Failure.LOCAL, str(error), unsent=Phase.BODY) from error


def _end_empty(pipe: Pipe, session: Session, refusal: Outcome) -> Conversation[None]:
    """End the empty email after a 354 despite a refusal. Its reply means nothing (RFC 2920, 3.1)."""
    if refusal.phase is Phase.MAIL:
        # The server accepted the recipient without the sender, so it would deliver the empty email.
        session.broken = True
        return
    try:
        pipe.ask(_DOT, Phase.DATA)
        reply = pipe.take() or (yield _READ_EOD)
    except WireError:
        session.broken = True
    else:
        session.broken = reply.code == 421


def _group(session: Session, envelope: Envelope) -> bytes:
    """Return all commands of a transaction in one piece, after RSET if the last transaction was abandoned."""
    return b"%b%b%b%b" % (
        _RSET if session.dirty else b"",
        mail_command(session, envelope),
        rcpt_command(envelope),
        _DATA,
    )


def _command(phase: Phase, session: Session, envelope: Envelope) -> bytes:
    if phase is Phase.MAIL:
        return mail_command(session, envelope)
    return rcpt_command(envelope) if phase is Phase.RCPT else _DATA
