"""The supervisor with children that misbehave, and with real workers that have children of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifier.dev.datalock import InUseError, data_lock
from notifier.dev.ports import free_port, wait_until
from notifier.dev.process import die_with_parent
from tests.support.family import descendants, is_alive

ROOT = Path(__file__).parents[2]
FAKE = ROOT / "tests" / "support" / "fake_child.py"


def _as_from_a_terminal() -> None:
    """Whoever runs the tests in the background or under nohup has these two ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    die_with_parent()


class Stack:
    """A supervisor in a process of its own, with a journal that its children write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.output = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def fake(self, name: str, *options: str, ready: bool = True, **fields: Any) -> dict[str, Any]:
        """A child that is ready when its ready file is there."""
        argv = [sys.executable, "-S", "-E", str(FAKE), name, str(self.journal), *options]
        if not ready:
            return {"name": name, "argv": argv, **fields}
        file = str(self.folder / f"{name}.ready")
        return {"name": name, "argv": [*argv, "--ready", file], "ready_file": file, **fields}

    def start(self, *waves: list[dict[str, Any]]) -> None:
        """Start; see `wait_for` to know how far it is."""
        plan = self.folder / "plan.json"
        plan.write_text(json.dumps(waves))
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.supervise", str(plan)],
                stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, preexec_fn=_as_from_a_terminal,
            )  # fmt: skip

    def wait_for(self, text: str, seconds: float = 40) -> None:
        """Wait until the output or the journal has `text`."""
        assert wait_until(lambda: text in self.said() + self.noted(), seconds), self.said() + self.noted()

    def said(self) -> str:
        return self.output.read_text()

    def noted(self) -> str:
        return self.journal.read_text() if self.journal.exists() else ""

    def events(self) -> list[str]:
        """The journal without process ids."""
        return [line.rpartition(" ")[0] for line in self.noted().splitlines()]

    def pids(self, what: str = "start") -> list[int]:
        """Who noted that event."""
        return [int(line.split()[2]) for line in self.noted().splitlines() if line.split()[1] == what]

    def end(self, how: signal.Signals, seconds: float = 40) -> int:
        """Send a signal to the supervisor and return its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(seconds)

    def wait(self, seconds: float = 40) -> int:
        """Its exit code, once it ends by itself."""
        assert self.process is not None
        return self.process.wait(seconds)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    if stack.process is not None and stack.process.poll() is None:
        stack.end(signal.SIGTERM)


def test_order_of_start_and_stop(stack: Stack) -> None:
    """A gate is ready before the next child starts; waves stop in reverse, each before the next."""
    stack.start([stack.fake("broker", "--ready-after", "0.2", gate=True)], [stack.fake("worker")], [stack.fake("web")])
    stack.wait_for("all ready")
    assert stack.end(signal.SIGTERM) == 0
    events = stack.events()
    assert events.index("broker ready") < events.index("worker start")
    assert events[-3:] == ["web stop", "worker stop", "broker stop"]
    assert not any(map(is_alive, stack.pids()))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP])
def test_other_polite_signals(stack: Stack, how: signal.Signals) -> None:
    stack.start([stack.fake("web")])
    stack.wait_for("all ready")
    assert stack.end(how) == 0
    assert stack.events()[-1] == "web stop"


def test_output_is_prefixed_and_kept(stack: Stack) -> None:
    stack.start([stack.fake("broker")], [stack.fake("web")])
    stack.wait_for("all ready")
    stack.end(signal.SIGTERM)
    assert "web    | hello from web" in stack.said()
    assert "hello from broker" in (stack.folder / "log" / "broker.log").read_text()


def test_a_full_log_volume_ends_nothing(stack: Stack) -> None:
    """Its lines are still shown, and one line says why its log has none."""
    log = stack.folder / "log" / "broker.log"
    log.parent.mkdir()
    log.symlink_to("/dev/full")
    stack.start([stack.fake("broker")], [stack.fake("web")])
    stack.wait_for("all ready")
    stack.wait_for("hello from broker")
    assert "No space left on device" in stack.said()
    assert stack.end(signal.SIGTERM) == 0
    assert stack.events()[-2:] == ["web stop", "broker stop"]


