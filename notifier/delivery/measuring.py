"""Count and measure one batch for monitoring, in the memory of the process."""

from datetime import datetime
from time import perf_counter

from notifier.ledger import Claimed
from notifier.mail.providers import domain_of
from notifier.metrics import Recorder, provider_label
from notifier.metrics.catalogue import CLAIMS, OWED_TO_ACCEPTED, RENDER_SECONDS, SMTP_REPLIES
from notifier.smtp.outcome import Decision, Outcome

#: The classes of emails, as the queues are named.
_CLASSES = {False: "transactional", True: "bulk"}

#: The class of an end without a reply.
_NO_REPLY = "none"


class Measures:
    """What a batch tells monitoring. Threads share an instance."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def claimed(self, asked: int, won: int) -> None:
        """Count keys that were to be claimed, and how many were."""
        if won:
            self._recorder.count(CLAIMS, "won", by=won)
        if asked > won:
            self._recorder.count(CLAIMS, "missed", by=asked - won)

    def composed(self, row: Claimed, started: float) -> None:
        """Measure an email that was composed since `started` (`perf_counter`)."""
        path = "template" if row.content_id is None else "content"
        self._recorder.observe(RENDER_SECONDS, perf_counter() - started, row.kind, path)

    def ended(self, row: Claimed, outcome: Outcome, transport: str, now: datetime) -> None:
        """Count the end of an attempt at a mail server; if it was accepted, measure how long the email was owed."""
        reply = _NO_REPLY if outcome.code is None else f"{outcome.code // 100}xx"
        provider = provider_label(domain_of(row.recipient))
        self._recorder.count(SMTP_REPLIES, transport, outcome.phase.value, reply, provider)
        if outcome.decision is Decision.ACCEPTED:
            owed = (now - (row.owed_at or row.created_at)).total_seconds()
            self._recorder.observe(OWED_TO_ACCEPTED, max(0.0, owed), _CLASSES[row.run_id is not None])
