"""A real Celery worker in processes of its own: it can be killed, and stopped in every way."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from flask import Flask

from notifier.dev.ports import wait_until
from notifier.dev.process import die_with_parent
from notifier.services import services_of

ROOT = Path(__file__).parents[2]


class WorkerProcess:
    """A worker of the queues of `app` in a process group of its own; entering it waits until it consumes."""

    def __init__(
        self, app: Flask, folder: Path, *, pool: str = "prefork", concurrency: int = 1, queues: str = "notifier.bulk",
        target: str = "wsgi:celery_app", command: list[str] | None = None, **settings: str,
    ) -> None:  # fmt: skip
        """`folder`: for its log. `target`: where the Celery object is. `settings`: more for its environment.

        `command`: a whole command line, instead of one that is made from the other arguments.
        """
        own = services_of(app).settings
        self._log = folder / "worker.log"
        ready = folder / "worker.ready"
        env = os.environ | {
            "PYTHONPATH": str(ROOT),
            "NOTIFIER_ENV": "test",
            "NOTIFIER_READY_FILE": str(ready),
            "NOTIFIER_DATA_DIR": str(own.notifier_data_dir),
            "SECRET_KEYS": own.secret_keys[-1],
            "PUBLIC_URL": own.public_url,
            "DATABASE_URL": own.database_url,
            "REDIS_URL": own.redis_url,
            "MAIL_SERVER": own.mail_server,
            "MAIL_PORT": str(own.mail_port),
            "MAIL_SUPPRESS_SEND": "0",
        }
        argv = [sys.executable, "-m", "celery", "-A", target, "worker", "-P", pool, "-c", str(concurrency),
                "-Q", queues, "--without-gossip", "--without-mingle"]  # fmt: skip
        self._ready = ready
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command or argv, env=env | settings, cwd=folder, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent,
            )  # fmt: skip

    def __enter__(self) -> Self:
        assert wait_until(lambda: self._ready.exists() or self.process.poll() is not None, 30, 0.02)
        assert self.process.poll() is None, self.says()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def says(self) -> str:
        """Its log."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9 of the whole group; afterwards no file of theirs is open."""
        if self.process.poll() is not None:
            return
        children = self.children()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        assert wait_until(lambda: all(map(_is_gone, children)), 10, 0.005)

    def children(self) -> list[int]:
        """The process ids of the prefork children."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_gone(pid: int) -> bool:
    """Whether all its threads have ended: the first may be a zombie while others still hold the files."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z" and threads <= 1
