"""Transactions over an open session: MAIL, RCPT, DATA, body, verdict (RFC 5321, section 3.3).

On a server with PIPELINING (RFC 2920) the three commands travel in one write, and those of the next
mail behind the final dot of this one. However they travel, a mail's replies are its own: no fault of
one mail decides another.
"""

from typing import Protocol

from notifier.smtp.classify import WANTED, classify, classify_failure
from notifier.smtp.echo import without_recipient
from notifier.smtp.envelope import Envelope, mail_command, rcpt_command, refuse_locally, stuff
from notifier.smtp.ops import READ, YIELD, Conversation, Pipe
from notifier.smtp.outcome import Decision, Failure, Outcome, Phase
from notifier.smtp.replies import WireError
from notifier.smtp.session import Session

__all__ = ["Envelope", "Work", "converse"]

#: The commands of a transaction, their reads, and the first digit of the reply that each wants.
_STEPS = tuple((phase, READ[phase], WANTED[phase]) for phase in (Phase.MAIL, Phase.RCPT, Phase.DATA))
_READ_EOD = READ[Phase.EOD]
_RSET = b"RSET\r\n"
_DATA = b"DATA\r\n"
_DOT = b".\r\n"


class Work(Protocol):
    """Where a conversation gets its mails from, and where their outcomes go."""

    #: Whether the next mail may be announced before this one has its reply.
    deep: bool

    def take(self, session: Session) -> Envelope | None:
        """The next mail for this session, None where there is none for it."""

    def give_back(self, envelope: Envelope) -> None:
        """The connection died before this mail's turn: it goes to a new one, nothing was tried."""

    def begin(self, envelope: Envelope) -> None:
        """The body is about to go out. An OSError of it stops the mail: nothing was sent."""

    def settle(self, envelope: Envelope, outcome: Outcome) -> None:
        """The attempt has ended."""


def converse(pipe: Pipe, session: Session, work: Work) -> Conversation[None]:
    """Send the mails of `work`, one transaction each, until there are no more or the session breaks.

    `session.broken` tells which. Never raises for what a server does.
    """
    envelope = _announce_next(pipe, session, work)
    while envelope is not None:
        refusal, go_on = yield from _ask_leave(pipe, session, envelope)
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
    """Take the next mail; where the server can pipeline, write its commands at once.

    None, too, where the server speaks unasked: no mail is to begin here.
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
    """The next mail that this server can take at all; the others are settled on the way."""
    while (envelope := work.take(session)) is not None:
        refusal = refuse_locally(session, envelope)
        if refusal is None:
            session.used += 1
            return envelope
        work.settle(envelope, refusal)
    return None


def _ask_leave(pipe: Pipe, session: Session, envelope: Envelope) -> Conversation[tuple[Outcome | None, bool]]:
    """MAIL, RCPT, DATA. The first refusal if there is one, and whether the server waits for a body."""
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
            # With pipelining the rest was asked already and is answered: read it, believe the first.
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
    """Whether a used connection has just reached its end, which is no mail's fault (RFC 5321, 3.8)."""
    if session.used < 2 or refusal.phase is not Phase.MAIL or refusal.decision is not Decision.THROTTLE:
        return False
    return refusal.code is None or refusal.code == 421 or refusal.enhanced == "4.5.3"


def _hand_over(pipe: Pipe, session: Session, work: Work, envelope: Envelope) -> Conversation[Envelope | None]:
    """Body, final dot and, behind it, the next mail's commands; then the verdict on this one.

    The next mail, if it was announced and the session lives.
    """
    following = None
    if work.deep and session.pipelining:
        # To make the next mail takes longer than to read all replies that have come in: they come first, so
        # that a kill finds as few as possible that are sent and not noted.
        yield YIELD
        following = _next(session, work)
    try:
        _begin(work, envelope)
        pipe.write(stuff(envelope), Phase.BODY)
        if following is not None:
            pipe.write(_group(session, following), Phase.EOD)
        reply = yield _READ_EOD
    except WireError as error:
        session.broken = True
        # The dot is the last of the body's piece: while that is not out, nothing was delivered.
        phase = Phase.BODY if error.unsent is Phase.BODY else Phase.EOD
        outcome = classify_failure(phase, error.kind, error.detail)
    else:
        outcome = classify(Phase.EOD, reply, envelope.rcpt_to)
        session.broken = reply.code == 421 or reply.code // 100 == 3
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
        # The server waits for a body. A lone dot would be a mail: only hanging up is safe.
        raise WireError(Failure.LOCAL, str(error), unsent=Phase.BODY) from error


def _end_empty(pipe: Pipe, session: Session, refusal: Outcome) -> Conversation[None]:
    """354 although something was refused: end the empty mail. Its reply means nothing (RFC 2920, 3.1)."""
    if refusal.phase is Phase.MAIL:
        # The recipient stands, whoever the server thinks the sender is: an empty mail would reach it.
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
    """All commands of a transaction in one piece, RSET before them where the last one was given up."""
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
