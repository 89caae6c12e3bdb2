"""What waits for a rate limit goes out at that rate: real pumps, a real Redis-protocol server, real SMTP."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from flask import Flask
from sqlalchemy import select

from notifier import clock, ledger
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Notification
from notifier.services import services_of
from notifier.tasks.queues import BULK, EXPANSION, TRANSACTIONAL
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.smtp_server import SmtpServer
from tests.support.applications import make_user
from tests.support.campaigns import make_campaign, make_people, start_run
from tests.support.services import job
from tests.support.working import eventually, statuses, working

# The worker's own loop warns of what is none of ours.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
)

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


def start(app: Flask, count: int, **values: object) -> int:
    """A run of a campaign for so many new people, expanded as a worker does it. Returns the campaign's key."""
    name = f"campaign-{count}"
    with app.app_context():
        make_people(count)
        campaign = make_campaign(name, next_run_at=None, **values)
        run_id = start_run(campaign, clock.now().replace(microsecond=0))
        services_of(app).expansion.run(run_id)
        return campaign.id


@contextmanager
def pumping(*apps: Flask, bulk: Sequence[bool] = (True,)) -> Iterator[None]:
    """A pump for each of these applications, as two sending processes have them."""
    pumps = [pump for app in apps if (pump := services_of(app).make_pump(bulk)) is not None]
    for pump in pumps:
        pump.start()
    try:
        yield
    finally:
        for pump in pumps:
            pump.stop(10)


@pytest.fixture
def twin(make_app: Callable[..., Flask], live_app: Flask, valkey: ValkeyServer, smtp: SmtpServer) -> Flask:
    """Another process, as far as limits and rows can tell."""
    return make_app(redis_url=valkey.url, mail_server=smtp.host, mail_port=smtp.port, mail_suppress_send=False)


def fullest(moments: Sequence[float]) -> int:
    """The most moments in any second."""
    return max(sum(start <= moment < start + 1 for moment in moments) for start in moments)


def to(smtp: SmtpServer, end: str) -> list[float]:
    """When the emails to addresses with this end were accepted."""
    return [mail.time for mail in smtp.accepted if mail.rcpt_to[0].endswith(end)]


@postgres
def test_two_pumps_send_a_campaign_at_its_rate(live_app: Flask, twin: Flask, smtp: SmtpServer) -> None:
    """With a sweep alone it was 41 %: two seconds at the rate, and then three without a mail."""
    start(live_app, 120, rate=40)
    with pumping(live_app, twin):
        eventually(lambda: set(statuses(live_app)) == {"sent"}, "all are sent", seconds=20)
    moments = sorted(mail.time for mail in smtp.accepted)
    # The last one is due 3 s after the first. On a machine with other work the first ones may be late.
    assert 2 < moments[-1] - moments[0] < 4
    assert fullest(moments) <= 50
    assert len({mail.rcpt_to for mail in smtp.accepted}) == len(moments) == 120
    with live_app.app_context():
        assert set(db.session.scalars(select(Notification.claims))) == {1}


@postgres
def test_the_run_is_closed_with_its_last_email(live_app: Flask) -> None:
    start(live_app, 3, rate=100)
    with pumping(live_app):

        def state() -> list[str]:
            with live_app.app_context():
                return list(db.session.scalars(select(CampaignRun.state)))

        eventually(lambda: state() == ["done"], "the run is over")


@postgres
def test_two_campaigns_share_the_limit_of_all_emails(make_app: Callable[..., Flask], valkey: ValkeyServer,
                                                     broker: "redis.Redis", smtp: SmtpServer) -> None:  # fmt: skip
    app = make_app(
        redis_url=valkey.url, mail_server=smtp.host, mail_port=smtp.port, mail_suppress_send=False, mail_rate=30
    )
    first, second = start(app, 60), start(app, 61)
    with pumping(app):
        eventually(lambda: statuses(app).count("sent") >= 60, "half of them are sent", seconds=20)
    with app.app_context():
        sent = select(Notification.campaign_id).where(Notification.status == "sent").order_by(Notification.sent_at)
        shares = db.session.scalars(sent.limit(60)).all()
    assert abs(shares.count(first) - shares.count(second)) <= 20
    assert fullest([mail.time for mail in smtp.accepted]) <= 36


@postgres
def test_while_campaigns_wait_the_slots_of_a_worker_are_free(live_app: Flask, smtp: SmtpServer) -> None:
    """All queues in one worker, several slow campaigns: a person's own email goes at once."""
    for count in (31, 32, 33, 34, 35):
        start(live_app, count, rate=1)
    with live_app.app_context():
        row = ledger.add(
            db.session(), kind="verification", user=make_user(), dedupe_key="own", now=clock.now(), grace=timedelta(0)
        )
        db.session.commit()
        pk = row.id
    with working(live_app, [TRANSACTIONAL, BULK, EXPANSION]):
        eventually(lambda: len(smtp.accepted) >= 5, "each campaign has begun")
        began = time.monotonic()
        job(live_app, "deliver_notification").apply_async((pk,))
        eventually(lambda: ("ada@example.com",) in {mail.rcpt_to for mail in smtp.accepted}, "it is sent")
    assert time.monotonic() - began < 2


