"""Slow first emails at the moment of sending: while many bounce, those queued before go out slowly, too."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.accounts.signup_limits import SLOWED_KEY, SignupLimits
from notifier.database.transaction import transaction
from notifier.reasons import ReasonCode

log = structlog.get_logger(__name__)

__all__ = ["SLOWED_KEY", "FirstEmails"]


class FirstEmails:
    """Slow first emails in short transactions of its own. It costs nothing until a first email bounces."""

    def __init__(self, session: Callable[[], Session], limits: SignupLimits) -> None:
        """Slow by `limits`. `session` returns the current session."""
        self._session = session
        self._limits = limits

    def ready(self, pks: Sequence[int], now: datetime) -> Sequence[int]:
        """Return the rows that may go now. Slowed first emails are deferred until their place in the queue comes."""
        with transaction(self._session) as session:
            held = self._limits.hold_back(session, pks, now)
            for pk, due in held.items():
                ledger.defer(session, [pk], until=due, code=ReasonCode.first_emails_slowed)
        if held:
            log.info("first_emails.deferred", rows=len(held))
        return [pk for pk in pks if pk not in held]

    def bounced(self) -> None:
        """Check whether too many first emails bounced. Call it after the settlement of one that bounced is stored."""
        with transaction(self._session) as session:
            self._limits.tell_senders(session, clock.now())
