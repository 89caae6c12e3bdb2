"""The scene of one fault: a fresh ledger, a sink, a sweeper, workers as needed."""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from flask import Flask
from sqlalchemy.exc import DBAPIError

from bench.children import READY_SECONDS, Child, clean_env
from bench.faults.history import Log, Row, Seen
from bench.faults.stage import SECRET, Stage
from notifier.campaigns.tick import Ticked
from notifier.dev.ports import wait_until
from notifier.extensions import db
from notifier.services import services_of

#: The job that every fault runs; "tick" is the other one.
SWEEP = ("sweep",)


class Sweeper:
    """A thread that sweeps, as beat and a control worker would, until it is stopped."""

    def __init__(self, app: Flask, interval: float, chores: Sequence[str] = SWEEP) -> None:
        """Create it. `interval`: seconds between two sweeps. `chores`: names in `Services` to run each time."""
        #: Held while it sweeps, so that the journals of dead processes can be read before.
        self.lock = threading.Lock()
        #: Sweeps that failed at the database, and the longest one in seconds.
        self.failed, self.longest = 0, 0.0
        #: Expansions that ticks restarted.
        self.resumed = 0
        self._app, self._interval, self._chores = app, interval, chores
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            with self.lock, self._app.app_context():
                start = time.monotonic()
                try:
                    for chore in self._chores:
                        did = getattr(services_of(self._app), chore).run()
                        self.resumed += len(did.resumed) if isinstance(did, Ticked) else 0
                except DBAPIError:
                    self.failed += 1
                finally:
                    self.longest = max(self.longest, time.monotonic() - start)
                    with suppress(DBAPIError):
                        db.session.remove()

    def stop(self) -> None:
        """Stop after the present sweep."""
        self._stop.set()
        self._thread.join(30)


class Worker:
    """A Celery worker with its prefork children, in a session of its own; it can be started again."""

    def __init__(self, name: str, argv: Sequence[str], env: dict[str, str], folder: Path) -> None:
        self._name, self._argv, self._env = name, argv, env
        self._folder, self._ready = folder, folder / f"{name}.ready"
        self._launch()

    def start(self) -> None:
        """Start and wait until it consumes."""
        self._launch()
        self.wait()

    def _launch(self) -> None:
        self._ready.unlink(missing_ok=True)
        env = self._env | {"NOTIFIER_READY_FILE": str(self._ready)}
        self.process = Child(self._name, self._argv, env, self._folder)

    def wait(self) -> None:
        """Wait until it consumes."""
        self.process.wait_for(self._ready)

    def children(self) -> list[int]:
        """Return the process ids of the prefork children."""
        return children_of(self.process.pid)

    def is_alive(self) -> bool:
        """Return True if its first process runs."""
        return bool(self.children())

    def kill_all(self) -> None:
        """Kill the whole process group at once, with kill -9."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Kill the rest of its process group."""
        self.process.stop()


