"""What came back, for tests. All functions need an application context."""

from datetime import datetime
from itertools import count
from typing import Any

from flask import Flask
from sqlalchemy import delete, insert, select

from notifier import clock
from notifier.bounces.names import Claim
from notifier.bounces.reasons import RULES, Reason, Verdict, verdict_of
from notifier.extensions import db
from notifier.feedback.events import EventKind, FeedbackEvent
from notifier.feedback.intake import Taken
from notifier.mail.message import Message
from notifier.models import CampaignRun, Effect, Feedback, Notification, Suppression
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import make_owed

QUEUED = Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, 250, "2.0.0", "Ok: queued as 4F2AB12345")

_numbers = count(1)


def send(app: Flask, pk: int | None = None, answer: Outcome = QUEUED) -> Message:
    """Let the application make one attempt of this email, or of a new one. Return what the mail server was handed."""
    server = FakeMailServer(answer).attach(app)
    services_of(app).sender.deliver([make_owed(next(_numbers)) if pk is None else pk])
    db.session.rollback()
    (handed,) = server.handed
    return handed.message


def key_of(message: Message) -> int:
    """The key of an email's row."""
    return int(message.notifier_id.partition(".")[0])


def send_many(app: Flask, number: int) -> list[str]:
    """Store this many emails that were sent, each to another person. Return their ids, as return paths carry them."""
    pk = key_of(send(app))
    template = dict(db.session.execute(select(Notification.__table__).where(Notification.id == pk)).mappings().one())
    db.session.execute(delete(Notification).where(Notification.id == pk))
    rows = [
        template | {"id": 1000 + n, "dedupe_key": f"k:{n}", "recipient": f"u{n}@example.com", "message_id": None}
        for n in range(number)
    ]
    db.session.execute(insert(Notification.__table__), rows)
    db.session.commit()
    ids = services_of(app).sender.composer.ids
    return [ids.make(each["id"], each["dedupe_key"], each["id_key"]) for each in rows]


def claim(notifier_id: str, source: str = "return_path") -> Claim:
    """What an email says that names this id."""
    pk, _, mac = notifier_id.partition(".")
    return Claim(source, int(pk), mac)


def event(notifier_id: str = "", reason: Reason = Reason.USER_UNKNOWN, **values: Any) -> FeedbackEvent:
    """An event that no other call made, with a claim of this id."""
    complaint = reason is Reason.ABUSE
    made: dict[str, Any] = {
        "source": "email",
        "event_id": f"event-{next(_numbers)}",
        "kind": EventKind.complaint if complaint else EventKind.bounce,
        "verdict": Verdict.NONE if complaint else verdict_of(reason),
        "reason": reason,
        "code": 550,
        "enhanced": "5.1.1",
        "text": "5.1.1 no such user",
        "happened_at": clock.now(),
        "claims": (claim(notifier_id),) if notifier_id else (),
    }
    return FeedbackEvent(**made | values)


def take(app: Flask, *events: FeedbackEvent) -> list[Taken]:
    """Take these events, each in a transaction of its own, as a door does."""
    results = []
    for each in events:
        results.append(services_of(app).intake.take(db.session(), each))
        db.session.commit()
    return results


def row(pk: int) -> Notification:
    """The row of an email as it is stored now."""
    db.session.rollback()
    return db.session.get_one(Notification, pk, populate_existing=True)


def suppression(address: str) -> Suppression | None:
    """The suppression of this address as it is stored now."""
    db.session.rollback()
    query = select(Suppression).where(Suppression.identity_key == address)
    return db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def feedback() -> list[Feedback]:
    """All that came back."""
    db.session.rollback()
    return list(db.session.scalars(select(Feedback).order_by(Feedback.id)))


def store(pk: int, provider: str, reason: Reason, effect: Effect, **values: Any) -> None:
    """Add the row of an event about this email, as the intake would: for tests that only count rows. No commit."""
    complaint = reason is Reason.ABUSE
    made: dict[str, Any] = {
        "source": "email",
        "event_id": f"event-{next(_numbers)}",
        "kind": EventKind.complaint.value if complaint else EventKind.bounce.value,
        "verdict": Verdict.NONE.value if complaint else verdict_of(reason).value,
        "reason": reason.value,
        "rule_version": RULES,
        "notification_id": pk,
        "matched_by": "verp",
        "proven": True,
        "provider": provider,
        "happened_at": clock.now(),
        "effect": effect.value,
    }
    db.session.add(Feedback(**made | values))


def put_run(run_id: int, **values: Any) -> None:
    """Change a run behind the back of the code."""
    run = db.session.get_one(CampaignRun, run_id)
    for name, value in values.items():
        setattr(run, name, value)
    db.session.commit()


def everything() -> tuple[list[Any], ...]:
    """All that feedback may change, to compare."""
    db.session.rollback()
    rows = db.session.execute(select(Notification.id, Notification.status, Notification.settled_at)).all()
    suppressed = db.session.execute(select(Suppression.identity_key, Suppression.reason)).all()
    stored = db.session.execute(select(Feedback.id, Feedback.effect)).all()
    return sorted(map(tuple, rows)), sorted(map(tuple, suppressed)), sorted(map(tuple, stored))


def at(text: str) -> datetime:
    """The moment of this text."""
    return datetime.fromisoformat(text)
