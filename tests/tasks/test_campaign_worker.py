"""A campaign through a real worker: from its slot to the mail server, and who changes their mind on the way."""

import json
import threading
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import select, update

from notifier import clock
from notifier.delivery.claiming import RECHECK_TTL_SECONDS
from notifier.delivery.recheck import RecheckResult
from notifier.extensions import db
from notifier.ledger import Claimed
from notifier.models import CampaignRun, Notification, User
from notifier.services import services_of
from notifier.smtp.connection_count import ConnectionCount
from notifier.tasks.queues import BULK, CONTROL, EXPANSION
from notifier.testing.smtp_server import EVERYTHING, Session, SmtpServer
from tests.support.campaigns import CONTENT, expand, make_campaign, make_people, start_run
from tests.support.services import job
from tests.support.working import eventually, statuses, working

# The worker's own loop warns of what is none of ours.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
)


def ask(app: Flask, query: Any) -> Any:
    with app.app_context():
        return db.session.scalars(query).all()


def waiting(broker: "redis.Redis", queue: str) -> list[dict[str, Any]]:
    """The messages of a queue as the broker has them: headers, and what is in the bodies."""
    messages = [json.loads(message) for message in broker.lrange(queue, 0, -1)]
    return [message | {"body": json.loads(b64decode(message["body"]))} for message in messages]


def test_a_due_campaign_becomes_mail_and_the_broker_sees_keys_only(
    live_app: Flask, broker: "redis.Redis", smtp: SmtpServer
) -> None:
    """Each queue has its worker in turn, so that one can look at what lies in the next one."""
    with live_app.app_context():
        slot = clock.now().replace(microsecond=0) - timedelta(seconds=1)
        words = CONTENT | {"subject": "Canary words"}
        make_campaign("canary-name", once_at=slot, cron=None, next_slot=slot, next_run_at=slot, settings=words)
        people = make_people(5, display_name="Canary Person")
    job(live_app, "tick").apply_async()
    seen = waiting(broker, CONTROL)
    with working(live_app, [CONTROL]):
        eventually(lambda: broker.llen(EXPANSION) == 1, "the tick calls for the expansion")
    (run_id,) = ask(live_app, select(CampaignRun.id))
    seen += waiting(broker, EXPANSION)
    with working(live_app, [EXPANSION]):
        eventually(lambda: ask(live_app, select(CampaignRun.state)) == ["sending"], "the run is expanded")
    keys = ask(live_app, select(Notification.id).order_by(Notification.id))
    seen += waiting(broker, BULK)
    assert [(each["headers"]["task"], each["body"][:2]) for each in seen] == [
        ("notifier.tick", [[], {}]),
        ("notifier.expand_run", [[run_id], {}]),
        ("notifier.deliver_batch", [[keys], {}]),
    ]
    told = json.dumps(seen).lower()
    assert "canary" not in told
    assert "example.com" not in told

    with working(live_app, [BULK, CONTROL]):
        eventually(lambda: set(statuses(live_app)) == {"sent"}, "all are sent")
        job(live_app, "tick").apply_async()
        eventually(lambda: ask(live_app, select(CampaignRun.state)) == ["done"], "the run is over")
    assert sorted(mail.rcpt_to for mail in smtp.accepted) == sorted((f"user{n + 1}@example.com",) for n in range(5))
    assert all(b"Subject: Canary words" in mail.data for mail in smtp.accepted)
    assert ask(live_app, select(CampaignRun.totals)) == [{"sent": len(people)}]


class Slow:
    """Keeps the reply to the first mail until somebody lets it go."""

    def __init__(self) -> None:
        self.holds, self.go = threading.Event(), threading.Event()

    def __call__(self, session: Session) -> None:
        if session.mails == 1 and not self.go.is_set():
            self.holds.set()
            self.go.wait(20)


@contextmanager
def held(smtp: SmtpServer) -> Iterator[None]:
    """While the mail server has the first mail and does not answer."""
    smtp.script["eod"] = slow = Slow()
    try:
        yield
    finally:
        slow.go.set()


def reminders(app: Flask, count: int) -> list[int]:
    """The keys of reminders that a run owes so many people."""
    told: list[int] = []
    with app.app_context():
        slot = clock.now().replace(microsecond=0)
        make_people(count, created_at=slot - timedelta(days=1, hours=1), verified_at=None)
        expand(start_run(make_campaign(kind="verification_reminder", next_run_at=None), slot), told)
    return told


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "one by one"])
def test_whoever_verifies_while_an_earlier_mail_of_the_batch_is_slow_gets_no_reminder(
    live_app: Flask, smtp: SmtpServer, pipelining: bool
) -> None:
    smtp.ehlo = EVERYTHING if pipelining else ("8BITMIME", "SMTPUTF8")
    services_of(live_app).transports.primary.count = ConnectionCount(1)
    keys = reminders(live_app, 4)
    with held(smtp), working(live_app, [BULK]):
        job(live_app, "deliver_batch").apply_async((keys,), queue=BULK)
        slow: Slow = smtp.script["eod"]  # type: ignore[assignment]
        assert slow.holds.wait(10)
        assert statuses(live_app) == ["sending"] * 4
        with live_app.app_context():
            db.session.execute(update(User).values(verified_at=clock.now()))
            db.session.commit()
        # A look that was taken before holds for a second.
        time.sleep(RECHECK_TTL_SECONDS + 0.1)
        slow.go.set()
        eventually(lambda: not {"sending", "pending"} & set(statuses(live_app)), "all have ended")
    rows = ask(live_app, select(Notification).order_by(Notification.id))
    # With PIPELINING the second was made and announced already: it is given up right before its body.
    assert [(row.status, row.reason) for row in rows] == [("sent", None)] + [
        ("skipped", "the address is confirmed already")
    ] * 3
    assert [mail.rcpt_to for mail in smtp.accepted] == [("user1@example.com",)]


def test_a_database_that_takes_longer_than_a_recheck_holds_stops_no_campaign(
    live_app: Flask, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each email would wait for a recheck of its own, which is over when it arrives."""
    keys = reminders(live_app, 40)
    recheck = services_of(live_app).sender.recheck
    looks: list[int] = []
    loads: list[int] = []

    def slow(rows: Sequence[Claimed], **given: Any) -> RecheckResult:
        looks.append(len(rows))
        time.sleep(0.2)
        return recheck.__class__.look(recheck, rows, **given)

    def load(session: object, rows: Sequence[Claimed]) -> dict[int, Any]:
        loads.append(len(rows))
        return {}

    monkeypatch.setattr(recheck, "look", slow)
    monkeypatch.setattr(services_of(live_app).kinds["verification_reminder"], "load", load)
    monkeypatch.setattr("notifier.delivery.claiming.RECHECK_TTL_SECONDS", 0.05)
    with live_app.app_context():
        services_of(live_app).sender.deliver(keys, bulk=True)
    assert len(smtp.accepted) == 40
    assert len(looks) <= 10
    assert loads == [40]
