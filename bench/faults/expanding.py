"""An expansion under fire: where it stood when it was killed."""

import os
import random
import signal
import time
from dataclasses import dataclass

from bench.faults.killer import is_gone
from bench.faults.scene import Scene, Worker
from notifier.dev.ports import wait_until

#: Seconds in which an expansion that was killed must be at work again: STALE, a tick, and a worker that starts.
AGAIN = 60.0
#: A kill comes a random moment after the expansion has passed a mark, up to so many seconds.
LATER = 0.02


@dataclass(frozen=True, slots=True)
class Standing:
    """The expansion at a kill."""

    #: "child", or "all": the parent with its child.
    whom: str
    #: Rows that it had committed.
    rows: int
    #: It had a transaction open.
    inside: bool


class Expanding:
    """The only run there is, and the worker that expands it in one child."""

    def __init__(self, scene: Scene, worker: Worker, rng: random.Random, whole: float) -> None:
        """`whole`: the chance that a kill hits the worker with its child. PGAPPNAME of the worker is "expansion"."""
        self._stage = scene.stage
        self._worker = worker
        self._rng = rng
        self._whole = whole

    def state(self) -> str:
        """The run's; empty before there is one."""
        return str(self._run()[0])

    def over(self, seconds: float) -> bool:
        """Wait until the run is expanded."""
        return wait_until(lambda: self.state() in ("sending", "done"), seconds, pause=0.1)

    def kill(self, times: int) -> list[Standing]:
        """Kill it so often, each time further on; fewer where it was over before."""
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
        # It never runs again: stopped first, so that one can see where it stands.
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
        """Somebody is at work and beyond the mark, or all is over."""
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
