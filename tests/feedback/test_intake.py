"""What comes back becomes a row and consequences: once, for the email that is proven, and never backwards."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, select, update

from notifier import retention
from notifier.accounts import erasure
from notifier.bounces.reading import read
from notifier.bounces.reasons import RULES, Reason, Verdict
from notifier.campaigns import tick as ticking
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.feedback import storing
from notifier.feedback.events import EventKind, FeedbackEvent, of_email
from notifier.feedback.intake import NotYet
from notifier.models import Consent, Effect, Notification, RunState, Status, Suppression, SuppressionReason, User
from notifier.operators.audit_log import SYSTEM
from notifier.testing.mail_server import NO_REPLY
from tests.support.applications import NOON, make_owed
from tests.support.campaigns import make_campaign, make_people, run_row, start_run
from tests.support.feedback import (
    claim,
    event,
    everything,
    feedback,
    key_of,
    put_run,
    row,
    send,
    suppression,
    take,
)

pytestmark = pytest.mark.usefixtures("frozen")

CASES = json.loads((Path(__file__).parent.parent / "data" / "dsn.json").read_text())

#: Status of the row and possible effects by what the corpus expects.
EXPECTED = {
    "hard": (Status.bounced, Effect.suppressed),
    "soft": (Status.bounced, Effect.scored, Effect.counted),
    "content": (Status.bounced, Effect.counted),
    "complaint": (Status.complained, Effect.complained),
    "ignore": (Status.sent, Effect.none),
    "unattributed": (Status.sent, Effect.waiting),
}


def email(case: dict[str, str], verp: str, message_id: str) -> FeedbackEvent:
    data = case["raw"].replace("{verp}", verp).replace("{message_id}", message_id).encode()
    return of_email(data, read(data), envelope_to="", received_at=NOON)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_corpus_with_the_ids_of_a_real_email(context: Flask, case: dict[str, str]) -> None:
    message = send(context)
    forged = case["expect"] == "unattributed"
    came = email(case, message.notifier_id, f"<n{key_of(message)}.{'a' * 16}@x>" if forged else message.message_id)
    status, *effects = EXPECTED[case["expect"]]
    (taken,) = take(context, came)
    assert taken.effect in effects
    assert row(key_of(message)).status == status
    assert bool(suppression(message.recipient)) is case["suppress"]
    before = everything()
    assert [each.is_new for each in take(context, came)] == [False]
    assert everything() == before


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_corpus_with_wrong_macs_changes_no_email(context: Flask, case: dict[str, str]) -> None:
    message = send(context)
    pk, _, mac = message.notifier_id.partition(".")
    wrong = f"{pk}.{mac[::-1]}"
    take(context, email(case, wrong, f"<n{wrong}@notifier.example>"))
    assert row(int(pk)).status == Status.sent
    assert row(int(pk)).delivered_at is None
    assert suppression(message.recipient) is None
    assert {each.effect for each in feedback()} <= {Effect.waiting}


def test_the_row_of_an_event_says_all_of_it(context: Flask) -> None:
    message = send(context)
    take(context, event(message.notifier_id, text="5.1.1 <someone@example.com> no such user"))
    (stored,) = feedback()
    assert (stored.source, stored.kind, stored.verdict, stored.reason) == ("email", "bounce", "hard", "user_unknown")
    assert (stored.code, stored.enhanced, stored.text) == (550, "5.1.1", "5.1.1 <<address>> no such user")
    assert (stored.matched_by, stored.proven, stored.notification_id) == ("verp", True, key_of(message))
    assert (stored.identity_key, stored.provider, stored.recipient) == (message.recipient, "example.com", None)
    assert (stored.rule_version, stored.effect, stored.received_at) == (RULES, "suppressed", NOON)
    found = suppression(message.recipient)
    assert found is not None
    assert (found.reason, found.source, found.until) == ("hard_bounce", "email", None)
    assert (found.code, found.enhanced, found.rule_version, found.feedback_id) == (550, "5.1.1", RULES, stored.id)
    assert found.reply == "5.1.1 <someone@example.com> no such user"
    assert row(key_of(message)).reason == "550 5.1.1 5.1.1 <<address>> no such user"


@pytest.mark.parametrize("source", ["message_id", "x_notifier_id"])
def test_each_place_of_the_id_proves_the_email(context: Flask, source: str) -> None:
    message = send(context)
    take(context, event(claims=(claim(message.notifier_id.upper(), source),)))
    assert feedback()[0].matched_by == {"message_id": "message_id", "x_notifier_id": "notifier_id"}[source]
    assert row(key_of(message)).status == Status.bounced


def test_ids_of_two_emails_wait_for_an_operator(context: Flask) -> None:
    first, second = send(context), send(context)
    (taken,) = take(context, event(claims=(claim(first.notifier_id), claim(second.notifier_id, "message_id"))))
    assert taken.effect is Effect.waiting
    assert {row(key_of(each)).status for each in (first, second)} == {Status.sent}


@pytest.mark.parametrize("mac", ["\u017f" * 16, "", "\u00e9"])
def test_a_mac_of_other_letters_is_wrong(context: Flask, mac: str) -> None:
    pk = key_of(send(context))
    assert [each.effect for each in take(context, event(f"{pk}.{mac}"), event(f"{10**19 - 1}.{mac}"))] == [
        "waiting"
    ] * 2


def test_an_id_of_the_mail_server_counts_only_in_a_signed_event(context: Flask) -> None:
    message = send(context)
    told, signed = (event(server_ids=("4F2AB12345",), source="ses", is_signed=each) for each in (False, True))
    assert [each.effect for each in take(context, told, signed)] == [Effect.waiting, Effect.suppressed]
    assert feedback()[1].matched_by == "server_id"
    assert not feedback()[1].proven
    send(context)  # the same id for another email: which one is meant is open
    (taken,) = take(context, event(server_ids=("4F2AB12345",), source="ses", is_signed=True))
    assert taken.effect is Effect.waiting
    assert row(key_of(message)).status == Status.bounced


def test_a_signed_event_about_another_address_waits(context: Flask) -> None:
    send(context)
    wrong = event(server_ids=("4F2AB12345",), source="ses", is_signed=True, recipient="other@example.com")
    assert take(context, wrong)[0].effect is Effect.waiting


def test_a_complaint_wins_over_a_bounce_in_both_orders(context: Flask) -> None:
    for reasons in ((Reason.USER_UNKNOWN, Reason.ABUSE), (Reason.ABUSE, Reason.USER_UNKNOWN)):
        message = send(context)
        take(context, *(event(message.notifier_id, reason) for reason in reasons))
        found = suppression(message.recipient)
        assert found is not None
        assert found.reason == SuppressionReason.complaint
        assert row(key_of(message)).status == Status.complained


def test_a_complaint_ends_all_campaigns_with_evidence(context: Flask) -> None:
    message = send(context)
    take(context, event(message.notifier_id, Reason.ABUSE))
    consents = db.session.scalars(select(Consent)).all()
    assert {(each.category, each.wanted, each.how) for each in consents} == {
        (category, False, "complaint") for category in ("report", "digest", "news")
    }
    assert {each.notification_id for each in consents} == {key_of(message)}


def test_an_uncertain_email_that_comes_back_had_been_sent(context: Flask) -> None:
    for reason, status in ((Reason.MAILBOX_FULL, Status.bounced), (Reason.ABUSE, Status.complained)):
        pk = make_owed(100 + len(status), on_unknown="never")
        message = send(context, pk, NO_REPLY)
        assert row(pk).status == Status.unknown
        take(context, event(message.notifier_id, reason))
        assert row(pk).status == status


def test_a_delivery_sets_its_moment_and_no_status(context: Flask, frozen: time_machine.Traveller) -> None:
    message = send(context)
    frozen.shift(timedelta(minutes=10))
    for minutes in (5, 3, 9):
        at = NOON + timedelta(minutes=minutes)
        take(context, event(message.notifier_id, Reason.DELIVERED, kind=EventKind.delivered, happened_at=at))
    stored = row(key_of(message))
    assert (stored.status, stored.delivered_at) == (Status.sent, NOON + timedelta(minutes=3))
    take(context, event(message.notifier_id), event(message.notifier_id, kind=EventKind.delivered))
    assert row(key_of(message)).status == Status.bounced


def test_a_bounce_of_a_first_copy_does_not_move_the_row_of_the_second(
    context: Flask, frozen: time_machine.Traveller
) -> None:
    pk = make_owed(1, on_unknown="resend")
    send(context, pk, NO_REPLY)
    frozen.shift(timedelta(hours=1))
    message = send(context, pk)
    take(context, event(message.notifier_id, happened_at=NOON))
    assert row(pk).status == Status.sent
    take(context, event(message.notifier_id))
    assert row(pk).status == Status.bounced


def test_automatic_replies_are_shown_and_do_nothing(context: Flask) -> None:
    message = send(context)
    for kind in (EventKind.auto_reply, EventKind.other):
        take(context, event(message.notifier_id, kind=kind, verdict=Verdict.NONE))
    assert [each.effect for each in feedback()] == ["none", "none"]
    assert row(key_of(message)).status == Status.sent
    assert not take(context, event(kind=EventKind.auto_reply, verdict=Verdict.NONE))[0].is_new
    assert len(feedback()) == 2


def test_an_email_that_is_being_sent_is_asked_for_later(context: Flask) -> None:
    message = send(context)
    pk = key_of(message)
    db.session.execute(update(Notification).where(Notification.id == pk).values(status=Status.sending))
    db.session.commit()
    with pytest.raises(NotYet):
        take(context, event(message.notifier_id))
    assert feedback() == []


def test_the_totals_of_a_run_that_is_over_follow(context: Flask) -> None:
    make_people(1)
    run_id = start_run(make_campaign())
    message = send(context)
    pk = key_of(message)
    db.session.execute(update(Notification).where(Notification.id == pk).values(run_id=run_id))
    db.session.commit()
    put_run(run_id, state=RunState.sending.value)
    assert ticking.close(db.session, run_id, NOON)
    assert run_row(run_id).totals == {"sent": 1}
    take(context, event(message.notifier_id))
    assert run_row(run_id).totals == {"bounced": 1}
    take(context, event(message.notifier_id, Reason.ABUSE))
    assert run_row(run_id).totals == {"complained": 1}


def test_the_tray_is_bounded(context: Flask, monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller) -> None:
    monkeypatch.setattr(storing, "MOST_IN_TRAY", 3)
    message = send(context)
    forged = [event(recipient=f"n{number}@example.com") for number in range(5)]
    take(context, event(source="ses", recipient="ada@example.com"), event(message.notifier_id), *forged)
    kept = ["ada@example.com", None, None, None, "n2@example.com", "n3@example.com", "n4@example.com"]
    assert [each.recipient for each in feedback()] == kept
    assert [(each.effect, each.text) for each in feedback()][2:4] == [("dropped", None)] * 2
    before = everything()
    assert [each.is_new for each in take(context, *forged)] == [False] * 5
    assert everything() == before
    frozen.shift(timedelta(days=31))
    assert retention.purge(db.session)["unassigned_feedback"] == 6
    frozen.shift(timedelta(days=370))
    assert retention.purge(db.session)["feedback"] == 1


def test_what_was_dropped_is_bounded_too(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MOST_IN_TRAY": 1, "MOST_KEPT": 4, "KEPT_LOOK": 1}.items():
        monkeypatch.setattr(storing, name, value)
    take(context, event(source="ses"), *(event() for _ in range(9)))
    assert [(each.source, each.effect) for each in feedback()] == [
        ("ses", "waiting"), ("email", "dropped"), ("email", "dropped"), ("email", "dropped"), ("email", "waiting")
    ]  # fmt: skip


def test_an_erased_person_leaves_no_address_in_it(context: Flask) -> None:
    message = send(context)
    address = message.recipient
    take(context, event(message.notifier_id, text=f"no {address}"), event(recipient=address.upper()))
    user = db.session.scalars(select(User).where(User.identity_key == address)).one()
    erasure.erase(db.session(), user, keys=["k" * 32], by=SYSTEM)
    db.session.commit()
    (stored,) = feedback()
    assert (stored.identity_key, stored.text, stored.notification_id) == (None, None, key_of(message))
    suppressions.reveal(db.session(), address, ["k" * 32])
    found = suppression(address)
    assert found is None or (found.reply, found.evidence) == (None, "")
    # What comes back of it is still stored, names no address, and changes nothing.
    taken = take(context, event(message.notifier_id), event(message.notifier_id, Reason.ABUSE))
    assert [each.effect for each in taken] == [Effect.none, Effect.none]
    assert feedback()[1].identity_key is None


@pytest.mark.parametrize(
    ("early", "stored"), [(timedelta(days=9999), 60), (timedelta(hours=2), 0), (-timedelta(days=2), 60)]
)
def test_a_time_that_cannot_be_true_is_not_believed_and_the_bounce_is(
    context: Flask, frozen: time_machine.Traveller, early: timedelta, stored: int
) -> None:
    """Long before the email: when it came. A little before: when the email was made. In the future: when it came."""
    message = send(context)
    frozen.shift(timedelta(minutes=60))
    (taken,) = take(context, event(message.notifier_id, happened_at=NOON - early))
    assert (taken.effect, row(key_of(message)).status) == (Effect.suppressed, Status.bounced)
    assert feedback()[0].happened_at == NOON + timedelta(minutes=stored)


def test_the_effect_is_what_really_followed(context: Flask) -> None:
    """The second one of a kind, and what is weaker than the reason that is there, change nothing."""
    message = send(context)
    reasons = (Reason.USER_UNKNOWN, Reason.USER_UNKNOWN, Reason.ABUSE, Reason.ABUSE, Reason.HOST_UNKNOWN)
    taken = take(context, *(event(message.notifier_id, each) for each in reasons))
    effects = [Effect.suppressed, Effect.known, Effect.complained, Effect.known, Effect.known]
    assert [each.effect for each in taken] == effects
    assert [each.effect for each in feedback()] == effects
    db.session.execute(delete(Suppression))
    db.session.commit()
    assert [each.effect for each in take(context, event(message.notifier_id))] == [Effect.suppressed]


def test_what_postgres_cannot_store_is_stored_without_it(context: Flask) -> None:
    message = send(context)
    odd = {"text": "5\0x\ud800" * 400, "enhanced": "5.1.1 (and much more than fits)", "recipient": "a\0@b\ud800" * 90}
    assert [each.is_new for each in take(context, event(message.notifier_id, **odd), event(**odd))] == [True, True]
