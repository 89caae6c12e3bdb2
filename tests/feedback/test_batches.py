"""Events that are taken together leave the same rows as events that are taken one by one."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy
from flask import Flask
from sqlalchemy import delete, insert, select, update

from notifier.bounces.reasons import Reason
from notifier.extensions import db
from notifier.feedback import series
from notifier.feedback.events import EventKind, FeedbackEvent
from notifier.feedback.intake import Taken
from notifier.models import (
    CampaignRun,
    Consent,
    Effect,
    Feedback,
    Notification,
    Preference,
    ProviderHold,
    Status,
    Suppression,
)
from notifier.services import services_of
from notifier.testing.factories import make_user
from tests.support.applications import NOON
from tests.support.campaigns import make_campaign, make_people, start_run
from tests.support.feedback import event, key_of, put_run, row, send, suppression

pytestmark = pytest.mark.usefixtures("frozen")

#: Few people, so that many events concern the same email, or another one of the same person.
PEOPLE = ("ada@gmail.com", "bob@gmail.com", "cy@googlemail.com", "dee@custom.example", "eve@outlook.com")
#: Three emails of each; the ledger may say this of them.
OF_EACH = 3
STATUSES = (Status.sent, Status.sent, Status.sent, Status.sent, Status.unknown, Status.sending, Status.failed)
REASONS = (
    Reason.USER_UNKNOWN, Reason.USER_UNKNOWN, Reason.MAILBOX_FULL, Reason.MAILBOX_FULL, Reason.AUTHENTICATION,
    Reason.AUTHENTICATION, Reason.ABUSE, Reason.EXPIRED, Reason.TOO_BIG,
)  # fmt: skip


def take_all(app: Flask, events: Sequence[FeedbackEvent]) -> list[Taken | None]:
    """Take these events in one transaction."""
    taken = services_of(app).intake.take_all(db.session(), events)
    db.session.commit()
    return taken


class World:
    """Emails to a few people, from which everything that feedback changes can be removed."""

    def __init__(self, app: Flask, chance: random.Random) -> None:
        self.app, self.chance = app, chance
        message = send(app)
        self.template = dict(
            db.session.execute(select(Notification.__table__).where(Notification.id == key_of(message)))
            .mappings()
            .one()
        )
        self.users = [make_user(address).id for address in PEOPLE]
        campaign = make_campaign()
        make_people(1)
        self.run_id = start_run(campaign)
        self.rows = list(self._rows())

    def _rows(self) -> Iterator[dict[str, Any]]:
        for number, (address, user_id) in enumerate(zip(PEOPLE * OF_EACH, self.users * OF_EACH, strict=True)):
            at = NOON - timedelta(days=number // len(PEOPLE))
            yield self.template | {
                "id": 5000 + number, "dedupe_key": f"batch:{number}", "recipient": address, "user_id": user_id,
                "status": self.chance.choice(STATUSES).value, "message_id": None, "sent_at": at, "run_id": self.run_id,
                "unknowns": self.chance.choice((0, 0, 0, 1)), "transport": "smtp", "server_id": f"Q{number}",
                "created_at": NOON - timedelta(days=9),
            }  # fmt: skip

    def begin(self) -> None:
        """Store the emails as they were before anything came back."""
        db.session.rollback()
        for model in (Feedback, Suppression, Consent, Preference, ProviderHold):
            db.session.execute(delete(model))
        db.session.execute(delete(Notification).where(Notification.id >= 5000))
        db.session.execute(insert(Notification.__table__), self.rows)
        put_run(self.run_id, state="done", totals=dict(Counter(each["status"] for each in self.rows)))

    def events(self, number: int) -> list[FeedbackEvent]:
        """Make so many events: some come again, and some prove nothing."""
        made: list[FeedbackEvent] = []
        for _ in range(number):
            if made and self.chance.random() < 0.15:
                made.append(self.chance.choice(made))
                continue
            made.append(self._event(self.chance.choice(self.rows)))
        return made

    def _event(self, of: dict[str, Any]) -> FeedbackEvent:
        chance, reason = self.chance, self.chance.choice(REASONS)
        ids = services_of(self.app).sender.composer.ids
        made = ids.make(of["id"], of["dedupe_key"], of["id_key"])
        values: dict[str, Any] = {"happened_at": NOON - timedelta(days=chance.choice((0, 0, 1, 3, 5)))}
        how = chance.random()
        if how < 0.1:
            values["kind"] = chance.choice((EventKind.delivered, EventKind.auto_reply))
        if how > 0.9:
            made = f"{of['id']}.{'a' * 16}"
        elif how > 0.85:
            made, values = "", values | {"server_ids": (of["server_id"],), "is_signed": True, "source": "ses"}
        return event(made, reason, **values)

    def state(self) -> list[Any]:
        """All that came of it, without the keys of rows that it made."""
        db.session.rollback()
        events = dict(db.session.execute(select(Feedback.id, Feedback.event_id)).all())
        found: list[Any] = []
        for model in (Feedback, Suppression, Consent, Preference, ProviderHold, Notification, CampaignRun):
            rows = db.session.execute(select(model.__table__)).mappings()
            own = {"id"} if model in {Feedback, Suppression, Consent} else set()
            each = [
                {name: events.get(value) if name == "feedback_id" else value for name, value in row.items()
                 if name not in own} for row in rows
            ]  # fmt: skip
            found.append(sorted(map(repr, each)))
        return found


def result(taken: Taken | None) -> tuple[object, ...] | None:
    return None if taken is None else (taken.is_new, taken.effect, taken.notification_id)


@pytest.mark.parametrize("seed", range(4))
def test_any_events_in_batches_of_any_size_do_the_same_as_one_by_one(
    context: Flask, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "OVER", timedelta(hours=24))
    monkeypatch.setattr(services_of(context).intake._consequences, "_witnesses", 1)
    chance = random.Random(seed)
    world = World(context, chance)
    events = world.events(45)
    outcomes = []
    for size in (1, chance.randrange(2, 12), len(events)):
        world.begin()
        taken = [
            each for start in range(0, len(events), size) for each in take_all(context, events[start : start + size])
        ]
        outcomes.append((list(map(result, taken)), world.state()))
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]
    effects = {each[1] for each in outcomes[0][0] if each is not None}
    assert effects >= {Effect.suppressed, Effect.complained, Effect.waiting, Effect.none}


def test_a_bounce_and_a_complaint_of_one_email_in_one_batch(context: Flask) -> None:
    message = send(context)
    bounce, complaint = event(message.notifier_id), event(message.notifier_id, Reason.ABUSE)
    taken = take_all(context, [bounce, complaint, bounce])
    assert [each.effect for each in taken if each] == [Effect.suppressed, Effect.complained, Effect.none]
    assert [each.is_new for each in taken if each] == [True, True, False]
    assert row(key_of(message)).status == Status.complained
    found = suppression(message.recipient)
    assert found is not None
    assert found.reason == "complaint"


def test_an_email_that_is_being_sent_holds_up_no_other(context: Flask) -> None:
    first, second = send(context), send(context)
    db.session.execute(update(Notification).where(Notification.id == key_of(first)).values(status=Status.sending))
    db.session.commit()
    taken = take_all(context, [event(first.notifier_id), event(second.notifier_id)])
    assert taken[0] is None
    assert row(key_of(second)).status == Status.bounced
    assert [each.notification_id for each in db.session.scalars(select(Feedback))] == [key_of(second)]


def test_a_batch_needs_few_statements(context: Flask) -> None:
    events = [event(send(context).notifier_id) for _ in range(30)]
    told: list[str] = []

    def tell(*args: Any) -> None:
        told.append(args[2])

    sqlalchemy.event.listen(db.engine, "before_cursor_execute", tell)
    take_all(context, events)
    sqlalchemy.event.remove(db.engine, "before_cursor_execute", tell)
    assert len(told) <= 12
