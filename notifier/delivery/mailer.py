"""Flask-Mail as people know it, on a wire that is safe.

`mail.init_app(app)`, `mail.send(Message)`, `mail.connect()`, `mail.record_messages()`, MAIL_SUPPRESS_SEND
and the `email_dispatched` signal work as documented. Flask-Mail 0.10's own bytes and connection are
never used: they can be injected, have no timeouts and lose what the server said.

One difference, on purpose: the signal fires after a mail was accepted (or suppressed by the setting), not
before it is tried, because a listener that counts or records mails must not be told of one that was refused.
"""

from types import TracebackType
from typing import Any, Protocol, Self

import flask_mail
import structlog
from flask import Flask

from notifier.delivery.foreign import Foreign, foreign_mail
from notifier.delivery.message import Message, build
from notifier.delivery.outcome import Decision, Outcome, Phase, Scope
from notifier.delivery.smtp import Envelope

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
    """What hands over one mail; notifier.delivery.transport.Transport in production."""

    def send(self, envelope: Envelope) -> Outcome:
        """Every end that SMTP knows is an Outcome."""


class Mail(flask_mail.Mail):
    """Flask-Mail's surface over a transport of ours."""

    def __init__(self, app: Flask | None = None, *, transport: Sends) -> None:
        """`transport` sends; this object builds, suppresses and signals."""
        self._transport = transport
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
        try:
            data = build(message)
        except ValueError as error:
            # A mistake in a template or a setting. Other mails must go on, and trying again changes nothing.
            log.error("mail.not_built", notification=key, error=type(error).__name__, reason=str(error))
            return Outcome(Decision.FAIL, Phase.MAIL, Scope.MESSAGE, text=f"not built: {error}")
        outcome = self._hand_over(
            Envelope(
                key=key,
                mail_from=message.envelope_sender,
                rcpt_to=message.recipient,
                data=data,
                smtputf8=message.smtputf8,
            )
        )
        if outcome.decision is Decision.ACCEPTED and flask_mail.email_dispatched.receivers:
            self._signal(DispatchedMessage.of(message, data))
        return outcome

    def send(self, message: flask_mail.Message) -> None:
        """Send a Flask-Mail message: one transaction for each recipient, Bcc only in the envelope.

        Raises ValueError before anything is sent where an address or a header cannot be sent safely,
        RecipientsRefused after all were tried where some were not accepted.
        """
        self._send_foreign(foreign_mail(message))
        self._signal(message)

    def connect(self) -> "_Connection":
        """Flask-Mail's bulk API. Connections are kept by the transport, so nothing opens or closes here."""
        return _Connection(self)

    def _send_foreign(self, mail: Foreign) -> None:
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
        mail._send_foreign(foreign_mail(message, envelope_from))
        mail._signal(message)
