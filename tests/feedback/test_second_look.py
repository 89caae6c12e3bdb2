"""The sweep asks the brakes again: what came back early may be too much later."""

from collections.abc import Callable

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event as events
from sqlalchemy import update

from notifier.bounces.reasons import Reason
from notifier.extensions import db
from notifier.feedback.second_look import EVERY
from notifier.models import Notification, RunState, Status
from notifier.services import services_of
from notifier.testing.mail_server import FakeMailServer
from tests.support.campaigns import expand, make_campaign, make_people, run_row, start_run
from tests.support.feedback import QUEUED, event, put_run, take


@pytest.fixture
def small(make_app: Callable[..., Flask]) -> Flask:
    settings = {"mail_run_dead_least": 20, "mail_run_complaints": 0.1, "mail_run_complaints_least": 10}
    return make_app(publish=lambda keys, bulk: True, **settings)


class Begun:
    """A run to 40 people, of whom eight were sent their email."""

    def __init__(self, app: Flask, frozen: time_machine.Traveller) -> None:
        make_people(40)
        self.clock = frozen
        self.app, self.pk, keys = app, start_run(make_campaign()), list[int]()
        expand(self.pk, keys)
        server = FakeMailServer(QUEUED).attach(app)
        services_of(app).sender.deliver(keys[:8], bulk=True)
        db.session.rollback()
        put_run(self.pk, state=RunState.sending.value)
        self.ids, self.others = [handed.message.notifier_id for handed in server.handed], keys[8:]

    def send_others(self) -> None:
        sent = update(Notification).where(Notification.id.in_(self.others)).values(status=Status.sent)
        db.session.execute(sent)
        db.session.commit()

    def look(self) -> int:
        self.clock.shift(EVERY)
        return services_of(self.app).second_look.run()


def test_complaints_before_the_least_number_stop_the_run_later(small: Flask, frozen: time_machine.Traveller) -> None:
    with small.app_context():
        run = Begun(small, frozen)
        take(small, *(event(each, Reason.ABUSE) for each in run.ids[:5]))
        assert (run.look(), run_row(run.pk).paused_providers) == (0, {})
        run.send_others()
        assert run.look() == 1
        assert run_row(run.pk).reason_code == "too_many_complaints"
        assert run.look() == 0


def test_dead_addresses_before_the_least_number_stop_it_later(small: Flask, frozen: time_machine.Traveller) -> None:
    with small.app_context():
        run = Begun(small, frozen)
        take(small, *map(event, run.ids[:5]))
        assert run.look() == 0
        run.send_others()
        assert run.look() == 1
        assert (run_row(run.pk).state, run_row(run.pk).reason_code) == (RunState.paused, "too_many_dead")


def test_a_run_with_few_of_them_costs_three_queries(small: Flask, frozen: time_machine.Traveller) -> None:
    with small.app_context():
        run = Begun(small, frozen)
        take(small, event(run.ids[0], Reason.ABUSE))
        run.send_others()
        queries: list[str] = []
        events.listen(db.engine, "before_cursor_execute", lambda *args: queries.append(args[2]))
        assert run.look() == 0
        assert services_of(small).second_look.run() == 0
        asked = [each for each in queries if each.startswith("SELECT")]
        assert len([each for each in asked if "notifier_notifications" in each]) == 2
        assert len(asked) == 3
