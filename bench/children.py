"""Processes that the bench starts; none outlives it."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.mails import ROOT
from notifier.dev.ports import wait_until
from notifier.dev.process import die_with_parent

#: Settings in the environment of the bench that must not reach the measured processes.
_FOREIGN = ("MAIL_", "NOTIFIER_", "CELERY_", "BENCH_", "DJANGO_", "RATELIMIT_", "DATABASE_", "REDIS_", "TEST_")

#: A bound, not a measurement: on a machine with other work, a worker takes a minute to load its modules.
READY_SECONDS = 120.0
STOP_SECONDS = 10.0


class ChildError(RuntimeError):
    """A child failed. The text ends with the end of its log."""


def clean_env(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child: ours, without settings that would change the measurement."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return env | {"PYTHONPATH": str(ROOT)} | dict(extra)


class Child:
    """One process in a group of its own, its standard error in a log."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        """Start it. `folder` is its working folder and holds its log."""
        self.name = name
        self._log = folder / f"{name}.log"
        self._buffer = b""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                list(argv), env=dict(env), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def hear(self, word: str, seconds: float) -> str:
        """Return the rest of its next line that starts with `word`. Raise ChildError if it does not come in time."""
        try:
            return self._line(word, time.monotonic() + seconds)
        except TimeoutError as error:
            raise self.error(f"did not say {word!r} within {seconds:.0f} s") from error

    def heard(self, word: str) -> str | None:
        """Do the same without waiting. Return None if the line has not come yet; raise ChildError if it ended."""
        try:
            return self._line(word, time.monotonic())
        except TimeoutError:
            return None

    def _line(self, word: str, deadline: float) -> str:
        while True:
            line, end, rest = self._buffer.partition(b"\n")
            if not end:
                self._read(deadline)
                continue
            self._buffer = rest
            if line.startswith(word.encode()):
                return line[len(word) :].decode().strip()

    def _read(self, deadline: float) -> None:
        assert self._process.stdout is not None
        left = max(0.0, deadline - time.monotonic())
        if not select.select([self._process.stdout], [], [], left)[0]:
            raise TimeoutError
        data = os.read(self._process.stdout.fileno(), 65536)
        if not data:
            raise self.error("ended")
        self._buffer += data

    def wait_for(self, path: Path, seconds: float = READY_SECONDS) -> None:
        """Wait until it has created the file `path`."""
        wait_until(lambda: path.exists() or self._process.poll() is not None, seconds)
        if not path.exists():
            raise self.error("was not ready")

    def error(self, what: str) -> ChildError:
        """Return an error that shows the end of the log."""
        tail = self._log.read_text(errors="replace")[-3000:]
        return ChildError(f"{self.name} {what} (exit status {self._process.poll()})\n{tail}")

    def stop(self) -> None:
        """Ask it to stop by closing its input and by SIGTERM; then kill its whole group."""
        assert self._process.stdin is not None
        with suppress(OSError):  # It is gone already.
            self._process.stdin.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        # Kill the rest of its group, including its own children.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
