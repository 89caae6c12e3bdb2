"""Ask several things at once, within a time, in threads that never keep a process from ending.

A server that hangs holds its thread for as long as its client waits. So each question has one thread at most: while
that one waits for an answer, asking again waits for the same answer.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from notifier.observability.check import HealthCheck

#: Seconds that all probes together may take.
PROBES_TIMEOUT_SECONDS = 6.0

#: A probe gives one check, or several that belong together.
Probe = Callable[[], HealthCheck | Sequence[HealthCheck]]


class Asker:
    """Ask probes, each in a thread of its own. Threads may share an instance."""

    def __init__(self, *, patience: float = PROBES_TIMEOUT_SECONDS) -> None:
        """Wait `patience` seconds for all answers together."""
        self._patience = patience
        self._asked: dict[str, _Question] = {}
        self._lock = threading.Lock()

    def ask(self, probes: Mapping[str, Probe]) -> list[HealthCheck]:
        """Return the checks in the order of `probes`. One without an answer in time fails under its name."""
        until = time.monotonic() + self._patience
        questions = {name: self._question(name, probe) for name, probe in probes.items()}
        return [check for name, question in questions.items() for check in self._answer(name, question, until)]

    def _question(self, name: str, probe: Probe) -> "_Question":
        with self._lock:
            asked = self._asked.get(name)
            if asked is None or asked.done.is_set():
                asked = self._asked[name] = _Question(name, probe)
            return asked

    def _answer(self, name: str, question: "_Question", until: float) -> Sequence[HealthCheck]:
        if not question.done.wait(max(0.0, until - time.monotonic())):
            return [HealthCheck(name, ok=False, detail=f"did not answer within {self._patience:.0f} s")]
        if question.error is not None:
            detail = f"could not be checked: {type(question.error).__name__}"
            return [HealthCheck(name, ok=False, detail=detail)]
        return question.checks


class _Question:
    def __init__(self, name: str, probe: Probe) -> None:
        self.done = threading.Event()
        self.checks: Sequence[HealthCheck] = ()
        self.error: Exception | None = None
        threading.Thread(target=self._run, args=(probe,), name=f"probe {name}", daemon=True).start()

    def _run(self, probe: Probe) -> None:
        try:
            answer = probe()
            self.checks = [answer] if isinstance(answer, HealthCheck) else answer
        except Exception as error:
            # Any error of any client: it becomes a failing check.
            self.error = error
        finally:
            self.done.set()


def ask(probes: Mapping[str, Probe], *, patience: float = PROBES_TIMEOUT_SECONDS) -> list[HealthCheck]:
    """Ask these probes once. One without an answer after `patience` seconds fails."""
    return Asker(patience=patience).ask(probes)
