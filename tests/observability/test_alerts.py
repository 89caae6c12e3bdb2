"""Each alert with a fault planted in the real service: quiet before it, firing, and quiet when it is gone."""

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import update

from notifier import clock, ledger
from notifier.bounces.reasons import Reason
from notifier.extensions import db
from notifier.models import Campaign, Notification, Status, TransportState
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import FakeMailServer
from tests.support import prometheus
from tests.support.applications import make_owed
from tests.support.feedback import event, send, take
from tests.support.needs import need
from tests.support.prometheus import Timeline

pytestmark = pytest.mark.usefixtures("frozen")

UNCERTAIN = Outcome(Decision.UNKNOWN, Phase.EOD, Scope.MESSAGE, text="no reply")
HELD = Outcome(Decision.HOLD, Phase.AUTH, Scope.TRANSPORT, 535, "5.7.8", "authentication failed")


@pytest.fixture(autouse=True)
def _promtool() -> None:
    need(prometheus.find, "PROMTOOL")


@pytest.fixture
def app(sqlite_app: Flask) -> Flask:
    return sqlite_app


@pytest.fixture
def time(context: Flask, frozen: time_machine.Traveller) -> Timeline:
    return Timeline(context, frozen)


def owe(number: int, **values: object) -> int:
    pk = make_owed(number)
    if values:
        db.session.execute(update(Notification).where(Notification.id == pk).values(**values))
        db.session.commit()
    return pk


def deliver(app: Flask, *pks: int, answer: Outcome | None = None) -> None:
    (FakeMailServer() if answer is None else FakeMailServer(answer)).attach(app)
    services_of(app).sender.deliver(list(pks))


def test_an_email_of_a_persons_own_that_nobody_sends(context: Flask, time: Timeline, tmp_path: Path) -> None:
    pk = owe(1)
    before, late = time.go(2), time.go(2)
    deliver(context, pk)
    after = time.go(2)
    time.assert_alert("NotifierEmailsLate", tmp_path, quiet=[before, after], firing=[late], queue="transactional")


def test_emails_are_due_and_none_is_accepted(context: Flask, time: Timeline, tmp_path: Path) -> None:
    deliver(context, owe(1))
    before = time.go(6)
    waiting = [owe(number) for number in range(2, 5)]
    still, stuck = time.go(3), time.go(6)
    deliver(context, *waiting)
    after = time.go(2)
    time.assert_alert("NotifierNothingAccepted", tmp_path, quiet=[before, still, after], firing=[stuck])


def test_beat_is_silent(context: Flask, time: Timeline, tmp_path: Path) -> None:
    tick = services_of(context).tick
    before = time.go(3, tick.run)
    silent = time.go(4)
    after = time.go(2, tick.run)
    time.assert_alert("NotifierBeatSilent", tmp_path, quiet=[before, after], firing=[silent])


def test_beat_that_never_ran_is_silent_too(time: Timeline, tmp_path: Path) -> None:
    time.assert_alert("NotifierBeatSilent", tmp_path, quiet=[], firing=[time.go(2)])


def test_a_run_is_missed(context: Flask, time: Timeline, tmp_path: Path) -> None:
    at = clock.now() + timedelta(minutes=1)
    news = Campaign(
        name="news", title="News", kind="announcement", every=86_400, start_at=at, next_slot=at, next_run_at=at,
        settings={"subject": "News", "heading": "News", "paragraphs": ["One."]},
    )  # fmt: skip
    db.session.add(news)
    db.session.commit()
    before, missed = time.go(4), time.go(6)
    services_of(context).tick.run()
    after = time.go(2)
    time.assert_alert("NotifierRunMissed", tmp_path, quiet=[before, after], firing=[missed], campaign="news")


def test_the_last_transport_is_held(context: Flask, time: Timeline, tmp_path: Path) -> None:
    before = time.go(2)
    deliver(context, *(owe(number) for number in range(1, 4)), answer=HELD)
    assert db.session.query(TransportState).filter(TransportState.held_since.is_not(None)).count() == 1
    held = time.go(10)
    db.session.execute(update(Notification).values(next_attempt_at=clock.now(), enqueue_at=clock.now()))
    db.session.commit()
    deliver(context, 1)  # the probe
    deliver(context, 2, 3)
    after = time.go(2)
    time.assert_alert("NotifierAllTransportsHeld", tmp_path, quiet=[before, after], firing=[held])


