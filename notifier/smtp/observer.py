"""Who is told, email by email, what happens on the wire."""

import logging
from typing import Protocol

from notifier.smtp.envelope import Envelope
from notifier.smtp.outcome import Outcome

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Watches the emails of one `send` or `send_batch`. It is called in the thread that sends."""

    def begin(self, key: int) -> None:
        """Note that the first byte of this body goes out next. An OSError stops that email (RETRY)."""

    def replied(self, key: int, outcome: Outcome) -> None:
        """Note an outcome, as soon as it is known. An OSError is logged, and the outcome stands."""

    def tick(self) -> float | None:
        """Let time pass: called often during a batch, also while no server says anything.

        Returns None; or, to end the batch early, the moment (monotonic seconds) by which all must have ended.
        """


class _Nobody:
    """For emails that have no row in the ledger, and keep no record."""

    def begin(self, key: int) -> None:
        """Let it go out."""

    def replied(self, key: int, outcome: Outcome) -> None:
        """Forget it."""

    def tick(self) -> None:
        """Go on."""


NOBODY: Observer = _Nobody()


def tell(observer: Observer, envelope: Envelope, outcome: Outcome) -> None:
    """Tell the observer an outcome, whatever becomes of its note."""
    try:
        observer.replied(envelope.key, outcome)
    except OSError:
        log.exception("The outcome of mail %s could not be noted: %s", envelope.key, outcome.decision)
