"""A server process for a test: started, paused, killed, restarted on the same port, never left behind."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from notifier.dev.ports import answers, free_port, wait_until
from notifier.dev.process import die_with_parent

START_SECONDS = 20.0
#: `nobody` on Debian and most others. Postgres refuses to run as root.
NOBODY = 65534


class ServerError(RuntimeError):
    """A server did not start, or is not ours to stop."""


class Server:
    """One child process with a log, a port and a temporary folder of its own."""

    stop_signal = signal.SIGTERM
    #: Seconds.
    start_seconds = START_SECONDS
    needs_nobody = False

    def __init__(self, external: str | None) -> None:
        self.external = external or None
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._home: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self.stop()

    @property
    def pid(self) -> int:
        """The process id. Raises ServerError where there is no process of ours."""
        return self._running().pid

    @property
    def home(self) -> Path:
        """A temporary folder; its parent is open to other users, who may be `nobody`."""
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="notifier-test-"))
            self._home.chmod(0o755)
        return self._home

    def start(self) -> None:
        """Start and wait until it answers; on the old port when it ran before."""
        if self.external or self._process is not None:
            return
        for _ in range(5):
            port = self.port or free_port()
            if self._try_start(port):
                self.port = port
                return
        raise ServerError(f"{type(self).__name__} did not start:\n{self._log_tail()}")

    def stop(self, timeout: float = 10) -> None:
        """Stop it and remove its data. A stopped (SIGSTOP) server is ended too."""
        if self._process is not None:
            self.cont()
            self._end(self.stop_signal, timeout)
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def kill(self) -> None:
        """kill -9. The data stays; `start` brings it back on the same port."""
        self._end(signal.SIGKILL, 10)

    def restart(self) -> None:
        """kill -9 and start again on the same port with the same data."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections are accepted by the kernel, nobody answers."""
        self._running().send_signal(signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT."""
        self._running().send_signal(signal.SIGCONT)

    def _argv(self, port: int) -> list[str]:
        raise NotImplementedError

    def _ready(self, port: int) -> bool:
        return answers("127.0.0.1", port)

    def _running(self) -> subprocess.Popen[bytes]:
        if self.external:
            raise ServerError("this server was named by TEST_REDIS_URL or TEST_DATABASE_URL; it is not ours")
        if self._process is None:
            raise ServerError("the server is not running")
        return self._process

    def _try_start(self, port: int) -> bool:
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(
                self._argv(port), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.home,
                start_new_session=True, preexec_fn=die_with_parent, **drop_root(self.needs_nobody),
            )  # fmt: skip
        self._process = process
        wait_until(lambda: process.poll() is not None or self._ready(port), self.start_seconds)
        if process.poll() is None and self._ready(port):
            return True
        self._end(signal.SIGKILL, 10)
        return False

    def _end(self, how: signal.Signals, timeout: float) -> None:
        process = self._running()
        process.send_signal(how)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout)
        self._process = None

    def _log_tail(self) -> str:
        log = self.home / "log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else "(no log)"


def drop_root(wanted: bool) -> dict[str, Any]:
    """Arguments for Popen that turn root into nobody, where that is wanted and needed."""
    if wanted and os.geteuid() == 0:
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return {}