def test_metrics_are_missing(time: Timeline, tmp_path: Path) -> None:
    before, short, gone, after = time.go(3), time.skip(6), time.skip(12), time.go(3)
    time.assert_alert("NotifierMetricsMissing", tmp_path, quiet=[before, short, after], firing=[gone])


def test_uncertain_emails_wait_for_a_decision(context: Flask, time: Timeline, tmp_path: Path) -> None:
    before = time.go(2)
    deliver(context, owe(1, on_unknown="ask"), answer=UNCERTAIN)
    soon, waiting = time.go(10), time.go(10)
    ledger.decide_unknown(db.session(), [Notification.id == 1], Status.sent, now=clock.now(), operator="ada")
    db.session.commit()
    after = time.go(2)
    time.assert_alert("NotifierUnknownOpen", tmp_path, quiet=[before, soon, after], firing=[waiting])


def test_a_lease_is_overdue_and_no_sweep_gives_it_back(context: Flask, time: Timeline, tmp_path: Path) -> None:
    ledger.claim(db.session(), [owe(1)], now=clock.now(), lease=timedelta(seconds=90), owner="a worker that is gone")
    db.session.commit()
    before, overdue = time.go(2), time.go(10)
    services_of(context).sweep.run()
    after = time.go(2)
    time.assert_alert("NotifierLeaseOverdue", tmp_path, quiet=[before, after], firing=[overdue])


def test_nobody_reads_the_queue_of_campaigns(context: Flask, time: Timeline, tmp_path: Path) -> None:
    late = owe(1, bulk=True, run_id=7)
    before = time.go(10)
    waiting = time.go(10, lambda: deliver(context, owe(100 + time.now)))
    deliver(context, late)
    after = time.go(2)
    time.assert_alert("NotifierQueueWithoutReader", tmp_path, quiet=[before, after], firing=[waiting], queue="bulk")


@pytest.mark.parametrize("name", ["NotifierBurnsBudgetFast", "NotifierBurnsBudgetSlowly"])
def test_too_many_emails_are_late(name: str, context: Flask, frozen: time_machine.Traveller, tmp_path: Path) -> None:
    """One of ten takes 20 seconds: twenty times what the promise allows."""
    time, numbers = Timeline(context, frozen, step=timedelta(minutes=2)), iter(range(1, 10_000))

    def send_some(late: bool) -> None:
        owed = clock.now() - timedelta(seconds=20 if late else 1)
        deliver(context, *(owe(next(numbers), owed_at=owed) for _ in range(2)))

    before = time.go(15, lambda: send_some(late=False))
    burning = time.go(20, lambda: send_some(late=True))
    after = time.go(30, lambda: send_some(late=False))
    time.assert_alert(name, tmp_path, quiet=[before, after], firing=[burning])


def test_people_report_spam(context: Flask, frozen: time_machine.Traveller, tmp_path: Path) -> None:
    time = Timeline(context, frozen, step=timedelta(minutes=60))
    sent = [send(context) for _ in range(3)]
    before = time.go(2)
    sent += [send(context) for _ in range(3)]
    take(context, event(sent[0].notifier_id, Reason.ABUSE))
    reported, after = time.go(4), time.go(26)
    time.assert_alert("NotifierComplaints", tmp_path, quiet=[before, after], firing=[reported], provider="other")


def test_emails_go_to_dead_addresses(context: Flask, frozen: time_machine.Traveller, tmp_path: Path) -> None:
    time = Timeline(context, frozen, step=timedelta(minutes=30))
    first = send(context)
    take(context, event(first.notifier_id))
    before = time.go(2)
    take(context, event(send(context).notifier_id))
    dead, after = time.go(3), time.go(14, lambda: send(context))
    time.assert_alert("NotifierHardBounces", tmp_path, quiet=[before, after], firing=[dead])
