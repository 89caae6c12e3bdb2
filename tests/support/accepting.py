"""A mail server that takes everything, without a connection."""

from collections.abc import Iterable, Iterator

from notifier.delivery.deliver import Sender
from notifier.mail.message import Message
from notifier.smtp.observer import Observer
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope

ACCEPTED = Outcome(Decision.ACCEPTED, Phase.EOD, Scope.RECIPIENT, 250, "2.0.0", "ok", 0)


def accept_all(sender: Sender, sent: list[Message]) -> Sender:
    """Let each email that `sender` hands over be accepted, and be in `sent`."""

    def hand_over(
        messages: Iterable[tuple[int, Message]], via: str, observer: Observer
    ) -> Iterator[tuple[int, Outcome]]:
        for key, message in messages:
            sent.append(message)
            yield key, ACCEPTED

    sender.hand_over = hand_over
    return sender
