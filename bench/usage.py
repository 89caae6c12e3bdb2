"""CPU seconds and memory of processes and their descendants, from /proc (Linux)."""

import os
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

#: Seconds between two measurements of memory.
EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu`: user and system seconds since each process started, ended children included; `rss`: bytes now."""

    cpu: float
    rss: int


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    ticks: int
    pages: int


def usage_of(roots: Collection[int]) -> Usage:
    """Return the sum over `roots` and their descendants. Shared memory counts for each process."""
    table = dict(_table())
    found = [table[pid] for pid in _family(table, roots) if pid in table]
    return Usage(sum(p.ticks for p in found) / _TICKS, sum(p.pages for p in found) * _PAGE)


def _family(table: dict[int, _Process], roots: Collection[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, process in table.items():
        children.setdefault(process.parent, []).append(pid)
    family: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in family:
            family.add(pid)
            waiting += children.get(pid, [])
    return family


def _table() -> Iterable[tuple[int, _Process]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                yield int(entry.name), parse_stat((entry / "stat").read_text())
            except (OSError, ValueError):
                continue  # It ended meanwhile.


def parse_stat(text: str) -> _Process:
    """Parse /proc/PID/stat (proc(5)). The name may hold blanks and brackets, so count from its end."""
    fields = text[text.rindex(")") + 2 :].split()
    return _Process(parent=int(fields[1]), ticks=sum(map(int, fields[11:15])), pages=int(fields[21]))


class PeakMemory:
    """A thread that watches the memory of some processes and their descendants."""

    def __init__(self, roots: Collection[int]) -> None:
        self._roots = roots
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        #: Bytes.
        self.peak = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, usage_of(self._roots).rss)
            if self._over.wait(EVERY):
                return
