"""The journal: what this process sent, so that kill -9 leaves as few emails as possible uncertain.

Settling many emails at once is fast, but a process killed in between has sent emails that the ledger does not know
about. So each sending process appends two short records per email to a file of its own: before the body goes out, and
when the reply is read (`journal_records.py` has the format). There is no fsync: the kernel keeps what a killed process
wrote.
If the host itself crashed, everything that the file does not tell is uncertain. With JOURNAL_DURABLE the process waits
for the disk before each body, so the file is trusted after a crash, too. A lock on the file ends with its process; the
process that gets the lock may replay the file.
"""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from time import time

import structlog

from notifier import ledger
from notifier.delivery.attempt_facts import Facts
from notifier.delivery.recovery import composing_marks, journal_records
from notifier.delivery.recovery.composing_marks import Marks
from notifier.delivery.recovery.journal_records import Trace
from notifier.smtp.outcome import Outcome

log = structlog.get_logger(__name__)

SUFFIX = ".journal"
#: Suffix of journals set aside: their records came too late.
KEPT = ".kept"


class _File:
    """One journal file, locked for as long as it is open."""

    def __init__(self, folder: Path, host: str, *, durable: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.pid = os.getpid()
        while True:
            self.owner = ledger.owner_name(host, _boot(), self.pid)
            path = folder / (self.owner + SUFFIX)
            self.fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            if path.exists():
                break
            os.close(self.fd)  # in between, a replay took it for an orphan and removed it
        self.writers = 0
        self.failed = False
        #: Whether the last record was written only in part.
        self.torn = False
        #: The numbers of the F records that the file has.
        self.numbers: dict[tuple[str | None, str | None], int] = {}
        self.counter = count(1)
        self.marks = Marks(path)
        self._head = journal_records.DURABLE if durable else b""
        if durable:
            self.write(self._head, sync=True)
            _sync_folder(folder)

    def write(self, record: bytes, *, sync: bool = False) -> None:
        """Append one record. Raise OSError if it was not written completely. `sync`: wait for the disk."""
        if self.torn:
            record = journal_records.TORN + record
        self.torn = os.write(self.fd, record) != len(record)
        if self.torn:
            raise OSError(errno.ENOSPC, "the journal took a part of a record only")
        if sync:
            os.fdatasync(self.fd)

    def give_up(self) -> None:
        """Leave the file to a replay: the batch failed, but its process lives on."""
        self.failed = True
        with suppress(OSError):  # if it fails, its rows count as if the process had died
            self.write(journal_records.GAVE_UP)

    def empty(self) -> None:
        """Remove all records: all their emails are settled."""
        os.ftruncate(self.fd, len(self._head))
        self.numbers.clear()
        self.torn = False


class Page:
    """The records of one batch. Its methods raise OSError if the record cannot be written."""

    def __init__(self, file: _File, *, durable: bool) -> None:
        self._file = file
        self._durable = durable
        self._slot, self._mark = next(file.counter), file.marks.take()
        #: The name under which the batch claims rows, at most 64 characters.
        self.owner = file.owner

    def begin(self, pk: int, claim: int, facts: Facts) -> None:
        """Record that the body of this email goes out next. If this raises, it must not go out."""
        self._file.write(journal_records.begun(pk, claim, self._number(facts), facts), sync=self._durable)

    def replied(self, pk: int, claim: int, facts: Facts, outcome: Outcome) -> None:
        """Record how the attempt ended."""
        self._file.write(journal_records.replied(pk, claim, self._number(facts), facts, int(time()), outcome))

    def makes(self, pk: int) -> None:
        """Record the email that is being composed, in case the process dies of it. 0: none is."""
        self._file.marks.set(self._mark, pk)

    def loads(self, pks: Iterable[int]) -> None:
        """Record that data of these emails is being read; without keys, that it has been read. Never raise."""
        with suppress(OSError):  # then a death is not blamed on reading them
            self._file.write(journal_records.loading(self._slot, pks))

    def close(self) -> None:
        """Give back the mark when the batch is over."""
        self._file.marks.give_back(self._mark)

    def _number(self, facts: Facts) -> int:
        """Return the number of the facts that many emails share; the first email writes them down."""
        file, common = self._file, (facts.template_version, facts.transport)
        number = file.numbers.get(common)
        if number is None:
            # Two threads may write them down twice, under two numbers: both are right.
            number = next(file.counter)
            file.write(journal_records.shared(number, facts))
            file.numbers[common] = number
        return number


class Journal:
    """The journal of this process: opened when first needed, anew after a fork, shared by its threads."""

    def __init__(self, folder: Path, host: str = "here", *, durable: bool = False) -> None:
        """Write to `folder`, which must be writable and belong to this host alone.

        Args:
            host: The host's name, shown with its claims.
            durable: Wait for the disk before each body, so that the journal is trusted after a crash of the host.
        """
        self.folder = folder
        self._host = host
        self._durable = durable
        self._lock = threading.Lock()
        self._current: _File | None = None
        #: Whether this process gave up a journal that has not been replayed since, as far as it knows.
        self.left_behind = False

    @contextmanager
    def writing(self) -> Iterator[Page]:
        """Keep records for the time of a batch.

        If the batch fails, its records are kept: the file is given up, unlocked, for a replay.
        """
        file = self._join()
        page = Page(file, durable=self._durable)
        try:
            yield page
        except BaseException:
            file.give_up()
            raise
        finally:
            page.close()
            self._leave(file)

    def _join(self) -> _File:
        with self._lock:
            file = self._current
            if file is None or file.pid != os.getpid() or file.failed:
                file = self._current = _File(self.folder, self._host, durable=self._durable)
            file.writers += 1
            return file

    def _leave(self, file: _File) -> None:
        with self._lock:
            file.writers -= 1
            if file.writers:
                return
            if file.failed:
                os.close(file.fd)
                self.left_behind = True
            else:
                file.empty()


@contextmanager
def orphans(folder: Path) -> Iterator[list[tuple[Path, str]]]:
    """Yield (path, owner) of the journals in `folder` whose process is gone, locked against other replays."""
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
    """Return a file descriptor that holds the lock; None if another process has it, or if it is no readable journal."""
    fd = None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a file")
    except OSError as error:
        if fd is not None:
            os.close(fd)
        # A living process has it, or another replay has removed it. Any other error must not hold up other journals.
        if not isinstance(error, BlockingIOError | FileNotFoundError):
            log.error("journal.unreadable", journal=path.name, error=error.strerror)
        return None
    return fd


def is_of_this_boot(owner: str) -> bool:
    """Return whether the host has not been restarted since.

    If it was, the last records may never have reached the disk.
    """
    return ledger.boot_of(owner) == _boot()


def mark_used(path: Path) -> None:
    """Record in a journal that a replay has settled rows by it. Raise OSError."""
    _append(path, journal_records.USED)


def retire(path: Path, *, keep: bool) -> None:
    """Remove a journal that has nothing more to tell, or set it aside for people (`keep`). Raise OSError."""
    composing_marks.remove(path)
    if keep:
        path.rename(path.with_suffix(KEPT))
    else:
        path.unlink()


def _append(path: Path, record: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(fd, record)
    finally:
        os.close(fd)


def _sync_folder(folder: Path) -> None:
    """Sync the folder, so that the name of a new file survives a crash of the host."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@cache
def _boot() -> str:
    """Return a name for the time since the host's start (proc(5)). Outside Linux it never changes."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return "0"


def read(path: Path) -> Trace:
    """Read what the journal tells. Raise OSError."""
    trace = journal_records.parse(path.read_bytes())
    trace.making = composing_marks.read(path)
    return trace
