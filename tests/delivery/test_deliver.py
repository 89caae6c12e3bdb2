"""The spine: what each outcome does to the row, and who gets nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier import ledger
from notifier.consent import suppressions
from notifier.delivery import retry
from notifier.delivery.deliver import Sender, TransientDelivery
from notifier.delivery.staging import Staging
from notifier.delivery.verdict import COMPOSE_TRIES
from notifier.extensions import db
from notifier.models import Attempt, Notification, OnUnknown, Suppression, SuppressionReason, User
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import ACCEPTED, FakeMailServer, Handed
from tests.support.applications import NOON, make_settings, make_user

pytestmark = pytest.mark.usefixtures("frozen")


def outcome(decision: Decision, *, code: int | None = 450, min_delay: float = 0) -> Outcome:
    return Outcome(decision, Phase.RCPT, Scope.RECIPIENT, code, "4.2.0", "said so", min_delay)


def meanwhile(act: Callable[[], object]) -> Callable[[Handed], Outcome]:
    """The server accepts the email after something else has happened."""

    def answer(_: Handed) -> Outcome:
        act()
        return ACCEPTED

    return answer


@pytest.fixture
def mailer() -> FakeMailServer:
    return FakeMailServer()


@pytest.fixture
def sender(context: Flask, mailer: FakeMailServer) -> Sender:
    mailer.attach(context)
    return services_of(context).sender


@pytest.fixture
def user(context: Flask) -> User:
    return make_user(display_name="Ada")


@pytest.fixture
def pk(user: User) -> int:
    row = ledger.add(
        db.session(),
        kind="verification",
        user=user,
        dedupe_key="test:1",
        now=NOON,
        grace=timedelta(0),
        deadline=NOON + timedelta(hours=24),
    )
    db.session.commit()
    return row.id


def row_of(pk: int) -> Notification:
    db.session.rollback()
    return db.session.get_one(Notification, pk, populate_existing=True)


def test_an_accepted_mail_is_sent_once_whatever_happens(sender: Sender, mailer: FakeMailServer, pk: int) -> None:
    assert sender.deliver([pk]) == {Decision.ACCEPTED: 1}
    assert sender.deliver([pk]) == {}
    row = row_of(pk)
    assert (row.status, row.attempts, row.claims, row.sent_at) == ("sent", 1, 1, NOON)
    assert [message.recipient for message in mailer.sent] == ["ada@example.com"]
    assert row.message_id == mailer.sent[0].message_id
    assert row.template_version


def test_no_transaction_is_open_while_the_mail_is_on_the_wire(sender: Sender, mailer: FakeMailServer, pk: int) -> None:
    seen: list[bool] = []
    mailer.answer = meanwhile(lambda: seen.append(db.session().in_transaction()))
    sender.deliver([pk])
    assert seen == [False]


@pytest.mark.parametrize(
    ("decision", "status", "attempts", "minutes"),
    [
        (Decision.RETRY, "pending", 1, (0.5, 1)),
        (Decision.THROTTLE, "pending", 0, (0.5, 1)),
        (Decision.HOLD, "pending", 0, (0.5, 1)),
        (Decision.UNKNOWN, "pending", 1, (0.5, 1)),
        (Decision.FAIL, "failed", 1, None),
        (Decision.BOUNCE, "failed", 1, None),
    ],
)
def test_every_outcome_has_its_effect(
    sender: Sender,
    mailer: FakeMailServer,
    pk: int,
    decision: Decision,
    status: str,
    attempts: int,
    minutes: tuple[float, float] | None,
) -> None:
    mailer.answer = outcome(decision)
    assert sender.deliver([pk]) == {decision: 1}
    row = row_of(pk)
    assert (row.status, row.attempts, row.last_code, row.last_text) == (status, attempts, 450, "said so")
    if minutes:
        low, high = minutes
        assert timedelta(minutes=low) <= row.next_attempt_at - NOON <= timedelta(minutes=high)
        assert row.enqueue_at == row.next_attempt_at
    assert db.session.scalars(select(Attempt.decision)).all() == [decision]


def test_only_a_bounce_suppresses(sender: Sender, mailer: FakeMailServer, pk: int) -> None:
    mailer.answer = outcome(Decision.BOUNCE, code=550)
    sender.deliver([pk])
    suppression = db.session.scalars(select(Suppression)).one()
    assert (suppression.identity_key, suppression.reason, suppression.evidence) == (
        "ada@example.com",
        "hard_bounce",
        "550 said so",
    )


def test_a_bounce_suppresses_the_address_that_was_refused(
    sender: Sender, mailer: FakeMailServer, pk: int, user: User
) -> None:
    """The account has another address by now."""
    user.email = user.identity_key = "new@example.com"
    db.session.commit()
    mailer.answer = outcome(Decision.BOUNCE, code=550)
    sender.deliver([pk])
    assert db.session.scalars(select(Suppression.identity_key)).all() == ["ada@example.com"]


def test_the_bounce_of_the_staging_box_suppresses_nobody(sender: Sender, mailer: FakeMailServer, pk: int) -> None:
    """It is the box that does not exist, not the person whose mail was redirected to it."""
    sender.staging = Staging.from_settings(make_settings(mail_redirect_to="box@staging.example"))
    mailer.answer = outcome(Decision.BOUNCE, code=550)
    sender.deliver([pk])
    assert db.session.get_one(Notification, pk).status == "failed"
    assert not db.session.scalars(select(Suppression)).all()


def test_a_refusal_of_this_mail_does_not_suppress(sender: Sender, mailer: FakeMailServer, pk: int) -> None:
    mailer.answer = outcome(Decision.FAIL, code=554)
    sender.deliver([pk])
    assert db.session.scalars(select(Suppression)).all() == []


def test_an_unknown_end_is_left_alone_where_the_policy_says_never(
    sender: Sender, mailer: FakeMailServer, pk: int
) -> None:
    row_of(pk).on_unknown = OnUnknown.never
    db.session.commit()
    mailer.answer = outcome(Decision.UNKNOWN, code=None)
    sender.deliver([pk])
    assert (row_of(pk).status, row_of(pk).unknowns) == ("unknown", 1)


def test_every_try_has_the_same_message_id_and_link(
    sender: Sender, mailer: FakeMailServer, pk: int, frozen: time_machine.Traveller
) -> None:
    mailer.answer = outcome(Decision.UNKNOWN, code=None)
    sender.deliver([pk])
    frozen.shift(timedelta(minutes=2))
    mailer.answer = ACCEPTED
    sender.deliver([pk])
    first, second = mailer.sent
    assert first.message_id == second.message_id
    assert first.text == second.text
    assert row_of(pk).status == "sent"


def test_a_quick_try_leaves_the_row_due_with_the_sweep_behind_it(
    sender: Sender, mailer: FakeMailServer, pk: int
) -> None:
    mailer.answer = outcome(Decision.THROTTLE, code=421)
    with pytest.raises(TransientDelivery):
        sender.deliver([pk], quick_tries_left=1)
    row = row_of(pk)
    assert (row.status, row.attempts, row.next_attempt_at) == ("pending", 0, NOON)
    assert row.enqueue_at > NOON


def test_greylisting_waits_at_least_as_long_as_asked(sender: Sender, mailer: FakeMailServer, pk: int) -> None:
    mailer.answer = outcome(Decision.RETRY, min_delay=300)
    sender.deliver([pk])
    assert row_of(pk).next_attempt_at == NOON + timedelta(minutes=5)


def test_no_try_is_planned_after_the_deadline(sender: Sender, mailer: FakeMailServer, pk: int) -> None:
    row_of(pk).deadline = NOON + timedelta(seconds=10)
    db.session.commit()
    mailer.answer = outcome(Decision.RETRY)
    sender.deliver([pk])
    assert row_of(pk).next_attempt_at == NOON + timedelta(seconds=10)


def test_who_verified_meanwhile_gets_nothing(sender: Sender, mailer: FakeMailServer, pk: int, user: User) -> None:
    user.verified_at = NOON
    db.session.commit()
    assert sender.deliver([pk]) == {}
    assert (row_of(pk).status, row_of(pk).reason) == ("skipped", "verified meanwhile")
    assert mailer.sent == []


def test_who_is_suppressed_gets_nothing(sender: Sender, mailer: FakeMailServer, pk: int) -> None:
    suppressions.add(db.session(), "ada@example.com", reason=SuppressionReason.complaint, source="report", evidence="")
    db.session.commit()
    assert sender.deliver([pk]) == {}
    assert (row_of(pk).status, row_of(pk).reason) == ("suppressed", "suppressed: complaint")
    assert mailer.sent == []


def test_who_is_gone_gets_nothing(sender: Sender, mailer: FakeMailServer, pk: int, user: User) -> None:
    db.session.delete(user)
    db.session.commit()
    assert sender.deliver([pk]) == {}
    assert (row_of(pk).status, row_of(pk).reason) == ("skipped", "the account was deleted")
    assert mailer.sent == []


def test_a_mail_that_cannot_be_rendered_fails_after_some_tries_and_blocks_nobody(
    sender: Sender, mailer: FakeMailServer, pk: int, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(owed: object) -> None:
        raise KeyError("a template that names what is not there")

    monkeypatch.setattr(sender.composer, "compose", broken)
    for _ in range(COMPOSE_TRIES):
        assert row_of(pk).status == "pending"
        sender.deliver([pk])
        frozen.shift(timedelta(hours=1))
    reason = "could not be rendered: KeyError: 'a template that names what is not there'"
    assert (row_of(pk).status, row_of(pk).reason) == ("failed", reason)
    assert mailer.sent == []


def test_a_worker_whose_claim_lapsed_cannot_settle_over_the_next_one(
    sender: Sender, mailer: FakeMailServer, pk: int, frozen: time_machine.Traveller
) -> None:
    def lapse_and_take_over() -> None:
        mailer.answer = meanwhile(lambda: None)
        frozen.shift(timedelta(hours=1))
        ledger.expire_leases(db.session(), now=NOON + timedelta(hours=1), limit=10)
        db.session.commit()
        ledger.claim(db.session(), [pk], now=NOON + timedelta(hours=1), lease=timedelta(minutes=8), owner="another")
        db.session.commit()

    mailer.answer = meanwhile(lapse_and_take_over)
    sender.deliver([pk])
    assert (row_of(pk).status, row_of(pk).claims) == ("sending", 2)


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 1), (2, 5), (3, 15), (4, 30), (5, 60), (6, 60), (50, 60)])
def test_the_schedule_grows_with_the_trouble_and_is_jittered(attempts: int, minutes: int) -> None:
    waits = [retry.next_attempt(attempts, NOON) - NOON for _ in range(200)]
    assert timedelta(minutes=minutes / 2) <= min(waits) < max(waits) <= timedelta(minutes=minutes)
