"""Two histories of one run: the record of the mail server, and the ledger. Plain values."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """A notification as the ledger has it at the end."""

    pk: int
    recipient: str
    status: str
    attempts: int = 1
    unknowns: int = 0
    message_id: str | None = None
    on_unknown: str = "resend"
    #: True if its lease has expired and it is still in `sending`.
    overdue: bool = False


@dataclass(slots=True)
class Mail:
    """A body that came in. Times in seconds of the monotonic clock; None: it did not happen."""

    session: int
    recipient: str
    begun: float
    accepted: float | None = None
    replied: float | None = None
    message_id: str = "-"


@dataclass(slots=True)
class Session:
    """A connection as the mail server saw it."""

    opened: float
    ended: float | None = None
    #: True if it ended without QUIT.
    cut: bool = False
    #: True if the other side also died with unread replies in its socket.
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill -9. Times in seconds of the monotonic clock."""

    #: Right before the signal, and when the process no longer ran.
    before: float
    killed: float
    #: Rows that its journal leaves uncertain: begun, without a recorded reply.
    in_doubt: frozenset[int] = frozenset()
    #: "child", or "all": the parent with its children.
    whom: str = "child"
    #: How many sending processes it killed.
    processes: int = 1


@dataclass
class Seen:
    """The record of the mail server, which grows line by line (bench/faults/sink.py has the format)."""

    mails: dict[int, Mail] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    #: Recipient -> how often it was refused.
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    #: Emails being sent, at each request for a count.
    counts: list[int] = field(default_factory=list)
    accepted: int = 0

    def add(self, lines: Iterable[str]) -> None:
        """Add these events."""
        for line in lines:
            kind, *rest = line.split()
            getattr(self, f"_on_{kind}")(*rest)

    def copies(self) -> dict[str, list[Mail]]:
        """Return recipient -> accepted emails."""
        found: dict[str, list[Mail]] = defaultdict(list)
        for mail in self.mails.values():
            if mail.accepted is not None:
                found[mail.recipient].append(mail)
        return found

    def _on_S(self, session: str, at: str) -> None:
        self.sessions[int(session)] = Session(float(at))

    def _on_B(self, mail: str, session: str, recipient: str, at: str) -> None:
        self.mails[int(mail)] = Mail(int(session), recipient, float(at))

    def _on_A(self, mail: str, session: str, message_id: str, recipient: str, at: str) -> None:
        self.mails[int(mail)].accepted = float(at)
        self.mails[int(mail)].message_id = message_id
        self.accepted += 1

    def _on_R(self, mail: str, at: str) -> None:
        self.mails[int(mail)].replied = float(at)

    def _on_X(self, session: str, recipient: str, code: str, at: str) -> None:
        self.refused[recipient] += 1

    def _on_E(self, session: str, how: str, at: str) -> None:
        self.sessions[int(session)].ended = float(at)
        self.sessions[int(session)].cut = how != "quit"
        self.sessions[int(session)].reset = how == "reset"

    def _on_K(self, count: str, at: str) -> None:
        self.counts.append(int(count))


class Log:
    """A sink's log, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._seen = Seen()

    def look(self) -> Seen:
        """Return all events so far; an incomplete last line is left for later."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._read += end
        self._seen.add(data[:end].decode().splitlines())
        return self._seen