def test_restart_after_kill(stack: Stack) -> None:
    """A killed child comes back within a second, and the others do not notice."""
    stack.start([stack.fake("broker", "--fork", gate=True)], [stack.fake("web")])
    stack.wait_for("all ready")
    before = stack.pids()
    leader = stack.pids("ready")[0]
    os.kill(leader, signal.SIGKILL)
    killed_at = time.monotonic()
    stack.wait_for("SIGKILL; starting it again")
    assert wait_until(lambda: len(stack.pids("ready")) == 3, 5)
    assert time.monotonic() - killed_at < 2
    assert stack.events().count("web start") == 1
    forked = [pid for pid in before if pid not in stack.pids("ready")]
    assert not any(map(is_alive, forked)), "what a dead child forked must not keep its port"


def test_gives_up_with_the_last_lines(stack: Stack) -> None:
    """Three ends in a row: non-zero, the others stopped, the reason shown."""
    stack.start([stack.fake("web", gate=True)], [stack.fake("worker", "--live", "0.4")])
    assert stack.wait() == 1
    assert "worker ended with exit code 3, 3 times in a row" in stack.said()
    assert "goodbye, cruel world" in stack.said()
    assert stack.events()[-1] == "web stop"


def test_end_before_ready_is_reported_at_once(stack: Stack) -> None:
    stack.start([stack.fake("worker", "--ready-after", "0", "--live", "0", ready=False, ready_file="never")])
    assert stack.wait() == 1
    assert "worker ended with exit code 3 before it was ready" in stack.said()


def test_child_that_cannot_be_started(stack: Stack) -> None:
    """Whatever goes wrong, what runs is stopped."""
    stack.start([stack.fake("broker", gate=True)], [{"name": "web", "argv": ["no-such-program"]}])
    assert stack.wait() == 1
    assert stack.events()[-1] == "broker stop"


def test_deaf_child_is_killed(stack: Stack) -> None:
    stack.start([stack.fake("web", "--deaf", stop_seconds=0.3)])
    stack.wait_for("all ready")
    assert stack.end(signal.SIGTERM) == 0
    assert "did not stop in time" in stack.said()
    assert not any(map(is_alive, stack.pids()))


def test_second_ctrl_c_hurries(stack: Stack) -> None:
    stack.start([stack.fake("web", "--deaf", stop_seconds=30)])
    stack.wait_for("all ready")
    assert stack.process is not None
    stack.process.send_signal(signal.SIGINT)
    stack.wait_for("stopping")
    assert stack.end(signal.SIGINT, 5) == 0


def test_kill_9_leaves_nothing(stack: Stack) -> None:
    """Not even the children of celery's prefork pool and of gunicorn."""
    celery = [sys.executable, "-m", "celery", "-b", "memory://", "worker", "--pool", "prefork", "--concurrency", "2",
              "--without-gossip", "--without-mingle", "-n", "orphan@test"]  # fmt: skip
    app = "flask:Flask('orphan')"
    gunicorn = [sys.executable, "-m", "gunicorn", app, "--bind", f"127.0.0.1:{free_port()}", "--no-control-socket",
                "--workers", "1", "--threads", "2"]  # fmt: skip
    stack.start([stack.fake("fake", "--deaf"), {"name": "worker", "argv": celery}, {"name": "web", "argv": gunicorn}])
    stack.wait_for("all ready")
    assert stack.process is not None
    pid = stack.process.pid
    assert wait_until(lambda: len(descendants(pid)) >= 6, 20), descendants(pid)
    family = descendants(pid)
    assert stack.end(signal.SIGKILL) == -signal.SIGKILL
    assert wait_until(lambda: not any(map(is_alive, family)), 10), [pid for pid in family if is_alive(pid)]


def test_second_up_on_the_same_data(tmp_path: Path) -> None:
    with data_lock(tmp_path), pytest.raises(InUseError, match=rf"already running .*process {os.getpid()}.*--data-dir"):
        data_lock(tmp_path).__enter__()
    with data_lock(tmp_path):
        pass
