"""Flask-Mail's interface over notifier's own transport.

`mail.init_app(app)`, `mail.send(Message)`, `mail.connect()`, `mail.record_messages()`, MAIL_SUPPRESS_SEND and the
`email_dispatched` signal work as documented. Flask-Mail 0.10's own bytes and connection are never used: they can be
injected into, have no timeouts and lose what the server said.

One intended difference: the signal fires after an email was accepted (or suppressed by the setting), not before it is
tried, because a listener that counts or records emails must not hear of one that was refused.
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
#: The key of emails without a ledger row: those of `mail.send()`.
NO_KEY = 0


class RecipientsRefused(Exception):
    """Some recipients of `mail.send()` did not get the email; all others did."""

    def __init__(self, outcomes: dict[str, Outcome]) -> None:
        self.outcomes = outcomes
        said = ", ".join(
            f"{address}: {outcome.decision} {outcome.code or ''} {outcome.text}".rstrip()
            for address, outcome in outcomes.items()
        )
        super().__init__(f"not accepted: {said}")


class Sends(Protocol):
    """The transport of an email; notifier.smtp.transport.Transport in production."""

    def send(self, envelope: Envelope) -> Outcome:
        """Send one email. Every end that SMTP knows is an Outcome."""

    def send_batch(self, envelopes: Iterable[Envelope | Later], observer: Observer) -> Iterator[tuple[int, Outcome]]:
        """Send many emails; yield (key, outcome) as they come."""


class Mail(flask_mail.Mail):
    """Flask-Mail's interface over notifier's transport."""

    def __init__(self, app: Flask | None = None, *, transport: Sends, staging: Staging = EVERYBODY) -> None:
        """Send with `transport`; this object builds, suppresses and signals. `staging`: the recipients allowed."""
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

    def deliver(self, message: Message, *, key: int, via: Sends | None = None) -> Outcome:
        """Send one of notifier's emails, through the primary transport if `via` names no other.

        `key` is the primary key of its notification.

        An email that cannot be built safely is a FAIL with the reason in its text, not an exception.
        """
        envelope = _envelope(message, key, self._staging)
        if isinstance(envelope, Outcome):
            return envelope
        outcome = self._hand_over(envelope, via)
        if outcome.decision is Decision.ACCEPTED and flask_mail.email_dispatched.receivers:
            self._signal(DispatchedMessage.of(message, envelope.data))
        return outcome

    def deliver_all(
        self, messages: Iterable[tuple[int, Message] | Later], *, via: Sends, observer: Observer
    ) -> Iterator[tuple[int, Outcome]]:
        """Send notifier's emails through `via`; yield (key, outcome) as they come, exactly one per email.

        Messages are taken when there is room for them. `observer` hears of those that are sent. Those that cannot be
        built safely are a FAIL.
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
        """Send a Flask-Mail message: one transaction per recipient, Bcc only in the envelope.

        Raise ValueError before anything is sent if an address or a header cannot be sent safely. Raise
        RecipientsRefused after all recipients were tried if some were not accepted.
        """
        self._send_foreign(message)

    def connect(self) -> "_Connection":
        """Return Flask-Mail's bulk API. The transport keeps connections, so nothing opens or closes here."""
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

    def _hand_over(self, envelope: Envelope, via: Sends | None = None) -> Outcome:
        if self._app().extensions["mail"].suppress:
            log.info("mail.suppressed", notification=envelope.key, reason=SUPPRESSED)
            return Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, text=SUPPRESSED)
        return (via or self._transport).send(envelope)

    def _signal(self, message: flask_mail.Message) -> None:
        try:
            flask_mail.email_dispatched.send(self._app(), message=message)
        except Exception:
            # The email is accepted, and that is final: a listener's error must not cause a second copy.
            log.exception("mail.listener_failed")

    def _app(self) -> Flask:
        if self._bound is None:
            raise RuntimeError("init_app was not called")
        return self._bound


class DispatchedMessage(flask_mail.Message):
    """One of notifier's emails for listeners of `email_dispatched`; `as_bytes` is what was sent."""

    data: bytes

    @classmethod
    def of(cls, message: Message, data: bytes) -> Self:
        """Build the equivalent of a Message that was built into `data`."""
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
        """Return the bytes that were sent."""
        return self.data

    def as_string(self) -> str:
        """Return the bytes that were sent, as text."""
        return self.data.decode("utf-8")


class _State(flask_mail._Mail):
    """The value of `app.extensions["mail"]`: Flask-Mail's settings without its connection."""

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
    """The object of `with mail.connect() as connection`, which opens no connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
        """Do nothing: there is no connection to close."""

    def send(self, message: flask_mail.Message, envelope_from: str | tuple[str, str] | None = None) -> None:
        mail: Any = self.mail
        mail._send_foreign(message, envelope_from)


def _envelope(message: Message, key: int, staging: Staging) -> Envelope | Outcome:
    """Return the email as it is sent; the FAIL of one that cannot be built safely or must not be sent at all."""
    staged = stage(message, staging) if staging.active else message
    if isinstance(staged, Withhold):
        # Batches ask staging before they claim; this catches any other caller.
        log.info("mail.withheld", notification=key, reason=staged.reason)
        return Outcome(Decision.FAIL, Phase.MAIL, Scope.MESSAGE, text=staged.reason)
    message = staged
    try:
        data = build(message)
    except ValueError as error:
        # A mistake in a template or a setting. Other emails must go on, and trying again changes nothing.
        reason = redacted(str(error), (message.recipient, message.subject))
        log.error("mail.not_built", notification=key, error=type(error).__name__, reason=reason)
        return Outcome(Decision.FAIL, Phase.MAIL, Scope.MESSAGE, text=f"not built: {reason}")
    return Envelope(key, message.envelope_sender, message.recipient, data, message.smtputf8, ready=True)


class _Kept:
    """Emails being sent whose listeners hear of their acceptance."""

    def __init__(self, signal: Callable[[flask_mail.Message], None]) -> None:
        self._signal = signal
        self._emails: dict[int, tuple[Message, bytes]] = {}

    def add(self, message: Message, envelope: Envelope) -> None:
        self._emails[envelope.key] = (message, envelope.data)

    def settled(self, key: int, outcome: Outcome) -> None:
        message, data = self._emails.pop(key)
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
