"""Report, email by email, what happens on the connection."""

import logging
from typing import Protocol

from notifier.smtp.envelope import Envelope
from notifier.smtp.outcome import Outcome

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Observe the emails of one `send` or `send_batch`. It is called in the sending thread."""

    def begin(self, key: int) -> None:
        """Record that the first byte of this body goes out next. An OSError stops that email (RETRY)."""

    def replied(self, key: int, outcome: Outcome) -> None:
        """Record an outcome as soon as it is known. An OSError is logged, and the outcome stands."""

    def tick(self) -> float | None:
        """Return None, or when the batch must have ended (monotonic seconds) to end it early.

        It is called often during a batch, even while no input arrives.
        """


class _NoObserver:
    """Ignore everything, for emails without a row in the ledger."""

    def begin(self, key: int) -> None:
        """Let the email go out."""

    def replied(self, key: int, outcome: Outcome) -> None:
        """Ignore the outcome."""

    def tick(self) -> None:
        """Let the batch continue."""


NO_OBSERVER: Observer = _NoObserver()


def tell(observer: Observer, envelope: Envelope, outcome: Outcome) -> None:
    """Tell the observer an outcome; log an OSError of the observer."""
    try:
        observer.replied(envelope.key, outcome)
    except OSError:
        log.exception("The outcome of email %s could not be recorded: %s", envelope.key, outcome.decision)
