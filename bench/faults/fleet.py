"""All processes of an installation on one broker: two workers, beat and web. None of them may stop."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from bench.children import READY_SECONDS, Child
from bench.faults.killer import is_gone
from bench.faults.result import Result
from bench.faults.scene import Scene, children_of
from notifier.dev.ports import answers, free_port, wait_until
from notifier.testing.website import Person

#: The longest time of `notifier health`, in seconds.
HEALTH_SECONDS = 60


class Fleet:
    """Create the processes. `broker` is their environment: REDIS_URL or CELERY_BROKER_URL."""

    def __init__(self, scene: Scene, stack: ExitStack, broker: dict[str, str], **env: str) -> None:
        """Start all of them and wait until they work. `env`: settings that differ."""
        self._scene = scene
        own = {"REDIS_URL": "", "RATELIMIT_ENABLED": "0"} | broker | env
        self._env = scene.env() | own
        self.people = scene.launch("notifier.transactional,notifier.control", pool="threads", concurrency=4, **own)
        self.bulk = scene.launch("notifier.bulk,notifier.expansion", pool="prefork", concurrency=2, **own)
        celery = [sys.executable, "-m", "celery", "-A", "bench.faults.worker:celery_app"]
        beat = [*celery, "beat", "--pidfile=", "-S", "celery.beat:Scheduler", "--loglevel", "WARNING"]
        self.beat = stack.enter_context(Child("beat", beat, self._env, scene.folder))
        self._port = free_port()
        web = [
            sys.executable, "-m", "gunicorn", "bench.faults.worker:app", "--bind", f"127.0.0.1:{self._port}",
            "--workers", "1", "--threads", "8", "--no-control-socket",
        ]  # fmt: skip
        self.web = stack.enter_context(Child("web", web, self._env, scene.folder))
        self.people.wait()
        self.bulk.wait()
        if not wait_until(lambda: answers("127.0.0.1", self._port), READY_SECONDS):
            raise self.web.error("does not answer")
        if not wait_until(lambda: self.ticked_after(0.0), READY_SECONDS):
            raise self.beat.error("triggers no tick")
        self.note_processes()

    def note_processes(self) -> None:
        """Remember the running processes: from now on none of them may stop."""
        self._born = self._processes()

    def sign_up(self, address: str) -> float:
        """Sign up as a person does; return the seconds that the form took."""
        start = time.monotonic()
        answer = Person().press(f"http://127.0.0.1:{self._port}/signup", email=address, display_name="")
        if answer.status != 303:
            raise RuntimeError(f"signing up was answered with {answer.status}")
        return time.monotonic() - start

    def health(self) -> dict[str, Any]:
        """Run `notifier health --json`. Return the results by name."""
        argv = [sys.executable, "-m", "notifier", "health", "--json"]
        done = subprocess.run(
            argv, env=self._env, cwd=self._scene.folder, capture_output=True, text=True, timeout=HEALTH_SECONDS,
            check=False,
        )  # fmt: skip
        return {finding["name"]: finding for finding in json.loads(done.stdout)}

    def now(self) -> float:
        """Return the time of the database's clock, in seconds."""
        return float(self._scene.stage.execute("SELECT extract(epoch FROM clock_timestamp())")[0][0])

    def ticked_after(self, moment: float) -> bool:
        """Return True if a tick that beat triggered began after `moment` (see `now`)."""
        query = "SELECT coalesce(max(extract(epoch FROM at)), 0) > %s FROM notifier_heartbeats WHERE name = 'tick'"
        return bool(self._scene.stage.execute(query, moment)[0][0])

    def expect_unharmed(self, result: Result) -> None:
        """Add a problem for each process that stopped, even if another one replaced it."""
        now = self._processes()
        for name, pids in self._born.items():
            gone = [pid for pid in pids if pid not in now[name] or is_gone(pid)]
            result.expect(not gone, f"I8: {len(gone)} of {len(pids)} processes of {name} ended")
        result.figures["processes"] = sum(map(len, self._born.values()))

    def _processes(self) -> dict[str, list[int]]:
        first = {"people": self.people.process, "bulk": self.bulk.process, "beat": self.beat, "web": self.web}
        return {name: [child.pid, *children_of(child.pid)] for name, child in first.items()}


@dataclass
class Signups:
    """People who sign up one after the other, spread over some time."""

    fleet: Fleet
    seconds: list[float] = field(default_factory=list)

    def run(self, count: int, over: float, prefix: str, until: Callable[[], bool] = lambda: False) -> None:
        """Sign up `count` people within `over` seconds, fewer if `until` returns True before."""
        start = time.monotonic()
        for number in range(count):
            if until():
                return
            self.seconds.append(self.fleet.sign_up(f"{prefix}{number}@example.com"))
            ahead = start + over * (number + 1) / count - time.monotonic()
            time.sleep(max(0.0, ahead))
