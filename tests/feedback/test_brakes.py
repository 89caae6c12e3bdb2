"""Brakes: bounces and complaints pause a run, before the providers do."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import insert, select, update

from notifier import clock
from notifier.bounces.reasons import Reason
from notifier.campaigns import control
from notifier.extensions import db
from notifier.feedback import brakes
from notifier.models import Notification, RunState, Status
from notifier.services import services_of
from notifier.testing.mail_server import UNKNOWN_USER, FakeMailServer
from tests.support.campaigns import expand, make_campaign, make_people, run_row, start_run
from tests.support.feedback import QUEUED, event, put_run, take

pytestmark = pytest.mark.usefixtures("frozen")

Make = Callable[..., Flask]


@pytest.fixture
def small(make_app: Make) -> Flask:
    """Brakes that need few emails."""
    settings = {"mail_run_dead_least": 20, "mail_run_complaints": 0.1, "mail_run_complaints_least": 10}
    return make_app(publish=lambda keys, bulk: True, **settings)


def sent_run(app: Flask, number: int) -> tuple[int, list[str]]:
    """A run of so many emails that were sent, still open. Return its key and the ids of the emails."""
    make_people(number)
    run_id = start_run(make_campaign())
    keys: list[int] = []
    expand(run_id, keys)
    server = FakeMailServer(QUEUED).attach(app)
    services_of(app).sender.deliver(keys, bulk=True)
    db.session.rollback()
    put_run(run_id, state=RunState.sending.value)
    return run_id, [handed.message.notifier_id for handed in server.handed]


def test_too_many_dead_addresses_pause_the_run_at_the_first_one_too_many(small: Flask) -> None:
    with small.app_context():
        run_id, ids = sent_run(small, 60)
        take(small, event(ids[0]))
        assert run_row(run_id).state == RunState.sending
        take(small, event(ids[1], Reason.MAILBOX_FULL), event(ids[2], Reason.CONTENT))
        assert run_row(run_id).state == RunState.sending
        take(small, event(ids[3]))
        run = run_row(run_id)
        assert (run.state, run.reason_code) == (RunState.paused, "too_many_dead")
        assert run.reason == "2 of 60 addresses do not exist, more than 2 %"


def test_few_emails_say_nothing(small: Flask) -> None:
    with small.app_context():
        run_id, ids = sent_run(small, 19)
        take(small, *map(event, ids))
        assert run_row(run_id).state == RunState.sending


def test_refusals_by_the_mail_server_count_too(small: Flask) -> None:
    with small.app_context():
        run_id, _ = sent_run(small, 5)
        make_people(20)
        db.session.execute(update(Notification).values(run_id=run_id))
        db.session.commit()
        keys: list[int] = []
        other = start_run(make_campaign("others"))
        expand(other, keys)
        server = FakeMailServer(QUEUED).attach(small)
        server.answers["user6@example.com"] = UNKNOWN_USER
        services_of(small).sender.deliver(keys, bulk=True)
        assert (run_row(other).state, run_row(other).reason_code) == (RunState.paused, "too_many_dead")
        assert run_row(run_id).state == RunState.sending


def test_after_a_resume_only_new_emails_count(small: Flask, frozen: time_machine.Traveller) -> None:
    with small.app_context():
        run_id, ids = sent_run(small, 60)
        take(small, *map(event, ids[:2]))
        assert run_row(run_id).state == RunState.paused
        frozen.shift(timedelta(minutes=1))
        campaign = control.find(db.session(), "news")
        assert control.resume(db.session(), campaign) == [run_id]
        db.session.commit()
        put_run(run_id, state=RunState.sending.value)
        take(small, *map(event, ids[2:10]))
        assert run_row(run_id).state == RunState.sending
        now = clock.now() + timedelta(minutes=1)
        template = db.session.execute(select(Notification.__table__).limit(1)).mappings().one()
        fresh = [
            dict(template) | {"id": 1000 + n, "dedupe_key": f"fresh:{n}", "status": Status.sent, "sent_at": now}
            for n in range(20)
        ]
        fresh[0] |= {"status": Status.bounced, "reason_code": "address_dead"}
        db.session.execute(insert(Notification.__table__), fresh)
        db.session.commit()
        take(small, event(ids[10]))
        assert run_row(run_id).state == RunState.paused


def test_a_large_run_is_counted_now_and_then(small: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its emails, not its dead addresses: those decide when."""
    counted: list[int] = []
    answered = brakes._answered
    monkeypatch.setattr(brakes, "_answered", lambda *args: counted.append(args[2]) or answered(*args))
    monkeypatch.setattr(brakes, "_is_over", lambda *args: False)
    with small.app_context():
        _, ids = sent_run(small, 100)
        take(small, *map(event, ids))
    assert len(counted) == 62
