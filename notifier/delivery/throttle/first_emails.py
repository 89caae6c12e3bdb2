"""First emails at the moment of sending: while many bounce, those that were owed before go out slowly, too."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.accounts.limits import SLOWED_KEY, SignupLimits
from notifier.database.transaction import transaction
from notifier.reasons import ReasonCode

log = structlog.get_logger(__name__)

__all__ = ["SLOWED_KEY", "FirstEmails"]


class FirstEmails:
    """Owns its short transactions. It costs nothing until a first email bounces."""

    def __init__(self, session: Callable[[], Session], limits: SignupLimits) -> None:
        """`session` gives the current session."""
        self._session = session
        self._limits = limits

    def ready(self, pks: Sequence[int], now: datetime) -> Sequence[int]:
        """Return those of these rows that may go now; first emails that are slowed wait for their place in the line."""
        with transaction(self._session) as session:
            held = self._limits.hold_back(session, pks, now)
            for pk, due in held.items():
                ledger.defer(session, [pk], until=due, code=ReasonCode.first_emails_slowed)
        if held:
            log.info("first_emails.deferred", rows=len(held))
        return [pk for pk in pks if pk not in held]

    def bounced(self) -> None:
        """Look whether too many bounced by now. Call it after a first email that bounced was settled."""
        with transaction(self._session) as session:
            self._limits.tell_senders(session, clock.now())
