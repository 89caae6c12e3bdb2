"""The owner of connections, as the event loop sees it."""

from typing import Protocol

from notifier.smtp.connection_count import ConnectionCount
from notifier.smtp.session import Session
from notifier.smtp.wire import Wire


class Lender(Protocol):
    """The owner of the connections."""

    count: ConnectionCount

    def take(self) -> Wire | None:
        """Return an idle connection with a session, or None."""

    def new_wire(self) -> Wire:
        """Return a connection that is not open yet."""

    def keep(self, wire: Wire) -> bool:
        """Take back a connection. Return False if it is not kept: then the caller sends QUIT."""

    def is_spent(self, session: Session) -> bool:
        """Return whether the session has carried its maximum of emails."""
