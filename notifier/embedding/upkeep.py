"""Keeping the mirror of the host's users right: what no hook sees, and people who are erased."""

from sqlalchemy.orm import Session

from notifier.accounts.erasure import erase
from notifier.embedding import binding
from notifier.embedding.checking import Checker, Progress
from notifier.embedding.differences import UserCheck
from notifier.embedding.errors import SetupError
from notifier.embedding.starting import Starting
from notifier.entries import people
from notifier.models import User
from notifier.operators.audit_log import HOST


class Upkeep(Starting):
    """The part of `Notifier` for that."""

    def touch(self, user: object, *, session: Session | None = None) -> None:
        """Mirror this user, or the one with this id, as the database has them: for after a bulk statement or raw SQL.

        The caller commits. A user who is gone is detached, as by a DELETE. Raise UnknownUser if the user has no id yet,
        NoSession, or DuringFlush.
        """
        current = self._addressing.session(user, session)
        self._addressing.external_id(user)
        self._watcher.touch(current, user)

    def check_users(
        self, *, examples: int = 20, addresses: bool = False, on_progress: Progress | None = None
    ) -> UserCheck:
        """Compare all users of the host with their mirror, and change nothing.

        It reads pages in sessions of its own, so commit first: it sees only what is committed, and ends an open
        transaction that these sessions share, as with SQLite in memory.

        Args:
            examples: How many people of each difference the answer names.
            addresses: Name their addresses as well as their ids.
            on_progress: Called after each page with the users that were read, and how many there are.
        """
        return self._checker(examples, addresses, on_progress).check()

    def sync_users(
        self,
        *,
        examples: int = 20,
        addresses: bool = False,
        allow_many: bool = False,
        on_progress: Progress | None = None,
    ) -> UserCheck:
        """Compare as `check_users`, and mend what differs in short transactions of its own, which it commits.

        People whom the host no longer has are detached, erased people are left as they are. It may run beside the
        application and be interrupted: another call finds the rest.

        Raise ManyGone, before anyone is detached, if more than a tenth of the users seem to be gone (and more than
        ten), unless `allow_many`.
        """
        return self._checker(examples, addresses, on_progress).sync(allow_many=allow_many)

    def _checker(self, examples: int, addresses: bool, on_progress: Progress | None) -> Checker:
        user, sessions = self._watcher.user, self._addressing.sessions
        if user is None or sessions is None:
            raise SetupError("notifier does not know the sessions of the application: call init_app or watch first")
        found = UserCheck(examples, addresses)
        return Checker(
            self._watcher, user, binding.maker_of(sessions), found, on_progress or (lambda _done, _all: None)
        )

    def erase(self, user: object, *, session: Session | None = None) -> None:
        """Erase this user, or the one with this id: everything about them but their id, and an entry in the audit log.

        From then on no change of theirs is mirrored, and `send` and `record` raise Erased. It ends when the host
        deletes the user. Another call changes nothing. The caller commits.

        Raise UnknownUser, NoSession, DuringFlush, or SetupError without `secret_keys`. Raise ErasureError while an
        email to them is being sent: roll back and try again.
        """
        if not self.secret_keys:
            raise SetupError("erasing needs the SECRET_KEYS of notifier: set notifier.secret_keys")
        current = self._addressing.session(user, session)
        person = self._addressing.known(current, user)
        with people.session_beside(current) as ours:
            row = ours.get(User, person.id)
            if row is not None and row.erased_at is None:
                erase(ours, row, keys=list(self.secret_keys), by=HOST)
                ours.flush()
