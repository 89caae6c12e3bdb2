"""kill -9 of sending processes at random moments, and the records of their journals."""

import os
import random
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

from bench.faults.history import Kill
from bench.faults.scene import Scene, Worker
from notifier.delivery.recovery import journal
from notifier.dev.ports import wait_until

#: Seconds that a kill waits at most for a process that is sending.
PATIENCE = 30.0
#: The longest random time from seeing a process send to its kill, in seconds.
LATER = 0.08

_OWNER = re.compile(r"-(\d+)-[0-9a-f]+$")


class Killer:
    """A killer of sending processes of one worker."""

    def __init__(self, scene: Scene, worker: Worker, rng: random.Random) -> None:
        """Create it. `rng` chooses victims and moments."""
        self.scene = scene
        self.worker = worker
        self._rng = rng

    def strike(self, whole: float) -> Kill | None:
        """Kill one child, or with the chance `whole` the whole worker, which is then started again.

        Return None if no process was sending.
        """
        victim = self._victim()
        if victim is None:
            return None
        time.sleep(self._rng.uniform(0, LATER))
        everybody = self._rng.random() < whole
        # No sweep meanwhile: the journals of dead processes are read here first.
        with self.scene.sweeper.lock:
            alive = [pid for pid in self.worker.children() if not is_gone(pid)]
            kill = self._kill(alive if everybody else [victim], everybody)
        if everybody:
            self.worker.stop()
            self.worker.start()
        return kill

    def _victim(self) -> int | None:
        """Return a sending child: its journal has an email that was begun."""
        busy: list[int] = []

        def found() -> bool:
            sending = {pid for pid, path in self._journals() if _has_begun(path)}
            # A process that was just killed stays a child until its parent notices.
            busy[:] = [pid for pid in self.worker.children() if pid in sending and not is_gone(pid)]
            return bool(busy)

        return self._rng.choice(sorted(busy)) if wait_until(found, PATIENCE, pause=0.005) else None

    def _kill(self, pids: list[int], whole: bool) -> Kill:
        self.scene.sink.count()
        before = time.monotonic()
        if whole:
            self.worker.kill_all()
        else:
            os.kill(pids[0], signal.SIGKILL)
        # From here on it no longer runs; it disappears some milliseconds later.
        killed = time.monotonic()
        wait_until(lambda: all(map(is_gone, pids)), 10, pause=0.001)
        traces = [journal.read(path) for pid, path in self._journals() if pid in pids]
        doubtful = frozenset(pk for trace in traces for pk in trace.in_doubt)
        return Kill(before, killed, doubtful, "all" if whole else "child", len(pids))

    def _journals(self) -> list[tuple[int, Path]]:
        """Return (process id, journal) of all processes, also of dead ones."""
        paths = (self.scene.stage.folder / "journal").glob("*" + journal.SUFFIX)
        owners = [(_OWNER.search(path.stem), path) for path in paths]
        return [(int(match[1]), path) for match, path in owners if match]


def is_gone(pid: int) -> bool:
    """Return True if this process no longer runs, even if its parent has not noticed."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def _has_begun(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return b"\nB " in path.read_bytes()
    return False
