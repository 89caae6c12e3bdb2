"""One child of the supervisor: what to run, and the process while it runs."""

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

#: How many of the last lines are shown when a child is given up.
TAIL = 20
#: Longer ones are broken. Bytes.
LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Child:
    """What to run and how to know that it works."""

    name: str
    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    #: True once it can be used. None: that it runs is all one can say.
    ready: Callable[[], bool] | None = None
    #: Later children need this one: they are started once it is ready.
    gate: bool = False
    #: Removed before each start; the child writes it when it is ready.
    ready_file: Path | None = None
    #: How long a polite stop may take, seconds. Then the whole group is killed.
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
        """The file descriptor to wait on; None when there is nothing more to come."""
        return self._stdout().fileno() if self._popen is not None and not self._at_end else None

    @property
    def is_running(self) -> bool:
        """False before the start and after its end was noticed."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def has_ended(self) -> bool:
        """It ran and ended, and nobody has taken note of it yet."""
        return self._popen is not None and self._popen.poll() is not None

    @property
    def how_it_ended(self) -> str:
        """For people."""
        code = self._popen.returncode if self._popen else None
        if code is None:
            return "is running"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def is_ready(self) -> bool:
        """Does it work?"""
        if self.child.ready_file is not None and not self.child.ready_file.exists():
            return False
        return self.is_running and (self.child.ready is None or self.child.ready())

    def start(self, now: float) -> None:
        """Start it in a session of its own: a Ctrl-C of the terminal must not reach it before we decide."""
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
        """New lines of output, also written to its log file. None: nothing to read right now, or ever."""
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
        """Ask politely. Only the leader is asked: it knows how to end its own."""
        if self.is_running and self._popen is not None:
            self._popen.terminate()

    def bury(self) -> None:
        """Kill what is left of its group and forget it. Blocks until the leader is gone."""
        if self._popen is None:
            return
        with suppress(ProcessLookupError):  # nobody left is what we want
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._stdout().close()
        self._popen = None
        self._rest = b""
        if self.child.ready_file is not None:
            self.child.ready_file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _stdout(self) -> BinaryIO:
        if self._popen is None or self._popen.stdout is None:
            raise RuntimeError(f"{self.child.name} has no output: it was not started")
        return self._popen.stdout  # type: ignore[return-value]  # IO[bytes] of a pipe is binary
