"""A folder that is open: which emails wait in it, their bytes, and what removes them. Everything goes by UID."""

import re
from collections.abc import Collection, Iterator
from typing import Any, Self

from notifier.imap.account import ImapReadOnly, ImapRefused
from notifier.imap.connection import Connection
from notifier.imap.names import as_set, folder_name

#: Keywords that mark an email of ours: stored and to be kept; stored and to be removed, if we were interrupted.
KEPT, REMOVED = "NotifierKept", "NotifierRemoved"

#: Emails whose UIDs are asked for at once: ten digits each, so the line stays below the limit of `wire`.
_WINDOW = 50_000
#: UIDs in one command; servers limit the length of a line.
_AT_ONCE = 500

#: The UID of an email whose content came: before it, or after it.
_UID = re.compile(rb"[( ]UID (\d{1,10})\b")
#: A content so short that a server may quote it instead of announcing its length; NIL if there is none.
_SHORT = re.compile(rb'BODY\[\](?:<0>)? (?:NIL|"([^"\\]*(?:\\.[^"\\]*)*)")')


class Folder:
    """The open folder of a connection. All methods raise ImapAway or ImapRefused."""

    def __init__(self, connection: Connection, name: str, uidvalidity: int, exists: int, flags: str) -> None:
        """Take a folder that is selected. `open` selects one."""
        self._connection = connection
        self.name = name
        #: UIDs are those of before only if this number is (RFC 3501, section 2.3.1.1).
        self.uidvalidity = uidvalidity
        self._exists = exists
        self._flags = flags.lower().split()

    @classmethod
    def open(cls, connection: Connection, name: str, *, writes: bool) -> Self:
        """Select a folder. `writes`: refuse one that is read-only; else it is examined then."""
        quoted = folder_name(name)
        try:
            try:
                connection.select(quoted, read_only=False)
            except ImapReadOnly:
                if writes:
                    raise
                connection.select(quoted, read_only=True)
        except ImapRefused as error:
            raise ImapRefused(f"the folder {name!r} cannot be opened: {error}") from error
        validity = connection.said("UIDVALIDITY")
        if validity is None or not validity.isdigit():
            raise ImapRefused(
                f"the server keeps no UIDs for {name!r} (UIDVALIDITY), so no email can be told from another"
            )
        exists = connection.said("EXISTS") or b"0"
        flags = (connection.said("PERMANENTFLAGS") or b"").decode("ascii", "replace").strip("()")
        return cls(connection, name, int(validity), int(exists) if exists.isdigit() else 0, flags)

    @property
    def keeps_keywords(self) -> bool:
        """Return whether the server stores new keywords."""
        return "\\*" in self._flags

    @property
    def deletes(self) -> bool:
        """Return whether this user may delete emails."""
        return "\\deleted" in self._flags

    def waiting(self, *, unmarked: bool) -> list[int]:
        """Return the UIDs of emails that no client has deleted, oldest first; `unmarked`: and that we did not keep."""
        criteria = ("UNDELETED", "UNKEYWORD", KEPT) if unmarked else ("UNDELETED",)
        found: list[int] = []
        for first in range(1, self._exists + 1, _WINDOW):
            last = str(first + _WINDOW - 1) if first + _WINDOW <= self._exists else "*"
            found.extend(self._search(f"{first}:{last}", *criteria))
        return found

    def fetch(self, uid: int, most: int) -> bytes | None:
        """Return the first `most` bytes of an email, which stays unread; None if it is gone.

        Dovecot says that an email which another client has removed is empty. So an empty one counts as gone, too.
        """
        parts = self._connection.uid("FETCH", str(uid), f"(UID BODY.PEEK[]<0.{most}>)")
        for part, after in zip(parts, [*parts[1:], b""], strict=True):
            content = _content(part, after, uid)
            if content is not None:
                return content[:most] or None
        return None

    def keep(self, uids: Collection[int]) -> None:
        """Mark emails, so that `waiting` leaves them out."""
        self._store(uids, KEPT)

    def delete(self, uids: Collection[int]) -> None:
        """Remove emails, and no others. Without UIDPLUS they are only flagged: EXPUNGE takes those of others, too."""
        self._store(uids, f"\\Deleted {REMOVED}" if self.keeps_keywords else "\\Deleted")
        if self.removes:
            for some in _parts(uids):
                self._connection.uid("EXPUNGE", as_set(some))

    def move(self, uids: Collection[int], to: str) -> None:
        """Move emails to another folder."""
        for some in _parts(uids):
            if self._connection.can("MOVE"):
                self._connection.uid("MOVE", as_set(some), folder_name(to))
            else:
                self._connection.uid("COPY", as_set(some), folder_name(to))
                self.delete(some)

    @property
    def removes(self) -> bool:
        """Return whether the server can remove emails by their UIDs (RFC 4315)."""
        return self._connection.can("UIDPLUS")

    def remove_leftovers(self) -> None:
        """Remove what we had flagged when we were interrupted."""
        if self.removes and self.keeps_keywords and self._exists:
            for some in _parts(self._search("1:*", "DELETED", "KEYWORD", REMOVED)):
                self._connection.uid("EXPUNGE", as_set(some))

    def require(self, folder: str) -> None:
        """Raise ImapRefused if there is no such folder."""
        try:
            self._connection.ask("STATUS", folder_name(folder), "(UIDNEXT)")
        except ImapRefused as error:
            raise ImapRefused(f"the folder {folder!r} cannot be used: {error}. Create it, or name another") from error

    def _store(self, uids: Collection[int], flags: str) -> None:
        for some in _parts(uids):
            self._connection.uid("STORE", as_set(some), "+FLAGS.SILENT", f"({flags})")

    def _search(self, *criteria: str) -> list[int]:
        lines = [line for line in self._connection.uid("SEARCH", *criteria) if isinstance(line, bytes)]
        return sorted({int(word) for line in lines for word in line.split() if word.isdigit() and len(word) <= 10})


def _parts(uids: Collection[int]) -> Iterator[list[int]]:
    every = list(uids)
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]


def _content(part: Any, after: Any, uid: int) -> bytes | None:
    """Return the content in a part of imaplib's answer; None if it is about another email, or has none.

    A content with a length is a tuple: what comes before it, and the content. What comes after it is the next part.
    """
    head, literal = part if isinstance(part, tuple) else (part, None)
    if not isinstance(head, bytes) or b"BODY[]" not in head:
        return None
    rest = after if literal is not None and isinstance(after, bytes) else b""
    named = _UID.search(head) or _UID.search(rest)
    if named is None or int(named[1]) != uid:
        return None
    if literal is not None:
        return bytes(literal)
    short = _SHORT.search(head)
    return re.sub(rb"\\(.)", rb"\1", short[1] or b"", flags=re.DOTALL) if short else None
