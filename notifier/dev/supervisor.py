"""Keep a set of processes running, and leave nothing behind.

A single thread reads the children's output, notices their ends, and restarts them. Without other threads, forking is
safe, and the kernel's signal for a dead parent (bound to the thread that forked) is reliable.
"""

import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from notifier.dev.child import Child, Process
from notifier.dev.console import Console

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Patience:
    """Times of waiting and of giving up, in seconds."""

    first_pause: float = 0.3
    longest_pause: float = 10.0
    #: Give up after this many ends in a row, none of them after `stable` seconds of running.
    failures: int = 6
    stable: float = 20.0
    ready: float = 90.0
    tick: float = 0.1


class GivenUpError(Exception):
    """A child does not start, or ends again and again. The text has its last lines."""


class _Stopped(Exception):
    """A signal asked us to stop."""


class Supervisor:
    """Waves of children: started in order and stopped in reverse, the children of a wave together."""

    def __init__(
        self, waves: list[list[Child]], *, cwd: Path, log_dir: Path, console: Console,
        patience: Patience | None = None,
    ) -> None:  # fmt: skip
        self._waves = [[Process(child, cwd, log_dir) for child in wave] for wave in waves]
        self._console = console
        self._patience = patience or Patience()
        self._signals = 0

    def run(self, when_ready: Callable[[], None]) -> None:
        """Start all, call `when_ready` once all work, wait for a signal, stop all.

        Raise GivenUpError if a child fails; the children are stopped in any case.
        """
        with self._handlers():
            try:
                self._start()
                when_ready()
                self._watch()
            except _Stopped:
                self._console.say("stopping")
            finally:
                self._stop()

    @property
    def _all(self) -> list[Process]:
        return [process for wave in self._waves for process in wave]

    @contextmanager
    def _handlers(self) -> Iterator[None]:
        # Under nohup SIGHUP is ignored, so that the stack outlives the terminal.
        wanted = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._on_signal) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _start(self) -> None:
        for process in self._all:
            process.start(time.monotonic())
            if process.child.gate:
                self._wait_ready([process])
        self._wait_ready(self._all)

    def _wait_ready(self, waiting: list[Process]) -> None:
        """Wait until a child works. One that ends before is not restarted: it would end again."""
        deadline = time.monotonic() + self._patience.ready
        while waiting := [process for process in waiting if not process.is_ready()]:
            self._pump()
            for process in self._all:
                if process.has_ended:
                    raise self._given_up(process, f"{process.how_it_ended} before it was ready")
            if time.monotonic() > deadline:
                raise self._given_up(waiting[0], f"was not ready after {self._patience.ready:g} s")

    def _watch(self) -> None:
        while True:
            self._pump()
            now = time.monotonic()
            for process in self._all:
                if process.has_ended:
                    self._note_end(process, now)
                elif process.retry_at is not None and now >= process.retry_at:
                    process.start(now)

    def _note_end(self, process: Process, now: float) -> None:
        how = process.how_it_ended
        self._drain(process)
        process.bury()  # Its own children may still hold its port.
        process.failures = 1 if now - process.started_at > self._patience.stable else process.failures + 1
        if process.failures >= self._patience.failures:
            raise self._given_up(process, f"{how}, {process.failures} times in a row")
        pause = min(self._patience.first_pause * 2 ** (process.failures - 1), self._patience.longest_pause)
        process.retry_at = now + pause
        self._console.say(f"{process.child.name} {how}; starting it again in {pause:.1f} s")

    def _pump(self) -> None:
        """Pass on output for a moment. Raise _Stopped if a signal came."""
        self._pass_on(self._patience.tick)
        if self._signals:
            raise _Stopped

    def _pass_on(self, seconds: float) -> None:
        open_outputs = {p.output: p for p in self._all if p.output is not None and p.is_running}
        if not open_outputs:
            time.sleep(seconds)
            return
        ready, _, _ = select.select(list(open_outputs), [], [], seconds)
        for output in ready:
            self._echo(open_outputs[output])

    def _echo(self, process: Process) -> bool:
        lines = process.read_lines()
        for line in lines or []:
            self._console.line(process.child.name, line)
        return lines is not None

    def _drain(self, process: Process) -> None:
        while self._echo(process):
            pass

    def _given_up(self, process: Process, why: str) -> GivenUpError:
        self._drain(process)
        name = process.child.name
        tail = "\n".join(f"  {line}" for line in process.tail) or "  (no output)"
        return GivenUpError(f"{name} {why}. Its last lines:\n{tail}")

    def _stop(self) -> None:
        """Stop in reverse order; a second Ctrl-C kills immediately."""
        asked = self._signals
        for wave in reversed(self._waves):
            for process in wave:
                process.terminate()
            deadline = time.monotonic() + max((p.child.stop_seconds for p in wave), default=0.0)
            while any(p.is_running for p in wave) and time.monotonic() < deadline and self._signals == asked:
                self._pass_on(0.05)
            for process in wave:
                if process.is_running:
                    self._console.say(f"{process.child.name} did not stop in time: killed")
                self._drain(process)
                process.bury()
                process.close()
