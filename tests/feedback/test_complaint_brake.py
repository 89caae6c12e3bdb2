"""Complaints at one provider stop a run's emails to that provider; the others go on, and an operator decides."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from notifier import clock
from notifier.bounces.reasons import Reason
from notifier.campaigns import control
from notifier.campaigns.explanations import ROW, Row, explain_row
from notifier.extensions import db
from notifier.models import CampaignRun, DomainProvider, Notification, RunState, Status, User
from notifier.services import services_of
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import NOON
from tests.support.campaigns import expand, make_campaign, make_people, run_row, start_run
from tests.support.feedback import QUEUED, event, put_run, take

pytestmark = pytest.mark.usefixtures("frozen")

WORDS = "2 of 10 people at Gmail reported it as spam, more than 10 %: its emails to Gmail are paused"


@pytest.fixture
def small(make_app: Callable[..., Flask]) -> Flask:
    """A brake that needs ten emails to a provider."""
    settings = {"mail_run_dead_least": 20, "mail_run_complaints": 0.1, "mail_run_complaints_least": 10}
    return make_app(publish=lambda keys, bulk: True, **settings)


class Run:
    """A run to 40 people, the first 20 at Gmail, the others at example.com. Of each half ten emails were sent."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        for pk in make_people(40)[:20]:
            address = f"user{pk}@gmail.com"
            db.session.execute(update(User).where(User.id == pk).values(email=address, identity_key=address))
        db.session.commit()
        self.pk = start_run(make_campaign())
        expand(self.pk)
        self.keys = list(db.session.scalars(select(Notification.id).order_by(Notification.user_id)))
        db.session.rollback()
        put_run(self.pk, state=RunState.sending.value)
        self.server = FakeMailServer(QUEUED).attach(app)
        self.send(self.keys[:10] + self.keys[20:30])
        self.ids = [handed.message.notifier_id for handed in self.server.handed]

    @property
    def row(self) -> CampaignRun:
        return run_row(self.pk)

    def send(self, keys: list[int]) -> list[str]:
        """Send these emails. Return the domains that the mail server was handed."""
        before = len(self.server.handed)
        services_of(self.app).sender.deliver(keys, bulk=True)
        db.session.rollback()
        return [handed.message.recipient.partition("@")[2] for handed in self.server.handed[before:]]

    def complain(self, *numbers: int) -> None:
        take(self.app, *(event(self.ids[number], Reason.ABUSE) for number in numbers))

    def resume(self) -> bool:
        resumed = control.resume_run(db.session(), control.find_run(db.session(), self.pk))
        db.session.commit()
        services_of(self.app).run_effects.resumed([self.pk])
        return resumed


def test_complaints_pause_the_emails_to_their_provider_with_the_reason(small: Flask) -> None:
    with small.app_context():
        run = Run(small)
        run.complain(0, 10)
        assert run.row.paused_providers == {}
        run.complain(1)
        row = run.row
        assert (row.state, row.reason_code, row.reason) == (RunState.sending, "too_many_complaints", WORDS)
        assert row.provider_brakes == {"gmail": {"at": NOON.isoformat(), "reason": WORDS, "paused": True}}


def test_the_other_providers_go_on_and_those_emails_wait_for_an_operator(small: Flask) -> None:
    with small.app_context():
        run = Run(small)
        run.complain(0, 1)
        assert run.send(run.keys[10:20] + run.keys[30:40]) == ["example.com"] * 10
        waiting = db.session.execute(select(*ROW).where(Notification.id == run.keys[10])).one()
        answer = explain_row(Row(*waiting), run.row, clock.now())
        assert (answer.code, answer.at) == ("paused", None)
        assert answer.words.startswith("as soon as its run is resumed: too many people at Gmail reported it as spam")
        db.session.rollback()
        assert run.resume()
        assert (run.row.reason, run.row.paused_providers) == (None, {})
        assert run.send(run.keys[10:20]) == ["gmail.com"] * 10
        assert not run.resume()


def test_domains_of_the_providers_customers_wait_too(small: Flask) -> None:
    with small.app_context():
        run = Run(small)
        db.session.add(DomainProvider(domain="example.com", provider="gmail", looked_up_at=clock.now()))
        db.session.commit()
        run.complain(0, 1, 10)
        assert "3 of 20 people at Gmail" in (run.row.reason or "")
        assert run.send(run.keys[10:20] + run.keys[30:40]) == []
        codes = db.session.scalars(select(Notification.reason_code).where(Notification.status == Status.pending)).all()
        assert codes == ["provider_paused"] * 20


def test_after_a_resume_only_new_emails_to_that_provider_count(small: Flask, frozen: time_machine.Traveller) -> None:
    with small.app_context():
        run = Run(small)
        run.complain(0, 1)
        frozen.shift(timedelta(minutes=1))
        run.resume()
        run.complain(*range(2, 10))
        assert run.row.paused_providers == {}
        run.send(run.keys[10:20])
        run.ids = [handed.message.notifier_id for handed in run.server.handed[20:]]
        run.complain(0)
        assert run.row.paused_providers == {}
        run.complain(1)
        assert list(run.row.paused_providers) == ["gmail"]


def test_dead_addresses_still_pause_the_whole_run_and_each_pause_is_lifted_by_itself(small: Flask) -> None:
    with small.app_context():
        run = Run(small)
        run.complain(0, 1)
        take(small, event(run.ids[12]))
        assert (run.row.state, run.row.reason_code) == (RunState.paused, "too_many_dead")
        assert run.resume()
        assert (run.row.state, run.row.reason) == (RunState.sending, WORDS)
        assert run.send(run.keys[10:20] + run.keys[30:40]) == ["example.com"] * 10
        assert run.resume()
        assert run.row.paused_providers == {}


def test_the_campaign_shows_it_among_its_paused_runs_and_resumes_it(small: Flask) -> None:
    with small.app_context():
        run = Run(small)
        run.complain(0, 1)
        campaign = control.find(db.session(), "news")
        assert [each.id for each in control.paused_runs(db.session(), campaign)] == [run.pk]
        assert control.resume(db.session(), campaign) == [run.pk]
        assert control.paused_runs(db.session(), campaign) == []


def test_emails_that_were_sent_to_it_and_came_back_count_among_the_people(small: Flask) -> None:
    with small.app_context():
        run = Run(small)
        take(small, event(run.ids[5], Reason.MAILBOX_FULL))
        run.complain(0, 1)
        assert run.row.reason == WORDS
        statuses = db.session.scalars(select(Notification.status).where(Notification.id.in_(run.keys[:6]))).all()
        assert sorted(statuses).count(Status.sent) == 3
