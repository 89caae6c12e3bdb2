"""The emails of the inbox, in memory, newest first, capped by number and by bytes."""

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from notifier.dev.inbox.email_parsing import Reading

MAX_MAILS = 5_000
MAX_BYTES = 128 * 1024 * 1024


def clean(text: str) -> str:
    """Replace the lone surrogates that aiosmtpd makes of undecodable bytes: JSON and HTML cannot hold them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True)
class Notice:
    """What happened to an email since it came."""

    title: str
    text: str
    is_good: bool
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Mail:
    """One accepted email: the envelope as given, the bytes as received."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    helo: str = ""
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: What the page says about it, newest last.
    notices: "deque[Notice]" = field(default_factory=lambda: deque(maxlen=5), compare=False, repr=False)

    @cached_property
    def reading(self) -> Reading:
        """Return the parsed email. It is parsed when a page needs it, because accepting must stay fast."""
        return Reading(self.data)

    @cached_property
    def _haystacks(self) -> dict[str, str]:
        reading = self.reading
        return {
            "from": "\n".join([self.sender, reading.header("From")]).casefold(),
            "to": "\n".join([*self.recipients, reading.header("To"), reading.header("Cc")]).casefold(),
            "containing": "\n".join([
                *(f"{name}: {value}" for name, value in reading.headers), *self.recipients,
                reading.text, reading.html, self.data.decode("utf-8", "replace"),
            ]).casefold(),
        }  # fmt: skip

    def matches(self, kind: str, query: str) -> bool:
        """Return True if MailHog's search finds the email. `kind` is from, to or containing; case does not matter."""
        return query.casefold() in self._haystacks[kind]


class Inbox:
    """The emails. Safe to use from several threads."""

    def __init__(self, max_mails: int = MAX_MAILS, max_bytes: int = MAX_BYTES) -> None:
        self._mails: dict[str, Mail] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self._max_mails = max_mails
        self._max_bytes = max_bytes
        #: Changes with every change of the inbox, so that a page can cheaply check for new emails.
        self.version = 0

    def __len__(self) -> int:
        return len(self._mails)

    def add(self, mail: Mail) -> None:
        """Add an email. If there are too many, drop the oldest; the newest always stays."""
        with self._lock:
            self._mails[mail.id] = mail
            self._bytes += len(mail.data)
            while self._is_too_full():
                self._drop(next(iter(self._mails)))
            self.version += 1

    def get(self, mail_id: str) -> Mail | None:
        """Return the email with that id, or None."""
        return self._mails.get(mail_id)

    def newest_first(self) -> list[Mail]:
        """Return all emails, newest first."""
        with self._lock:
            return list(reversed(self._mails.values()))

    def search(self, kind: str, query: str) -> list[Mail]:
        """Return matching emails, newest first; all of them for an empty query."""
        mails = self.newest_first()
        return [mail for mail in mails if mail.matches(kind, query)] if query else mails

    def neighbours(self, mail_id: str) -> tuple[Mail | None, Mail | None]:
        """Return the next newer and the next older email."""
        mails = self.newest_first()
        index = next(_positions(mails, lambda mail: mail.id == mail_id), None)
        if index is None:
            return None, None
        newer = mails[index - 1] if index > 0 else None
        older = mails[index + 1] if index + 1 < len(mails) else None
        return newer, older

    def delete(self, mail_id: str) -> bool:
        """Remove one email. Return False if there is none with that id."""
        with self._lock:
            if mail_id not in self._mails:
                return False
            self._drop(mail_id)
            self.version += 1
            return True

    def clear(self) -> None:
        """Remove all emails."""
        with self._lock:
            self._mails.clear()
            self._bytes = 0
            self.version += 1

    def _is_too_full(self) -> bool:
        too_many = len(self._mails) > self._max_mails
        return too_many or (self._bytes > self._max_bytes and len(self._mails) > 1)

    def _drop(self, mail_id: str) -> None:
        self._bytes -= len(self._mails.pop(mail_id).data)


def _positions(mails: list[Mail], wanted: Callable[[Mail], bool]) -> Iterator[int]:
    return (index for index, mail in enumerate(mails) if wanted(mail))
