"""Emails that came back to a mailbox on an IMAP server. Each is removed after the commit of its event, never before.

An email is known by its UID and the UIDVALIDITY of its folder. If the second one changes, all UIDs mean other emails:
what was to be removed is forgotten, and all emails are read again. That changes nothing, because an event has the
digest of its email as its id.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import structlog

from notifier.bounces.files import MAX_READ, Found
from notifier.imap.account import Account, ImapAway, ImapRefused
from notifier.imap.connection import Connection
from notifier.imap.folder import Folder

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: Seconds before each try to connect again. Any answer to what was asked begins anew.
WAITS = (1.0, 5.0, 20.0)


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave emails where they are, marked by a keyword if the server stores keywords."""


@dataclass(frozen=True, slots=True)
class Move:
    """Move emails to another folder."""

    to: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete emails."""


After = Keep | Move | Delete


class ImapMailbox:
    """A mailbox to read once: `emails`, `done` for each that is stored, then `finish`. A context manager."""

    def __init__(
        self, account: Account, folder: str, after: After, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """Prepare it. `after`: what becomes of an email that is stored. Nothing is connected yet."""
        self._account = account
        self._name = folder
        self._after = after
        self._sleep = sleep
        self._connection: Connection | None = None
        self._folder: Folder | None = None
        self._validity = 0
        #: UIDs that wait, the next one last; None: they are not listed yet.
        self._waiting: list[int] | None = None
        #: UIDs of emails that are stored and still there.
        self._stored: list[int] = []
        #: The UID at which the connection ended.
        self._suspect = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    def emails(self) -> Iterator[Found]:
        """Yield the emails, oldest first, each with at most MAX_READ bytes.

        An email that the server cannot give has an error; it stays, and the others follow. Raise ImapAway if the server
        stays away, and ImapRefused.
        """
        while (found := self._insist(self._next)) is not None:
            yield found

    def done(self, name: str) -> None:
        """Note that the event of this email is committed. It is removed before the next one is fetched."""
        _, validity, uid = name.rsplit(" ", 2)
        if int(validity) == self._validity:
            self._stored.append(int(uid))

    def finish(self) -> None:
        """Remove what is stored, and leave the server. Raise ImapAway or ImapRefused; what is left is read again."""
        if self._stored:
            self._insist(self._remove)
        if self._connection is not None:
            self._connection.log_out()
        self._drop()

    def _insist(self, act: Callable[[Folder], T]) -> T:
        """Do this with the open folder. Connect again if the connection is lost, a bounded number of times."""
        for wait in WAITS:
            try:
                return self._attempt(act)
            except ImapAway as error:
                self._drop()
                log.warning("imap.connecting_again", error=str(error), again_in=wait)
                self._sleep(wait)
        try:
            return self._attempt(act)
        except ImapAway:
            self._drop()
            raise

    def _attempt(self, act: Callable[[Folder], T]) -> T:
        """Do this on the connection that is open. If the server refuses it there, ask once more on a new one.

        What is refused may be the folder of before: "Mailbox was deleted under us". A new one may have its name.
        """
        if self._folder is not None:
            try:
                return act(self._folder)
            except ImapRefused as error:
                self._drop()
                log.warning("imap.asking_again", error=str(error))
        return act(self._opened())

    def _opened(self) -> Folder:
        if self._folder is None:
            self._connection = Connection.open(self._account)
            folder = Folder.open(self._connection, self._name, writes=not isinstance(self._after, Keep))
            self._prepare(folder)
            self._folder = folder
        return self._folder

    def _prepare(self, folder: Folder) -> None:
        if isinstance(self._after, Move):
            folder.require(self._after.to)
        if isinstance(self._after, Delete):
            if not folder.deletes:
                raise ImapRefused(f"the folder {self._name!r} lets this user delete nothing: use --keep or --move-to")
            folder.remove_leftovers()
        if folder.uidvalidity != self._validity:
            self._validity, self._waiting, self._suspect = folder.uidvalidity, None, 0
            self._stored.clear()

    def _next(self, folder: Folder) -> Found | None:
        self._remove(folder)
        if self._waiting is None:
            # Each UID is taken from the end.
            self._waiting = folder.waiting(unmarked=isinstance(self._after, Keep) and folder.keeps_keywords)[::-1]
        while self._waiting:
            found = self._fetched(folder, self._waiting[-1])
            self._waiting.pop()
            if found is not None:
                return found
        return None

    def _fetched(self, folder: Folder, uid: int) -> Found | None:
        """Return an email; None if another client has removed it. Raise ImapAway if the server fails at it once."""
        name = f"{self._name} {folder.uidvalidity} {uid}"
        try:
            data = folder.fetch(uid, MAX_READ)
        except (ImapRefused, ImapAway) as error:
            # Some servers end the connection at an email that they cannot read: it must not block the others.
            if self._suspect != uid:
                self._suspect = uid
                raise ImapAway(str(error)) from error
            self._drop()
            return Found(name, error=str(error))
        return None if data is None else Found(name, data)

    def _remove(self, folder: Folder) -> None:
        """Remove what is stored. The folder has the UIDVALIDITY of these UIDs: another one has emptied the list."""
        if not self._stored:
            return
        match self._after:
            case Delete():
                folder.delete(self._stored)
            case Move(to=to):
                folder.move(self._stored, to)
            case Keep():
                if folder.keeps_keywords:
                    folder.keep(self._stored)
        self._stored.clear()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._folder = None
