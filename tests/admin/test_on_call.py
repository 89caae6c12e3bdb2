"""The banner, the page Held and the tasks without those that did nothing."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from notifier import clock
from notifier.extensions import db
from notifier.models import PaceState, TaskResult, TransportState
from notifier.observability.check import HealthCheck
from notifier.observability.watch import Watch
from notifier.services import services_of
from notifier.testing.operators import Desk
from tests.support.applications import make_owed
from tests.support.services import replace_services
from tests.support.working import eventually


@pytest.fixture
def here(request: pytest.FixtureRequest, desk: Callable[..., Desk], app: Flask) -> Desk:
    if "frozen" in request.fixturenames:
        request.getfixturevalue("frozen")
    replace_services(app, probes=list)
    return desk()


def test_a_page_never_waits_for_a_look_and_shows_it_when_it_is_there(app: Flask, here: Desk) -> None:
    checks: list[HealthCheck] = []

    def slow() -> list[HealthCheck]:
        time.sleep(0.5)
        return checks

    watch = Watch(slow, ["smtp"], every=0.05)
    replace_services(app, watch=watch)
    try:
        checks.append(HealthCheck("broker", ok=False, detail="<b>away</b>"))
        assert "The broker does not answer." not in here.get("/admin/people/").text, "it did not wait"
        eventually(lambda: "The broker does not answer." in here.get("/admin/people/").text, "the banner", 10)
        page = here.get("/admin/").text
        assert 'data-trouble="broker"' in page
        assert "docs/runbook.md#the-broker-is-away" in page
        checks.clear()
        eventually(lambda: "data-trouble" not in here.get("/admin/health/banner").text, "it is gone", 10)
    finally:
        watch.stop()


def test_no_banner_for_what_a_person_may_decide_later(app: Flask, here: Desk) -> None:
    watch = Watch(lambda: [HealthCheck("unknown", ok=False, detail="x")], ["smtp"], every=60)
    replace_services(app, watch=watch)
    try:
        assert [problem.key for problem in watch.look().problems] == ["unknown"]
        assert "data-trouble" not in here.get("/admin/health/banner").text
    finally:
        watch.stop()


def test_the_health_page_shows_the_newest_look_and_looks_again_when_it_is_asked(app: Flask, here: Desk) -> None:
    looks: list[int] = []

    def look() -> list[HealthCheck]:
        time.sleep(0.3)
        looks.append(1)
        return [HealthCheck("broker", ok=True, detail=f"look {len(looks)}")]

    watch = Watch(look, ["smtp"], every=60)
    replace_services(app, watch=watch)
    try:
        watch.look()
        page = here.get("/admin/health/").text
        assert ("look 1" in page, "Checked" in page) == (True, True)
        eventually(lambda: len(looks) == 2, "the watch that the page woke looks once", 10)
        assert "look 2" in here.get("/admin/health/").text
        assert "look 3" in here.get("/admin/health/?look=now").text
    finally:
        watch.stop()


def test_what_is_held_is_shown_with_its_text(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    with app.app_context():
        later = clock.now() + timedelta(minutes=1)
        said = {"phase": "auth", "code": 535, "text": "<i>no</i>"}
        db.session.add(TransportState(name="smtp", held_since=clock.now(), next_probe_at=later, probes=0, **said))
        db.session.add(PaceState(key="domain:slow.example", until=later, level=1))
        times = {"next_attempt_at": later, "enqueue_at": later}
        make_owed(1, reason_code="transport_held", **times)
        make_owed(2, reason_code="transport_held", **times)
        make_owed(3, **times)
        db.session.commit()
    page = here.get("/admin/held/now").text
    assert "while signing in: 535 &lt;i&gt;no&lt;/i&gt;" in page
    assert 'data-label="Emails that wait" class="right">2<' in page
    assert "slow.example" in page
    assert "it asked us to slow down" in page
    numbers = here.get("/admin/now").text
    assert "<strong>2</strong> <span>held</span>" in numbers
    assert "<strong>1</strong> <span>scheduled</span>" in numbers
    assert "<strong>0</strong> <span>overdue</span>" in numbers


def test_tasks_that_did_nothing_are_left_out(app: Flask, here: Desk) -> None:
    with app.app_context():
        for number, idle in enumerate((True, False)):
            result = {"enqueued": 0 if idle else 7}
            done = {"name": "notifier.sweep", "state": "SUCCESS", "result": result, "idle": idle}
            db.session.add(TaskResult(task_id=str(number), **done))
        db.session.commit()
    assert here.get("/admin/tasks/").text.count("<code>notifier.sweep</code>") == 1
    assert here.get("/admin/tasks/?idle=show").text.count("<code>notifier.sweep</code>") == 2
    assert services_of(app).watch.latest() is None
