"""kill -9 of sending processes at random moments, and what their journals say of it."""

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

#: Seconds that a kill waits at most for a process that has mails under way.
PATIENCE = 30.0
#: A kill comes a random moment after a process was seen to be sending, up to so many seconds.
LATER = 0.08

_OWNER = re.compile(r"-(\d+)-[0-9a-f]+$")


class Killer:
    """Kills processes of one worker that have mails under way."""

    def __init__(self, scene: Scene, worker: Worker, rng: random.Random) -> None:
        """`rng` chooses victims and moments."""
        self.scene = scene
        self.worker = worker
        self._rng = rng

    def strike(self, whole: float) -> Kill | None:
        """Kill one child, or with the chance `whole` all of the worker, which is started again then.

        None where nobody had mails under way.
        """
        victim = self._victim()
        if victim is None:
            return None
        time.sleep(self._rng.uniform(0, LATER))
        everybody = self._rng.random() < whole
        # No sweep meanwhile: the journals of the dead are read here first.
        with self.scene.sweeper.lock:
            alive = [pid for pid in self.worker.children() if not is_gone(pid)]
            kill = self._kill(alive if everybody else [victim], everybody)
        if everybody:
            self.worker.stop()
            self.worker.start()
        return kill

    def _victim(self) -> int | None:
        """A child with mails under way: one of them has begun, its journal says."""
        busy: list[int] = []

        def found() -> bool:
            sending = {pid for pid, path in self._journals() if _has_begun(path)}
            # One that was just killed is a child until its parent has noticed.
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
        # From here on it runs no more; to be gone altogether takes it some milliseconds.
        killed = time.monotonic()
        wait_until(lambda: all(map(is_gone, pids)), 10, pause=0.001)
        traces = [journal.read(path) for pid, path in self._journals() if pid in pids]
        doubtful = frozenset(pk for trace in traces for pk in trace.in_doubt)
        return Kill(before, killed, doubtful, "all" if whole else "child", len(pids))

    def _journals(self) -> list[tuple[int, Path]]:
        """(process id, journal) of everybody, also of the dead."""
        paths = (self.scene.stage.folder / "journal").glob("*" + journal.SUFFIX)
        owners = [(_OWNER.search(path.stem), path) for path in paths]
        return [(int(match[1]), path) for match, path in owners if match]


def is_gone(pid: int) -> bool:
    """Whether this process runs no more; its parent need not have noticed."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def _has_begun(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return b"\nB " in path.read_bytes()
    return False
