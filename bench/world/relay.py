"""The mail server of the world: it accepts, or refuses in the dialogue, and reports later into a Maildir."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from bench.world.people import Fate, scope_of
from notifier.testing.returned import bounce, complaint, put
from notifier.testing.smtp_script import Session
from notifier.testing.smtp_server import Accepted, SmtpServer

UNKNOWN = "550 5.1.1 The email account that you tried to reach does not exist"
FULL = "552 5.2.2 The email account that you tried to reach is over quota"
FULL_NOW = "452 4.2.2 The email account that you tried to reach is over quota"
REFUSED = "550 5.7.515 Access denied, sending domain does not meet the required authentication level"


class Relay:
    """A server on loopback, and a thread that lets emails come back. A context manager."""

    def __init__(self, maildir: Path, fates: Mapping[str, Fate], *, direct: bool, delay: float = 1.0) -> None:
        """Create it.

        Args:
            maildir: Where emails come back.
            fates: By address; all others are fine.
            direct: Refuse in the dialogue; else accept, and report later.
            delay: Seconds until a report comes.
        """
        self._maildir, self._fates, self._delay = maildir, fates, delay
        self._full: set[str] = set()
        self._stop = threading.Event()
        #: Domains whose provider refuses us, as reports say later.
        self.refuses: frozenset[str] = frozenset()
        #: Addresses whose report has come back, by what it says.
        self.reported: dict[str, set[str]] = {"hard": set(), "soft": set(), "spam": set(), "refused": set()}
        for part in ("new", "cur", "tmp"):
            (maildir / part).mkdir(parents=True)
        self.server = SmtpServer({"rcpt": self._answer} if direct else {})
        self._direct = direct
        self._thread = threading.Thread(target=self._report, name="relay", daemon=True)

    def __enter__(self) -> Self:
        self.server.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.server.stop()

    def accepted(self) -> list[str]:
        """Return the recipients of all accepted emails, in order."""
        return [each.rcpt_to[0] for each in list(self.server.accepted)]

    def by_scope(self) -> Counter[str]:
        """Return the numbers of accepted emails by provider, or domain."""
        return Counter(map(scope_of, self.accepted()))

    def is_quiet(self) -> bool:
        """Return whether everything that comes back has been read."""
        last = self.server.accepted[-1].time if self.server.accepted else 0.0
        return time.time() > last + self._delay + 1 and not any((self._maildir / "new").iterdir())

    def _answer(self, session: Session) -> str | None:
        fate = self._fates.get(session.recipient)
        if fate is Fate.hard:
            self.reported["hard"].add(session.recipient)
            return UNKNOWN
        if fate is Fate.soft and session.recipient not in self._full:
            self._full.add(session.recipient)
            return FULL_NOW
        return None

    def _report(self) -> None:
        number = 0
        while not self._stop.wait(0.1):
            while number < len(self.server.accepted):
                email = self.server.accepted[number]
                if email.time + self._delay > time.time():
                    break
                self._come_back(email)
                number += 1

    def _come_back(self, email: Accepted) -> None:
        (address,) = email.rcpt_to
        fate = self._fates.get(address, Fate.fine)
        if address.rpartition("@")[2] in self.refuses:
            self._put("refused", address, bounce(email, REFUSED))
        elif fate is Fate.spam:
            self._put("spam", address, complaint(email))
        elif fate is Fate.hard and not self._direct:
            self._put("hard", address, bounce(email, UNKNOWN))
        elif fate is Fate.soft and not self._direct and address not in self._full:
            self._full.add(address)
            self._put("soft", address, bounce(email, FULL))

    def _put(self, what: str, address: str, report: bytes) -> None:
        self.reported[what].add(address)
        put(self._maildir, report)
