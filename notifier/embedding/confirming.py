"""Confirm the address of a host's user, in a transaction of the host: its row and ours change together."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, scoped_session

from notifier import clock
from notifier.embedding.binding import Sessions
from notifier.embedding.errors import SetupError
from notifier.embedding.watching import Watcher
from notifier.entries import people
from notifier.models import User


class Confirming:
    """What happens when a person follows the link of our `verification` email."""

    def __init__(self, watcher: Watcher) -> None:
        """Create one. Set `sessions` and `context` when the host's are known."""
        self._watcher = watcher
        #: The functions that the host registered for it.
        self.hooks: list[Callable[[Any], object]] = []
        self.sessions: Sessions | None = None
        #: Pushes the host's application context.
        self.context: Callable[[], AbstractContextManager[Any]] | None = None

    def confirm(self, external_id: str, identity_key: str, nonce: str) -> bool:
        """Confirm the person with this external id, and commit.

        Return False if the host has no such user any more, or if their address (`identity_key`) or their links
        (`nonce`) have changed since the link was read. Confirmed already, also by another press of the same button:
        True, and no hook runs. Raise what a hook raises; then nothing is confirmed.
        """
        if self._watcher.user is None or self.context is None:
            raise SetupError("notifier has not been started: call init_app first")
        with self.context(), self._session() as session:
            connection = people.connection_of(session)
            people.begin_writing(connection)
            # The host's row first, as a flush of the host does: two transactions must not wait for each other.
            user = self._watcher.user.find(session, external_id, lock=True)
            if user is None:
                return False
            same = (User.external_id == external_id, User.identity_key == identity_key, User.link_nonce == nonce)
            confirmed = update(User).where(*same, User.verified_at.is_(None)).values(verified_at=clock.now())
            if connection.execute(confirmed).rowcount == 0:
                return bool(connection.scalar(select(func.count()).select_from(User).where(*same)))
            for hook in self.hooks:
                hook(user)
            session.commit()
            return True

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """Yield a session of the host, rolled back and given back at the end."""
        if isinstance(self.sessions, scoped_session):
            try:
                yield self.sessions()
            finally:
                self.sessions.remove()
            return
        assert self.sessions is not None, "set together with the context"
        with self.sessions() as session:
            yield session
