"""An expansion that is killed, and its progress at each kill."""

import os
import random
import signal
import time
from dataclasses import dataclass

from bench.faults.killer import is_gone
from bench.faults.scene import Scene, Worker
from notifier.dev.ports import wait_until

#: Seconds within which a killed expansion must run again: STALE, a tick, and the start of a worker.
AGAIN = 60.0
#: The longest random time from the passing of a mark to the kill, in seconds.
LATER = 0.02


@dataclass(frozen=True, slots=True)
class Standing:
    """The expansion at a kill."""

    #: "child", or "all": the parent with its child.
    whom: str
    #: Rows that it had committed.
    rows: int
    #: True if it had an open transaction.
    inside: bool


class Expanding:
    """The only run, and the worker that expands it in one child."""

    def __init__(self, scene: Scene, worker: Worker, rng: random.Random, whole: float) -> None:
        """Create it. `whole`: the chance that a kill hits the worker with its child, whose PGAPPNAME is "expansion"."""
        self._stage = scene.stage
        self._worker = worker
        self._rng = rng
        self._whole = whole

    def state(self) -> str:
        """Return the state of the run; empty before there is one."""
        return str(self._run()[0])

    def over(self, seconds: float) -> bool:
        """Wait until the run is expanded."""
        return wait_until(lambda: self.state() in ("sending", "done"), seconds, pause=0.1)

    def kill(self, times: int) -> list[Standing]:
        """Kill it this often, each time with more progress; fewer times if it finishes before."""
        first, last = self._stage.execute("SELECT min(id), max(id) FROM notifier_users")[0]
        stood: list[Standing] = []
        for number in range(times):
            standing = self._strike(first + (last - first) * number // (times + 1))
            if standing is None:
                break
            stood.append(standing)
        return stood

    def _strike(self, mark: int) -> Standing | None:
        if not wait_until(lambda: self._has_passed(mark), AGAIN, pause=0.0):
            return None
        time.sleep(self._rng.uniform(0, LATER))
        whole = self._rng.random() < self._whole
        (child,) = [pid for pid in self._worker.children() if not is_gone(pid)]
        # It is stopped first, so that its progress can be read, and never continues.
        os.kill(child, signal.SIGSTOP)
        state, rows, inside = self._run()[0], self._rows(), self._is_inside()
        if whole:
            self._worker.kill_all()
        else:
            os.kill(child, signal.SIGKILL)
        wait_until(lambda: is_gone(child), 10, pause=0.001)
        if whole:
            self._worker.stop()
            self._worker.start()
        return Standing("all" if whole else "child", rows, inside) if state == "expanding" else None

    def _has_passed(self, mark: int) -> bool:
        """Return True if an expansion is beyond the mark, or the run is over."""
        state, cursor = self._run()
        return state == "sending" or (state == "expanding" and cursor > mark and self._is_inside())

    def _run(self) -> tuple[str, int]:
        found = self._stage.execute("SELECT state, cursor FROM notifier_campaign_runs")
        return (found[0][0], found[0][1]) if found else ("", 0)

    def _rows(self) -> int:
        return int(self._stage.execute("SELECT count(*) FROM notifier_notifications")[0][0])

    def _is_inside(self) -> bool:
        query = """
            SELECT count(*) FROM pg_stat_activity
            WHERE application_name = 'expansion' AND xact_start IS NOT NULL"""
        return bool(self._stage.execute(query)[0][0])