@postgres
def test_people_go_before_a_campaign_where_both_are_limited(
    make_app: Callable[..., Flask], valkey: ValkeyServer, broker: "redis.Redis", smtp: SmtpServer
) -> None:
    app = make_app(
        redis_url=valkey.url, mail_server=smtp.host, mail_port=smtp.port, mail_suppress_send=False, mail_rate=40
    )
    start(app, 200)
    with app.app_context():
        pks = []
        for number in range(20):
            user = make_user(f"person{number}@example.org")
            owed = ledger.add(
                db.session(), kind="verification", user=user, dedupe_key=f"own:{number}", now=clock.now(),
                grace=timedelta(0),
            )  # fmt: skip
            db.session.flush()
            pks.append(owed.id)
        db.session.commit()
    with pumping(app, bulk=(False, True)):
        eventually(lambda: len(smtp.accepted) >= 10, "the campaign has begun")
        with app.app_context():
            ledger.wait_for_turn(db.session(), pks, now=clock.now())
            db.session.commit()
        began = time.monotonic()

        eventually(lambda: len(to(smtp, "@example.org")) == 20, "the people have their email")
    # 20 take half a second, a look takes another half, and half a second was given to the campaign before.
    assert time.monotonic() - began < 3
    assert fullest([mail.time for mail in smtp.accepted]) <= 50


@postgres
def test_a_slow_domain_does_not_hold_back_the_others(
    make_app: Callable[..., Flask], valkey: ValkeyServer, broker: "redis.Redis", smtp: SmtpServer
) -> None:
    app = make_app(
        redis_url=valkey.url, mail_server=smtp.host, mail_port=smtp.port, mail_suppress_send=False,
        mail_rate_per_domain=5,
    )  # fmt: skip
    start(app, 100, rate=200)
    with app.app_context():
        rows = db.session.scalars(select(Notification).order_by(Notification.id)).all()
        for number, row in enumerate(rows[80:]):
            row.recipient = f"someone@d{number}.example"
        db.session.commit()
    with pumping(app):
        eventually(lambda: len(to(smtp, ".example")) == 20, "the other domains have their email")
    slow = to(smtp, "@example.com")
    assert len(slow) < 40
    assert fullest(slow) <= 7


@sqlite
def test_a_paused_run_waits_and_goes_on(live_app: Flask, smtp: SmtpServer) -> None:
    start(live_app, 100, rate=10)

    def set_state(state: str) -> None:
        with live_app.app_context():
            db.session.scalars(select(CampaignRun)).one().state = state
            db.session.commit()

    with pumping(live_app):
        eventually(lambda: len(smtp.accepted) >= 2, "it has begun")
        set_state("paused")
        time.sleep(1)
        stood = len(smtp.accepted)
        time.sleep(0.5)
        assert len(smtp.accepted) == stood
        set_state("sending")
        eventually(lambda: len(smtp.accepted) >= stood + 3, "it goes on")


@sqlite
def test_nothing_is_sent_from_a_restored_database(
    live_app: Flask, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pump asks what the tasks ask: whatever it sent would go out a second time."""
    held = True
    monkeypatch.setattr(services_of(live_app).hold, "is_held", lambda: held)
    start(live_app, 3, rate=100)
    with pumping(live_app):
        time.sleep(0.8)
        assert (len(smtp.accepted), set(statuses(live_app))) == (0, {"pending"})
        held = False
        eventually(lambda: set(statuses(live_app)) == {"sent"}, "all are sent once it is adopted")


@sqlite
def test_a_limit_that_is_taken_away_lets_all_of_them_go(live_app: Flask, smtp: SmtpServer) -> None:
    campaign_id = start(live_app, 50, rate=0.5)
    with live_app.app_context():
        db.session.get_one(Campaign, campaign_id).rate = None
        db.session.commit()
    with pumping(live_app):
        eventually(lambda: set(statuses(live_app)) == {"sent"}, "all are sent")


@sqlite
def test_redis_is_ready_before_an_email_waits(live_app: Flask, broker: "redis.Redis") -> None:
    """For two seconds it gives no moment to the first that asks: those were a person's."""
    with pumping(live_app, bulk=(False,)):
        eventually(lambda: bool(broker.exists("{notifier:limits}:since")), "the seconds have begun")
