"""No page waits for a look, whatever hangs; and nothing that hangs costs a second thread."""

import threading
import time

from notifier.observability.asking import Asker
from notifier.observability.check import HealthCheck
from notifier.observability.watch import Watch
from tests.support.working import eventually

WELL = HealthCheck("broker", ok=True, detail="answers")


def test_a_question_without_an_answer_fails_in_time_and_is_asked_once() -> None:
    go, asked = threading.Event(), []

    def hang() -> HealthCheck:
        asked.append(1)
        go.wait(20)
        return HealthCheck("mail server", ok=True, detail="answers")

    asker, began = Asker(patience=0.2), time.monotonic()
    probes = {"mail server": hang, "broker": lambda: WELL}
    for _ in range(3):
        hung, well = asker.ask(probes)
        assert (hung.ok, hung.name, well) == (False, "mail server", WELL)
    assert time.monotonic() - began < 5
    assert len(asked) == 1
    go.set()
    eventually(lambda: all(check.ok for check in asker.ask(probes)), "it answers again", 10)


def test_an_error_becomes_a_failing_check() -> None:
    def breaks() -> HealthCheck:
        raise ConnectionError

    (check,) = Asker().ask({"broker": breaks})
    assert (check.ok, check.detail) == (False, "could not be checked: ConnectionError")


def test_the_newest_look_comes_at_once_and_changes_by_itself() -> None:
    go, state = threading.Event(), {"ok": False}

    def look() -> list[HealthCheck]:
        go.wait(20)
        return [HealthCheck("broker", ok=state["ok"], detail="x")]

    watch = Watch(look, ["smtp"], every=0.05)
    try:
        began = time.monotonic()
        assert watch.latest() is None
        assert time.monotonic() - began < 1
        go.set()
        eventually(lambda: watch.latest() is not None, "a look", 10)
        found = watch.latest()
        assert found is not None
        assert [problem.key for problem in found.problems] == ["broker"]
        state["ok"] = True
        eventually(lambda: (newest := watch.latest()) is not None and not newest.problems, "it is well again", 10)
    finally:
        go.set()
        watch.stop()


def test_without_an_interval_there_is_no_watch() -> None:
    watch = Watch(lambda: [WELL], ["smtp"], every=0)
    assert watch.latest() is None
    assert threading.active_count() == len(threading.enumerate())
    assert not [thread for thread in threading.enumerate() if thread.name == "watch"]
