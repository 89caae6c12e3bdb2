"""Marks: which email each batch of this process is composing, so that a crash shows what caused it.

A small file next to the journal, mapped into memory: setting a mark costs no system call, and the kernel keeps it when
the process is killed.
"""

import mmap
import os
import struct
from pathlib import Path

SUFFIX = ".making"

#: Batches of one process that have a mark; further ones have none.
_SLOTS = mmap.PAGESIZE // 8
_KEY = struct.Struct("q")


class Marks:
    """The marks of one process. Not thread-safe, except `set` for different slots."""

    def __init__(self, journal: Path) -> None:
        """Create the file next to the journal. Raise OSError."""
        fd = os.open(journal.with_suffix(SUFFIX), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, mmap.PAGESIZE)
            self._memory = mmap.mmap(fd, mmap.PAGESIZE)
        finally:
            os.close(fd)
        self._free = list(range(_SLOTS))

    def take(self) -> int | None:
        """Return a slot for a batch; None if all are taken."""
        return self._free.pop() if self._free else None

    def give_back(self, slot: int | None) -> None:
        """Clear and free the slot of a batch that is over."""
        if slot is not None:
            self.set(slot, 0)
            self._free.append(slot)

    def set(self, slot: int | None, pk: int) -> None:
        """Mark the row `pk` as being composed; 0: none is."""
        if slot is not None:
            _KEY.pack_into(self._memory, slot * 8, pk)


def read(journal: Path) -> set[int]:
    """Return the keys of rows that the journal's process was composing when it ended. Raise OSError."""
    try:
        data = journal.with_suffix(SUFFIX).read_bytes()
    except FileNotFoundError:
        return set()
    return {pk for (pk,) in _KEY.iter_unpack(data[: len(data) // 8 * 8])} - {0}


def remove(journal: Path) -> None:
    """Remove the marks of a journal. Raise OSError."""
    journal.with_suffix(SUFFIX).unlink(missing_ok=True)
