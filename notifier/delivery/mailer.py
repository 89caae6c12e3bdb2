"""Flask-Mail as people know it, on a wire that is safe.

`mail.init_app(app)`, `mail.send(Message)`, `mail.connect()`, `mail.record_messages()`, MAIL_SUPPRESS_SEND
and the `email_dispatched` signal work as documented. Flask-Mail 0.10's own bytes and connection are
never used: they can be injected, have no timeouts and lose what the server said.

One difference, on purpose: the signal fires after a mail was accepted (or suppressed by the setting), not
before it is tried, because a listener that counts or records mails must not be told of one that was refused.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import flask_mail
import structlog
from flask import Flask

from notifier.delivery.flask_message import Mailbox, foreign_mail
from notifier.delivery.staging import EVERYBODY, NOT_ALLOWED, Staging, Withhold, stage
from notifier.mail.message import Message, build
from notifier.security.redaction import redacted
from notifier.smtp.dialogue import Envelope
from notifier.smtp.envelope import Later
from notifier.smtp.observer import Observer
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope

log = structlog.get_logger(__name__)

SUPPRESSED = "suppressed by MAIL_SUPPRESS_SEND"
#: The key of mails that have no row in the ledger: those of `mail.send()`.
NO_KEY = 0


class RecipientsRefused(Exception):
    """Some recipients of `mail.send()` did not get the mail; those that are not listed did."""

    def __init__(self, outcomes: dict[str, Outcome]) -> None:
        self.outcomes = outcomes
        said = ", ".join(
            f"{address}: {outcome.decision} {outcome.code or ''} {outcome.text}".rstrip()
            for address, outcome in outcomes.items()
        )
        super().__init__(f"not accepted: {said}")


class Sends(Protocol):
    """What hands over one mail; notifier.smtp.transport.Transport in production."""

    def send(self, envelope: Envelope) -> Outcome:
        """Every end that SMTP knows is an Outcome."""

    def send_batch(self, envelopes: Iterable[Envelope | Later], observer: Observer) -> Iterator[tuple[int, Outcome]]:
        """Many mails; (key, outcome) as they come."""


class Mail(flask_mail.Mail):
    """Flask-Mail's surface over a transport of ours."""

    def __init__(self, app: Flask | None = None, *, transport: Sends, staging: Staging = EVERYBODY) -> None:
        """`transport` sends; this object builds, suppresses and signals. `staging`: who may be mailed at all."""
        self._transport = transport
        self._staging = staging
        self._bound: Flask | None = None
        super().__init__(app)

    def init_app(self, app: Flask) -> "_State":
        """Bind to the application and its MAIL_* settings."""
        plain = super().init_app(app)
        state = _State.like(plain, self)
        app.extensions["mail"] = state
        self._bound, self.state = app, state
        return state

    def deliver(self, message: Message, *, key: int) -> Outcome:
        """Send one mail of ours; `key` is the primary key of its notification.

        A mail that cannot be built safely is a FAIL with the reason in its text, not an exception.
        """
        envelope = _envelope(message, key, self._staging)
        if isinstance(envelope, Outcome):
            return envelope
        outcome = self._hand_over(envelope)
        if outcome.decision is Decision.ACCEPTED and flask_mail.email_dispatched.receivers:
            self._signal(DispatchedMessage.of(message, envelope.data))
        return outcome

    def deliver_all(
        self, messages: Iterable[tuple[int, Message] | Later], *, via: Sends, observer: Observer
    ) -> Iterator[tuple[int, Outcome]]:
        """Send many emails of ours by `via`; yields (key, outcome) as they come, exactly one for each mail.

        Messages are taken as there is room for them. `observer` is told of those that reach the wire. Those that cannot
        be built safely are a FAIL.
        """
        if self._app().extensions["mail"].suppress:
            yield from ((key, self.deliver(message, key=key)) for key, message in _in_time(messages))
            return
        unbuilt: list[tuple[int, Outcome]] = []
        listeners = _Kept(self._signal) if flask_mail.email_dispatched.receivers else None
        for key, outcome in via.send_batch(_envelopes(messages, self._staging, unbuilt, listeners), observer):
            if listeners is not None:
                listeners.settled(key, outcome)
            yield key, outcome
        yield from unbuilt

    def send(self, message: flask_mail.Message) -> None:
        """Send a Flask-Mail message: one transaction for each recipient, Bcc only in the envelope.

        Raises ValueError before anything is sent where an address or a header cannot be sent safely,
        RecipientsRefused after all were tried where some were not accepted.
        """
        self._send_foreign(message)

    def connect(self) -> "_Connection":
        """Flask-Mail's bulk API. Connections are kept by the transport, so nothing opens or closes here."""
        return _Connection(self)

    def _send_foreign(self, message: flask_mail.Message, envelope_from: Mailbox | None = None) -> None:
        mail = foreign_mail(message, envelope_from, self._staging)
        if not mail.recipients:
            log.info("mail.withheld", notification=NO_KEY, reason=NOT_ALLOWED.reason)
            return
        refused: dict[str, Outcome] = {}
        for recipient in mail.recipients:
            envelope = Envelope(
                key=NO_KEY,
                mail_from=mail.mail_from,
                rcpt_to=recipient.envelope,
                data=mail.data,
                smtputf8=mail.smtputf8 or recipient.smtputf8,
            )
            outcome = self._hand_over(envelope)
            if outcome.decision is not Decision.ACCEPTED:
                refused[recipient.envelope] = outcome
        if refused:
            raise RecipientsRefused(refused)
        self._signal(message)

    def _hand_over(self, envelope: Envelope) -> Outcome:
        if self._app().extensions["mail"].suppress:
            log.info("mail.suppressed", notification=envelope.key, reason=SUPPRESSED)
            return Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, text=SUPPRESSED)
        return self._transport.send(envelope)

    def _signal(self, message: flask_mail.Message) -> None:
        try:
            flask_mail.email_dispatched.send(self._app(), message=message)
        except Exception:
            # The mail is accepted, and that is final: a listener's fault must not cause a second copy.
            log.exception("mail.listener_failed")

    def _app(self) -> Flask:
        if self._bound is None:
            raise RuntimeError("init_app was not called")
        return self._bound


