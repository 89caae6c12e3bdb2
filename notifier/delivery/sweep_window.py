"""How far back a sweep looks, so that it does not walk over the index entries of emails that have gone since.

Every email leaves dead entries in the index of pending rows and in that of leases, below the moment when it was due.
While a transaction holds an old snapshot (a dump, a forgotten client), Postgres can remove none of them.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from notifier.observability import heartbeats

#: A complete sweep has handled everything that was due before it; this much is for transactions that were under way.
OVERLAP = timedelta(seconds=30)

#: Time after which a sweep looks at everything again: a row may come back with a moment that was long past.
WHOLE_EVERY = timedelta(minutes=5)

#: When the last complete sweep began, and the last one that looked at everything.
_COMPLETE, _WHOLE = "sweep_complete", "sweep_whole"


class SweepWindow:
    """The window of the sweeps of one process. What other processes completed counts too."""

    def __init__(self) -> None:
        """Start with a look at everything."""
        self._is_first = True

    def since(self, session: Session, now: datetime) -> datetime | None:
        """Return the moment after which rows may have fallen due; None: look at everything."""
        complete, whole = heartbeats.last(session, _COMPLETE), heartbeats.last(session, _WHOLE)
        if self._is_first or complete is None or whole is None:
            return None
        # A clock that was set back says nothing about what was looked at.
        return complete - OVERLAP if whole <= now < whole + WHOLE_EVERY and complete <= now else None

    def completed(self, session: Session, began: datetime, since: datetime | None) -> None:
        """Record that a sweep left nothing behind. The caller commits."""
        self._is_first = False
        heartbeats.beat(session, _COMPLETE, began)
        if since is None:
            heartbeats.beat(session, _WHOLE, began)

    def refused(self, session: Session) -> None:
        """Record that the broker refused rows, so that the next sweep of any process finds them. The caller commits."""
        heartbeats.forget(session, _COMPLETE)
