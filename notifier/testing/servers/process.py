"""A server process for a test: start, pause, kill or restart it on the same port.

The kernel ends each server together with the thread that started it, so a killed test run leaves no process behind.
"""

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
#: The unprivileged user on Debian and most other systems. Postgres refuses to run as root.
UNPRIVILEGED = 65534


class ServerError(RuntimeError):
    """A server did not start, or is not ours to stop."""


class NotInstalled(ServerError):
    """The program of a server is not on this machine. The message says how to install it."""


class Server:
    """One child process with its own log, port and temporary folder. A context manager."""

    stop_signal = signal.SIGTERM
    #: Seconds until a start counts as failed.
    start_seconds = START_SECONDS
    #: Whether root must start it as `UNPRIVILEGED`.
    drops_root = False

    def __init__(self, external: str | None = None) -> None:
        """Prepare it. `external`: the address of a running server to use instead, which is never stopped."""
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
        """Return the process id. Raise ServerError if no process of ours runs."""
        return self._running().pid

    @property
    def home(self) -> Path:
        """Return the temporary folder. Other users can enter it: the server may run as one."""
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="notifier-test-"))
            self._home.chmod(0o755)
        return self._home

    def start(self) -> None:
        """Start it and wait until it answers, on its former port if it ran before. Raise ServerError if it does not."""
        if self.external or self._process is not None:
            return
        for _ in range(5):
            port = self.port or free_port()
            if self._try_start(port):
                self.port = port
                return
        raise ServerError(f"{type(self).__name__} did not start:\n{self._log_tail()}")

    def stop(self, timeout: float = 10) -> None:
        """Stop it, even if it is paused, and remove its data."""
        if self._process is not None:
            self.cont()
            self._end(self.stop_signal, timeout)
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def kill(self) -> None:
        """Kill it with SIGKILL. The data stays; `start` brings it back on the same port."""
        self._end(signal.SIGKILL, 10)

    def restart(self) -> None:
        """Kill it with SIGKILL and start it again on the same port with the same data."""
        self.kill()
        self.start()

    def restart_in_order(self) -> None:
        """Stop it as a package upgrade does, and start it again on the same port with the same data."""
        self._end(self.stop_signal, 20)
        self.start()

    def pause(self) -> None:
        """Pause it (SIGSTOP): the kernel still accepts connections, and no answer comes."""
        self._running().send_signal(signal.SIGSTOP)

    def cont(self) -> None:
        """Continue it (SIGCONT)."""
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
                start_new_session=True, preexec_fn=die_with_parent, **as_unprivileged(self.drops_root),
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


def as_unprivileged(wanted: bool = True) -> dict[str, Any]:
    """Return the arguments for Popen that start a process of root as `UNPRIVILEGED`; none if not wanted or needed."""
    if wanted and os.geteuid() == 0:
        return {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}
    return {}
