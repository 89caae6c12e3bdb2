"""Marks: which email each batch of this process is making right now, so that a death tells what it died of.

A small file beside the journal, shared with the kernel: to set a mark costs no system call, and the kernel keeps it
when the process is killed.
"""

import mmap
import os
import struct
from pathlib import Path

SUFFIX = ".making"

#: Batches of one process that can be told apart; further ones have no mark.
_SLOTS = mmap.PAGESIZE // 8
_KEY = struct.Struct("q")


class Marks:
    """The marks of one process. Not for two threads at once, but for `set` of different slots."""

    def __init__(self, journal: Path) -> None:
        """Make the file beside the journal. Raises OSError."""
        fd = os.open(journal.with_suffix(SUFFIX), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, mmap.PAGESIZE)
            self._memory = mmap.mmap(fd, mmap.PAGESIZE)
        finally:
            os.close(fd)
        self._free = list(range(_SLOTS))

    def take(self) -> int | None:
        """Return a slot for a batch, None if there is none."""
        return self._free.pop() if self._free else None

    def give_back(self, slot: int | None) -> None:
        """The batch is over."""
        if slot is not None:
            self.set(slot, 0)
            self._free.append(slot)

    def set(self, slot: int | None, pk: int) -> None:
        """Note that the row `pk` is being made; 0: none is."""
        if slot is not None:
            _KEY.pack_into(self._memory, slot * 8, pk)


def read(journal: Path) -> set[int]:
    """Return the keys that the process of this journal was making when it ended. Raises OSError."""
    try:
        data = journal.with_suffix(SUFFIX).read_bytes()
    except FileNotFoundError:
        return set()
    return {pk for (pk,) in _KEY.iter_unpack(data[: len(data) // 8 * 8])} - {0}


def remove(journal: Path) -> None:
    """Remove the marks of a journal that goes. Raises OSError."""
    journal.with_suffix(SUFFIX).unlink(missing_ok=True)