def children_of(pid: int) -> list[int]:
    """Return the process ids of the children of a process; none if it is gone."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in text.split()]


class Sink:
    """The recording mail server (bench/faults/sink.py)."""

    def __init__(self, stack: ExitStack, folder: Path, delay_ms: float) -> None:
        path = folder / "seen.log"
        path.write_bytes(b"")
        argv = [sys.executable, "-m", "bench.faults.sink", "--log", str(path), "--delay-ms", str(delay_ms)]
        self._child = stack.enter_context(Child("sink", argv, clean_env({}), folder))
        self.port = int(self._child.hear("listening on", READY_SECONDS))
        self._log = Log(path)

    def behave(self, conduct: str = "{}") -> None:
        """Change its conduct to the JSON of bench/faults/sink.py; empty: accept everything."""
        self._child.say(conduct)
        self._child.hear("ok", READY_SECONDS)

    def count(self) -> None:
        """Let it record how many emails are being sent now."""
        os.kill(self._child.pid, signal.SIGUSR1)

    def look(self) -> Seen:
        """Return its record so far."""
        return self._log.look()


class Scene:
    """One fault: a fresh ledger, a fresh sink, workers as needed."""

    def __init__(self, stage: Stage, stack: ExitStack, *, delay_ms: float = 4.0, sweep_every: float = 1.0,
                 chores: Sequence[str] = SWEEP) -> None:  # fmt: skip
        """Create it. `delay_ms`: of each reply of the sink; `sweep_every`: seconds; `chores`: see Sweeper."""
        stage.forget()
        self.stage = stage
        self._stack = stack
        self.folder = Path(tempfile.mkdtemp(dir=stage.folder))
        self.sink = Sink(stack, self.folder, delay_ms)
        self.sweeper = Sweeper(stage.app, sweep_every, chores)
        stack.callback(self.sweeper.stop)

    def worker(
        self, queues: str = "notifier.bulk", *, pool: str = "prefork", concurrency: int = 2, **env: str
    ) -> Worker:
        """Start a worker that stops with the scene, and wait until it consumes. `env`: settings that differ."""
        worker = self.launch(queues, pool=pool, concurrency=concurrency, **env)
        worker.wait()
        return worker

    def launch(self, queues: str, *, pool: str, concurrency: int, **env: str) -> Worker:
        """Start a worker that stops with the scene."""
        argv = [
            sys.executable, "-m", "celery", "-A", "bench.faults.worker:celery_app", "worker", "-Q", queues,
            "--pool", pool, "--concurrency", str(concurrency), "-n", f"{queues}@%h",
            "--without-gossip", "--without-mingle", "--loglevel", "WARNING",
        ]  # fmt: skip
        worker = Worker(queues, argv, self.env() | env, self.folder)
        self._stack.callback(worker.stop)
        return worker

    def env(self) -> dict[str, str]:
        """Return the environment of a process of notifier; its broker is Valkey."""
        return clean_env(
            {
                "NOTIFIER_ENV": "test",  # Production needs TLS and refuses root, which does not fit loopback.
                "NOTIFIER_DATA_DIR": str(self.stage.folder),
                "SECRET_KEYS": SECRET,
                "DATABASE_URL": self.stage.postgres.url("faults"),
                "REDIS_URL": self.stage.valkey.url,
                "MAIL_SERVER": "127.0.0.1",
                "MAIL_PORT": str(self.sink.port),
                "MAIL_SUPPRESS_SEND": "0",
            }
        )

    def owe(
        self, count: int, *, policy: str = "resend", bulk: bool = True, grace: float = 8.0, skip: int = 0
    ) -> list[int]:
        """Create verification emails for `count` users after the first `skip`. Return the keys, which are not enqueued.

        `grace`: seconds before the sweep enqueues them.
        """
        query = """
            INSERT INTO notifier_notifications (kind, user_id, recipient, dedupe_key, params, bulk, on_unknown, status,
                claims, attempts, unknowns, next_attempt_at, enqueue_at, deadline, created_at)
            SELECT 'verification', id, email, 'fault:' || id, '{}', %s, %s, 'pending', 0, 0, 0, now(),
                now() + %s * interval '1 second', now() + interval '1 day', now()
            FROM (SELECT id, email FROM notifier_users ORDER BY id LIMIT %s OFFSET %s) AS chosen
            ON CONFLICT (dedupe_key) DO NOTHING RETURNING id"""
        return sorted(row[0] for row in self.stage.execute(query, bulk, policy, grace, count, skip))

    def defer(self, count: int) -> None:
        """Create `count` rows of bulk email that were tried once and come due over the next minute."""
        query = """
            INSERT INTO notifier_notifications (kind, user_id, recipient, dedupe_key, params, bulk, on_unknown, status,
                claims, attempts, unknowns, next_attempt_at, enqueue_at, deadline, created_at, reason)
            SELECT 'verification', u.id, u.email, 'deferred:' || n, '{}', true, 'resend', 'pending', 1, 1, 0,
                now() + n %% 60 * interval '1 second', now() + n %% 60 * interval '1 second',
                now() + interval '1 day', now(), '451 4.3.0 try again later'
            FROM generate_series(1, %s) AS n
            JOIN notifier_users AS u
                ON u.id = (SELECT min(id) FROM notifier_users) + n %% (SELECT count(*) FROM notifier_users)"""
        if count:
            self.stage.execute(query, count)

    def ring(self, keys: Sequence[int], *, bulk: bool = True) -> bool:
        """Hand keys to the broker. The sweep finds those that it refuses."""
        with self.stage.app.app_context():
            taken: bool = services_of(self.stage.app).outbox.publish(keys, bulk=bulk)
        return taken

    def under_way(self) -> int:
        """Count the emails that have not ended, and the sign-ups that no worker has handled."""
        query = """
            SELECT (SELECT count(*) FROM notifier_notifications WHERE status IN ('pending', 'sending'))
                 + (SELECT count(*) FROM notifier_account_requests)"""
        return int(self.stage.execute(query)[0][0])

    def settle(self, seconds: float) -> bool:
        """Wait until every row has ended."""
        return wait_until(lambda: not self.under_way(), seconds, pause=0.2)

    def skip_time(self) -> None:
        """Make all waiting rows due now, instead of letting time pass."""
        self.stage.execute("TRUNCATE notifier_transports, notifier_paces, notifier_provider_holds")
        self.stage.execute(
            "UPDATE notifier_notifications SET next_attempt_at = now(), enqueue_at = now() WHERE status = 'pending'"
        )

    def rows(self) -> list[Row]:
        """Return the ledger."""
        query = """
            SELECT id, recipient, status, attempts, unknowns, message_id, on_unknown,
                status = 'sending' AND lease_until < now()
            FROM notifier_notifications ORDER BY id"""
        return [Row(*row) for row in self.stage.execute(query)]
