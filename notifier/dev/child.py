"""One child of the supervisor: its command, and its process while it runs."""

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from notifier.dev.logfile import LogFile
from notifier.dev.process import die_with_parent

#: How many of its last lines are shown when a child is given up.
TAIL = 20
#: Longest line, in bytes; longer ones are broken.
LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Child:
    """The command of a child, and how to tell that it works."""

    name: str
    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    #: Returns True once the child can be used. None: running is enough.
    ready: Callable[[], bool] | None = None
    #: Later children need this one: they are started once it is ready.
    gate: bool = False
    #: Removed before each start; the child writes it when it is ready.
    ready_file: Path | None = None
    #: Seconds that a stop may take before the whole process group is killed.
    stop_seconds: float = 10.0


class Process:
    """A child's current process, its output and its history."""

    def __init__(self, child: Child, cwd: Path, log_dir: Path) -> None:
        self.child = child
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.failures = 0
        #: On the monotonic clock: when it started, and when it may start again after it died.
        self.started_at = 0.0
        self.retry_at: float | None = None
        self._cwd = cwd
        self._popen: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._at_end = False
        self._log = LogFile(log_dir / f"{child.name}.log")

    @property
    def output(self) -> int | None:
        """Return the file descriptor to wait on, or None if no more output can come."""
        return self._stdout().fileno() if self._popen is not None and not self._at_end else None

    @property
    def is_running(self) -> bool:
        """Return False before the start and after its end was noticed."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def has_ended(self) -> bool:
        """Return True if the process has ended and `kill` was not called yet."""
        return self._popen is not None and self._popen.poll() is not None

    @property
    def how_it_ended(self) -> str:
        """For people."""
        code = self._popen.returncode if self._popen else None
        if code is None:
            return "is running"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def is_ready(self) -> bool:
        """Return True if the child can be used."""
        if self.child.ready_file is not None and not self.child.ready_file.exists():
            return False
        return self.is_running and (self.child.ready is None or self.child.ready())

    def start(self, now: float) -> None:
        """Start it in a session of its own, so that Ctrl-C in the terminal reaches only the supervisor."""
        if self.child.ready_file is not None:
            self.child.ready_file.unlink(missing_ok=True)
        self._popen = subprocess.Popen(
            self.child.argv,
            env={**os.environ, **self.child.env},
            cwd=self._cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        os.set_blocking(self._stdout().fileno(), False)
        self._at_end = False
        self.started_at = now
        self.retry_at = None

    def read_lines(self) -> list[str] | None:
        """Return new lines of output, after writing them to the log file. None: nothing to read right now, or ever."""
        if self.output is None:
            return None
        try:
            chunk = os.read(self.output, 65536)
        except BlockingIOError:
            return None
        self._at_end = not chunk
        problem = self._log.write(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (self._at_end or len(self._rest) > LONGEST_LINE):
            lines.append(self._rest)
            self._rest = b""
        texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
        self.tail.extend(texts)
        return texts if problem is None else [problem, *texts]

    def terminate(self) -> None:
        """Send SIGTERM to the leader of the group only: it stops its own children."""
        if self.is_running and self._popen is not None:
            self._popen.terminate()

    def bury(self) -> None:
        """Kill the rest of its group and forget it. Block until the leader is gone."""
        if self._popen is None:
            return
        with suppress(ProcessLookupError):  # The group is gone, as it should be.
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._stdout().close()
        self._popen = None
        self._rest = b""
        if self.child.ready_file is not None:
            self.child.ready_file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the log file."""
        self._log.close()

    def _stdout(self) -> BinaryIO:
        if self._popen is None or self._popen.stdout is None:
            raise RuntimeError(f"{self.child.name} has no output: it was not started")
        return self._popen.stdout  # type: ignore[return-value]  # IO[bytes] of a pipe is binary
