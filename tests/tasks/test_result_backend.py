"""`AsyncResult` of control tasks, and the progress of an expansion."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from celery.result import AsyncResult
from flask import Flask

from notifier import clock
from notifier.campaigns.expand import Expansion
from notifier.services import services_of
from notifier.tasks import progress, results
from notifier.tasks.queues import CONTROL, EXPANSION
from tests.support.services import job
from tests.support.working import eventually, working

#: The worker's own loop warns of what is none of ours.
LOOP = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
)


def result(app: Flask, task_id: str) -> AsyncResult:
    """As any program gets it that has the Celery object."""
    found: AsyncResult = services_of(app).celery.AsyncResult(task_id)
    return found


@LOOP
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_result_of_a_control_task_comes_by_its_id(app_on_either: Flask) -> None:
    with app_on_either.app_context():
        called = job(app_on_either, "purge").apply_async(queue=CONTROL)
    assert (called.state, called.ready()) == ("PENDING", False)
    with working(app_on_either, [CONTROL]):
        assert called.get(timeout=20)["task_results"] == 0
    found = result(app_on_either, called.id)
    assert (found.state, found.ready(), found.successful()) == ("SUCCESS", True, True)
    assert found.worker
    found.forget()
    assert result(app_on_either, called.id).state == "PENDING"


def test_an_error_comes_by_its_name_alone(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("ada@example.com")

    monkeypatch.setattr(services_of(app).sweep, "run", broken)
    with app.app_context():
        job(app, "sweep").apply(task_id="broken")
    found = result(app, "broken")
    assert (found.state, found.failed()) == ("FAILURE", True)
    assert type(found.result).__name__ == "RuntimeError"
    assert "ada" not in str(found.result)


def test_sending_is_not_found_there(app: Flask) -> None:
    with app.app_context():
        job(app, "deliver_notification").apply((1,), task_id="sending")
    assert result(app, "sending").state == "PENDING"


def test_an_expansion_tells_how_far_it_is(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Any]] = []
    told = results.progressed

    def look(*arguments: Any) -> None:
        told(*arguments)
        found = result(app, "expansion")
        seen.append((found.state, found.info))

    monkeypatch.setattr(results, "progressed", look)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    numbers = [{"current": 2, "total": 5, "planned": 1}, {"current": 4, "total": 5, "planned": 3}]

    def run(_self: Expansion, _run_id: int, told: Any) -> bool:
        for each in numbers:
            told(**each)
        return True

    monkeypatch.setattr(Expansion, "run", run)
    with app.app_context():
        job(app, "expand_run").apply((1,), task_id="expansion")
    assert seen == [("PROGRESS", each) for each in numbers]
    assert result(app, "expansion").result == {"run": 1, "expanded": 1}


def test_progress_is_told_once_a_second_at_most(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, int]] = []
    monkeypatch.setattr(results, "progressed", lambda celery, task_id, meta: told.append(meta))

    def run(_self: Expansion, _run_id: int, told: Any) -> bool:
        for current in range(50):
            told(current=current)
        return True

    monkeypatch.setattr(Expansion, "run", run)
    with app.app_context():
        job(app, "expand_run").apply((1,), task_id="expansion")
    assert told == [{"current": 0}]


@LOOP
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_events_of_progress_reach_those_who_listen(live_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Flower does; the broker is real, the expansion is not."""

    def run(_self: Expansion, _run_id: int, told: Any) -> bool:
        told(current=1, total=2, planned=1)
        return True

    monkeypatch.setattr(Expansion, "run", run)
    celery, heard = services_of(live_app).celery, list[dict[str, Any]]()
    with celery.connection_for_read() as connection, working(live_app, [EXPANSION]):

        def hear(event: dict[str, Any]) -> None:
            heard.append(event)
            receiver.should_stop = True

        receiver = celery.events.Receiver(connection, handlers={"task-progress": hear})
        listening = threading.Thread(target=receiver.capture, kwargs={"timeout": 20, "wakeup": False})
        listening.start()

        def expanded() -> bool:
            job(live_app, "expand_run").apply_async((7,), queue=EXPANSION)
            listening.join(0.5)
            return not listening.is_alive()

        eventually(expanded, "an event is heard", 20)
    assert [(each["type"], each["result"]) for each in heard] == [
        ("task-progress", "{'current': 1, 'total': 2, 'planned': 1}")
    ]


def test_results_are_kept_as_long_as_the_setting_says(make_app: Callable[..., Flask]) -> None:
    app = make_app(task_results_kept=2)
    for days, left in ((1.9, "SUCCESS"), (2.1, "PENDING")):
        with app.app_context():
            job(app, "tick").apply(task_id="tick")
        with time_machine.travel(clock.now() + timedelta(days=days)), app.app_context():
            job(app, "purge").apply(task_id=f"purge {days}")
            assert result(app, "tick").state == left
