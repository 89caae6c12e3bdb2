"""A mail server without a socket: it takes rendered emails, and answers as a test says.

    server = FakeMailServer().attach(app)
    server.answers["example.com"] = BUSY
    ...
    assert [message.subject for message in server.sent] == ["Please confirm your email address"]

To test the conversation itself, use `notifier.testing.smtp_server`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, Self

from flask import Flask

from notifier.delivery.deliver import Sender
from notifier.mail.message import Message
from notifier.services import services_of
from notifier.smtp.envelope import Later
from notifier.smtp.observer import Observer
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope

ACCEPTED: Final = Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, 250, "2.0.0", "Ok")
BUSY: Final = Outcome(Decision.RETRY, Phase.RCPT, Scope.RECIPIENT, 451, "4.7.1", "try again later")
UNKNOWN_USER: Final = Outcome(Decision.BOUNCE, Phase.RCPT, Scope.RECIPIENT, 550, "5.1.1", "no such user")
#: The final dot went out, and no reply came.
NO_REPLY: Final = Outcome(Decision.UNKNOWN, Phase.EOD, Scope.MESSAGE, None, None, "no reply came")

#: Decisions after which the recipient has the email, or may have it.
_ARRIVES: Final = frozenset({Decision.ACCEPTED, Decision.UNKNOWN})

#: Phases at which the first byte of the body is out.
_HAS_BODY: Final = frozenset({Phase.BODY, Phase.EOD})


class Handed(NamedTuple):
    """One email that the mail server was handed."""

    #: The primary key of its row.
    key: int
    #: The name of the transport.
    via: str
    message: Message
    #: Its position in its batch, from 0.
    number: int

    @property
    def domain(self) -> str:
        """Return the domain of the recipient."""
        return self.message.recipient.rpartition("@")[2]


Answer = Outcome | Callable[[Handed], Outcome]


class FakeMailServer:
    """Stand in for all transports of a `Sender`. It accepts every email until a test says otherwise."""

    def __init__(self, answer: Answer = ACCEPTED) -> None:
        """Answer every email with `answer`, or with what it returns for the email."""
        self.answer: Answer = answer
        #: Answers that win over `answer`, by recipient, (transport, domain), domain or transport, in this order.
        self.answers: dict[str | tuple[str, str], Outcome] = {}
        #: All emails that came, in order, accepted or not.
        self.handed: list[Handed] = []
        #: The emails that arrived, or may have (delivery uncertain), in order.
        self.sent: list[Message] = []

    def attach(self, to: Flask | Sender) -> Self:
        """Let an application, or a sender, send through this server from now on."""
        sender = services_of(to).sender if isinstance(to, Flask) else to
        sender.hand_over = self
        return self

    def to(self, address: str) -> list[Message]:
        """Return the emails that arrived at this address, in order."""
        return [message for message in self.sent if message.recipient == address]

    def forget(self) -> None:
        """Accept every email from now on, and forget those that came."""
        self.answer = ACCEPTED
        self.answers.clear()
        self.handed.clear()
        self.sent.clear()

    def __call__(
        self, messages: Iterable[tuple[int, Message] | Later], via: str, observer: Observer
    ) -> Iterator[tuple[int, Outcome]]:
        """Answer a batch, in the place of `Sender.hand_over`."""
        emails = (each for each in messages if not isinstance(each, Later))
        for number, (key, message) in enumerate(emails):
            handed = Handed(key, via, message, number)
            self.handed.append(handed)
            outcome = self._talk(handed, observer)
            if outcome.decision in _ARRIVES:
                self.sent.append(message)
            observer.replied(key, outcome)
            yield key, outcome

    def _talk(self, handed: Handed, observer: Observer) -> Outcome:
        outcome = self._answer(handed)
        if outcome.phase in _HAS_BODY:
            try:
                observer.begin(handed.key)
            except OSError as error:  # As a transport does: the observer has stopped this email.
                return Outcome(Decision.RETRY, Phase.BODY, Scope.MESSAGE, text=str(error))
        return outcome

    def _answer(self, handed: Handed) -> Outcome:
        keys = (handed.message.recipient, (handed.via, handed.domain), handed.domain, handed.via)
        for key in keys:
            if (found := self.answers.get(key)) is not None:
                return found
        return self.answer if isinstance(self.answer, Outcome) else self.answer(handed)