class DispatchedMessage(flask_mail.Message):
    """A mail of ours as listeners of `email_dispatched` know it; `as_bytes` is what went out."""

    data: bytes

    @classmethod
    def of(cls, message: Message, data: bytes) -> Self:
        """The equivalent of a Message that was built into `data`."""
        sender = (message.sender_name, message.sender_address) if message.sender_name else message.sender_address
        dispatched = cls(
            subject=message.subject,
            recipients=[message.recipient],
            body=message.text,
            html=message.html,
            sender=sender,
            reply_to=message.reply_to,
            date=message.date.timestamp(),
            extra_headers={"Auto-Submitted": "auto-generated", **dict(message.headers)},
        )
        dispatched.msgId = message.message_id
        dispatched.data = data
        return dispatched

    def as_bytes(self) -> bytes:
        """The very bytes that were sent."""
        return self.data

    def as_string(self) -> str:
        """The same, as text."""
        return self.data.decode("utf-8")


class _State(flask_mail._Mail):
    """What `app.extensions["mail"]` is: Flask-Mail's settings, without its way to the wire."""

    owner: Mail

    @classmethod
    def like(cls, plain: flask_mail._Mail, owner: Mail) -> Self:
        state = cls.__new__(cls)
        state.__dict__ |= plain.__dict__
        state.owner = owner
        return state

    def send(self, message: flask_mail.Message) -> None:
        self.owner.send(message)

    def connect(self) -> "_Connection":
        return self.owner.connect()


class _Connection(flask_mail.Connection):
    """What `with mail.connect() as connection` gives: only the name of a connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
        """Nothing to close."""

    def send(self, message: flask_mail.Message, envelope_from: str | tuple[str, str] | None = None) -> None:
        mail: Any = self.mail
        mail._send_foreign(message, envelope_from)


def _envelope(message: Message, key: int, staging: Staging) -> Envelope | Outcome:
    """The mail as it goes out, or the FAIL of one that cannot be built safely or must not leave at all."""
    staged = stage(message, staging) if staging.active else message
    if isinstance(staged, Withhold):
        # The spine asks before it claims; whoever forgets to ask ends here.
        log.info("mail.withheld", notification=key, reason=staged.reason)
        return Outcome(Decision.FAIL, Phase.MAIL, Scope.MESSAGE, text=staged.reason)
    message = staged
    try:
        data = build(message)
    except ValueError as error:
        # A mistake in a template or a setting. Other mails must go on, and trying again changes nothing.
        reason = redacted(str(error), (message.recipient, message.subject))
        log.error("mail.not_built", notification=key, error=type(error).__name__, reason=reason)
        return Outcome(Decision.FAIL, Phase.MAIL, Scope.MESSAGE, text=f"not built: {reason}")
    return Envelope(key, message.envelope_sender, message.recipient, data, message.smtputf8, ready=True)


class _Kept:
    """Mails under way whose listeners want to be told of their acceptance."""

    def __init__(self, signal: Callable[[flask_mail.Message], None]) -> None:
        self._signal = signal
        self._mails: dict[int, tuple[Message, bytes]] = {}

    def add(self, message: Message, envelope: Envelope) -> None:
        self._mails[envelope.key] = (message, envelope.data)

    def settled(self, key: int, outcome: Outcome) -> None:
        message, data = self._mails.pop(key)
        if outcome.decision is Decision.ACCEPTED:
            self._signal(DispatchedMessage.of(message, data))


def _in_time(messages: Iterable[tuple[int, Message] | Later]) -> Iterator[tuple[int, Message]]:
    for each in messages:
        if isinstance(each, Later):
            time.sleep(each.seconds)
        else:
            yield each


def _envelopes(
    messages: Iterable[tuple[int, Message] | Later],
    staging: Staging,
    unbuilt: list[tuple[int, Outcome]],
    listeners: _Kept | None,
) -> Iterator[Envelope | Later]:
    for each in messages:
        if isinstance(each, Later):
            yield each
            continue
        key, message = each
        built = _envelope(message, key, staging)
        if isinstance(built, Outcome):
            unbuilt.append((key, built))
            continue
        if listeners is not None:
            listeners.add(message, built)
        yield built
