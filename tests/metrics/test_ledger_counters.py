"""What the database counts itself equals the ledger, whoever writes it, and however often it is folded."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, insert, select, text, update

from notifier import ledger
from notifier.extensions import db
from notifier.metrics.catalogue import ENQUEUED, NOTIFICATIONS, UNKNOWN
from notifier.metrics.folding import fold
from notifier.models import MetricTotal, Notification, Status, Tally
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import NOON, make_owed
from tests.support.feedback import event, key_of, send, take
from tests.support.metrics import at_rest, counted, scraped, statuses

pytestmark = pytest.mark.usefixtures("frozen")

UNCERTAIN = Outcome(Decision.UNKNOWN, Phase.EOD, Scope.MESSAGE, text="no reply")
REFUSED = Outcome(Decision.BOUNCE, Phase.RCPT, Scope.RECIPIENT, 550, "5.1.1", "no such user")


def deliver(app: Flask, *pks: int, answer: Outcome | None = None) -> None:
    server = FakeMailServer() if answer is None else FakeMailServer(answer)
    server.attach(app)
    services_of(app).sender.deliver(list(pks))


def test_every_way_to_rest_is_counted_as_the_ledger_has_it(context: Flask) -> None:
    sent, refused, expired, waiting = (make_owed(number) for number in range(1, 5))
    deliver(context, sent)
    deliver(context, refused, answer=REFUSED)
    db.session.execute(update(Notification).where(Notification.id == expired).values(deadline=NOON))
    ledger.expire(db.session(), now=NOON, limit=10)
    db.session.commit()
    assert statuses() == {"sent": 1, "failed": 1, "expired": 1, "pending": 1}
    assert counted(NOTIFICATIONS) == at_rest()
    assert counted(ENQUEUED) == {("queued",): 4.0}
    assert waiting


def test_an_email_that_bounced_counts_as_sent_and_as_bounced(context: Flask) -> None:
    message = send(context)
    take(context, event(message.notifier_id))
    kind = db.session.get_one(Notification, key_of(message)).kind
    assert counted(NOTIFICATIONS) == {(kind, "sent"): 1.0, (kind, "bounced"): 1.0}


def test_an_uncertain_end_is_counted_by_the_policy_and_again_when_it_happens_again(context: Flask) -> None:
    ask, again = make_owed(1), make_owed(2)
    db.session.execute(update(Notification).where(Notification.id == ask).values(on_unknown="ask"))
    db.session.commit()
    deliver(context, ask, again, answer=UNCERTAIN)
    db.session.execute(update(Notification).values(next_attempt_at=NOON, enqueue_at=NOON))
    db.session.commit()
    deliver(context, again, answer=UNCERTAIN)
    assert counted(UNKNOWN) == {("ask",): 1.0, ("resend",): 2.0}
    assert sum(counted(UNKNOWN).values()) == db.session.scalar(select(func.sum(Notification.unknowns)))


def test_a_statement_by_hand_is_counted_and_one_that_was_rolled_back_is_not(context: Flask) -> None:
    make_owed(1), make_owed(2)
    db.session.execute(text("UPDATE notifier_notifications SET status = 'cancelled'"))
    db.session.rollback()
    assert counted(NOTIFICATIONS) == {}
    db.session.execute(text("UPDATE notifier_notifications SET status = 'cancelled'"))
    db.session.commit()
    db.session.execute(text("UPDATE notifier_notifications SET status = 'cancelled', reason = 'again'"))
    db.session.commit()
    assert counted(NOTIFICATIONS) == at_rest()
    assert sum(counted(NOTIFICATIONS).values()) == 2


def test_many_rows_of_one_statement_are_counted_with_those_that_come_to_rest_at_once(context: Flask) -> None:
    make_owed(1)
    row = dict(db.session.execute(select(Notification.__table__)).mappings().one())
    del row["id"]
    rows = [
        row | {"dedupe_key": f"x:{number}", "status": status}
        for number, status in enumerate(["pending", "skipped", "skipped", "suppressed"])
    ]
    db.session.execute(insert(Notification.__table__), rows)
    db.session.commit()
    assert counted(ENQUEUED) == {("queued",): 2.0, ("skipped",): 2.0, ("suppressed",): 1.0}
    assert counted(NOTIFICATIONS) == at_rest()


def test_folding_changes_no_number_and_leaves_no_tally(context: Flask) -> None:
    for number in range(1, 8):
        deliver(context, make_owed(number))
    before = counted(NOTIFICATIONS), counted(ENQUEUED)
    folded = fold(db.session, chunk=2)
    assert (counted(NOTIFICATIONS), counted(ENQUEUED)) == before
    assert db.session.scalar(select(func.count()).select_from(Tally)) == 0
    assert folded >= (14 if db.engine.dialect.name == "postgresql" else 0)
    deliver(context, make_owed(9))
    fold(db.session)
    assert counted(NOTIFICATIONS) == at_rest()
    assert db.session.scalar(select(func.count()).select_from(MetricTotal)) == len(counted(NOTIFICATIONS)) + 1


def test_a_row_that_is_deleted_later_stays_counted(context: Flask) -> None:
    send(context)
    before = counted(NOTIFICATIONS)
    db.session.execute(text("DELETE FROM notifier_notifications"))
    db.session.commit()
    assert counted(NOTIFICATIONS) == before != {}


def test_a_scrape_shows_what_the_ledger_has(context: Flask) -> None:
    deliver(context, make_owed(1), make_owed(2))
    shown = scraped(context)["notifier_notifications_total"]
    kind = db.session.scalars(select(Notification.kind)).first()
    assert shown[(("kind", str(kind)), ("to", "sent"))] == 2
    assert {labels: number for labels, number in shown.items() if number} == {
        (("kind", kind), ("to", to)): number for (kind, to), number in at_rest().items()
    }


def test_lateness_begins_when_the_email_was_first_due(context: Flask) -> None:
    late = make_owed(1)
    values = {"created_at": NOON - timedelta(days=2), "owed_at": NOON - timedelta(seconds=20)}
    db.session.execute(update(Notification).where(Notification.id == late).values(values))
    db.session.commit()
    deliver(context, late)
    buckets = scraped(context)["notifier_owed_to_accepted_seconds_bucket"]
    at = {dict(labels)["le"]: number for labels, number in buckets.items()}
    assert (at["10.0"], at["30.0"], at["+Inf"]) == (0, 1, 1)
    assert Status.sent in statuses()
