"""The journal: what this process put on the wire, so that a kill -9 says so little that is uncertain.

Settling many mails at once is fast, but a process that is killed in between has sent mails of which the
ledger knows nothing. So each sending process appends two short records for each mail to a file of its own:
before the body goes out, and when the reply is read. No fsync: the kernel keeps what a killed process
wrote; where the host itself went down, all that is not known is in doubt. A lock on the file ends with its process;
whoever gets the lock may replay the file.
"""

import errno
import fcntl
import os
import secrets
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import structlog

from notifier.delivery.smtp.outcome import Decision, Outcome, Phase, Scope

log = structlog.get_logger(__name__)

SUFFIX = ".journal"

#: Ends a record that was written in part only, as on a full disk: it tells nothing, and its writer was told so. No
#: record has this character.
_TORN = b"\x18\n"


@dataclass(slots=True)
class Trace:
    """What a journal tells of its process."""

    #: Mails whose body may have been on the wire.
    begun: set[int] = field(default_factory=set)
    #: Mails whose end is known.
    replied: dict[int, Outcome] = field(default_factory=dict)
    #: Records that nobody can read: of any mail that is not in `replied` the body may have been on the wire.
    damaged: int = 0


class _File:
    """One journal file, locked for as long as it is open."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.pid = os.getpid()
        while True:
            self.owner = f"{socket.gethostname()[:24]}-{_boot()}-{self.pid}-{secrets.token_hex(6)}"
            path = folder / (self.owner + SUFFIX)
            self.fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            if path.exists():
                break
            os.close(self.fd)  # between the two calls somebody took it for an orphan and removed it
        self.writers = 0
        self.failed = False
        #: The last record is there in part only.
        self.torn = False


class Journal:
    """The journal of this process: opened when first needed, anew after a fork, shared by its threads."""

    def __init__(self, folder: Path) -> None:
        """`folder` must be writable and belong to this host alone."""
        self.folder = folder
        self._lock = threading.Lock()
        self._current: _File | None = None
        self._mine = threading.local()

    @contextmanager
    def writing(self) -> Iterator[str]:
        """Records stay while a batch is under way; gives the owner's name for its claims (64 characters at most).

        Where the batch fails, its records are kept: the file is given up, unlocked, for a replay.
        """
        file = self._mine.file = self._join()
        try:
            yield file.owner
        except BaseException:
            file.failed = True
            raise
        finally:
            self._mine.file = None
            self._leave(file)

    def begin(self, pk: int) -> None:
        """The body of this mail goes out next. Raises OSError: then it must not go out."""
        self._write(b"B %d\n" % pk)

    def replied(self, pk: int, outcome: Outcome) -> None:
        """The end of this mail is known."""
        self._write(b"R %d %b" % (pk, _told(outcome)))

    def _write(self, line: bytes) -> None:
        file: _File | None = getattr(self._mine, "file", None)
        if file is None:  # mail that has no row in the ledger needs no record
            return
        record = _TORN + line if file.torn else line
        file.torn = os.write(file.fd, record) != len(record)
        if file.torn:
            raise OSError(errno.ENOSPC, "the journal took a part of a record only")

    def _join(self) -> _File:
        with self._lock:
            file = self._current
            if file is None or file.pid != os.getpid() or file.failed:
                file = self._current = _File(self.folder)
            file.writers += 1
            return file

    def _leave(self, file: _File) -> None:
        with self._lock:
            file.writers -= 1
            if file.writers:
                return
            if file.failed:
                os.close(file.fd)
            else:
                os.ftruncate(file.fd, 0)


@lru_cache(maxsize=256)
def _told(outcome: Outcome) -> bytes:
    """What a record says of an outcome; most mails of a batch have the same."""
    parts = (outcome.decision, outcome.phase, outcome.scope, outcome.code or 0, outcome.enhanced or "-")
    text = outcome.text.replace("\n", " ")
    return f"{' '.join(map(str, parts))} {text}\n".encode("utf-8", "replace")


@contextmanager
def orphans(folder: Path) -> Iterator[list[tuple[Path, str]]]:
    """(path, owner) of the journals in `folder` whose process is gone, locked against other readers."""
    held: list[int] = []
    found: list[tuple[Path, str]] = []
    try:
        for path in sorted(folder.glob("*" + SUFFIX)):
            fd = _locked(path)
            if fd is not None:
                held.append(fd)
                if path.exists():
                    found.append((path, path.name.removesuffix(SUFFIX)))
        yield found
    finally:
        for fd in held:
            os.close(fd)


def _locked(path: Path) -> int | None:
    """An open file whose lock is ours; None where it is somebody's, gone, or no journal that we can read."""
    fd = None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a file")
    except OSError as error:
        if fd is not None:
            os.close(fd)
        # A living process's, or somebody else has replayed it just now; all else must not keep the others waiting.
        if not isinstance(error, BlockingIOError | FileNotFoundError):
            log.error("journal.unreadable", journal=path.name, error=error.strerror)
        return None
    return fd


def is_of_this_boot(owner: str) -> bool:
    """Whether the host has been up ever since. If not, the last records may never have reached the disk."""
    return owner.rsplit("-", 3)[1:2] == [_boot()]


@cache
def _boot() -> str:
    """Names the time since the host was started (proc(5)); elsewhere than on Linux it never changes."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return "0"


def read(path: Path) -> Trace:
    """What the journal tells. A record that was cut off tells nothing."""
    trace = Trace()
    text = path.read_bytes().decode("utf-8", "replace")
    for line in text[: text.rfind("\n") + 1].split("\n")[:-1]:
        if not line.endswith(_TORN.decode()[0]):
            try:
                _add(trace, line.split(" ", 7))
            except (ValueError, IndexError):
                trace.damaged += 1
    if "\0" in text[text.rfind("\n") + 1 :]:
        trace.damaged += 1  # a crashed host leaves such a tail
    return trace


def _add(trace: Trace, parts: list[str]) -> None:
    """Raises ValueError or IndexError where this is no record."""
    pk = int(parts[1])
    if parts[0] == "B" and len(parts) == 2:
        trace.begun.add(pk)
        trace.replied.pop(pk, None)
        return
    if parts[0] != "R":
        raise ValueError(parts[0])
    decision, phase, scope, code, enhanced, said = parts[2:]
    known = None if enhanced == "-" else enhanced
    trace.replied[pk] = Outcome(Decision(decision), Phase(phase), Scope(scope), int(code) or None, known, said)
