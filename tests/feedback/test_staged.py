"""Staging sends an email to another address: what comes back about it says nothing about its person."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update

from notifier.bounces.reasons import Reason
from notifier.delivery.staging import EVERYBODY
from notifier.extensions import db
from notifier.feedback import tray
from notifier.feedback.events import EventKind
from notifier.mail.message_ids import read
from notifier.models import Notification, Status
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from tests.support.applications import NOON, make_owed
from tests.support.feedback import claim, event, everything, feedback, row, send, suppression, take

pytestmark = pytest.mark.usefixtures("frozen")

BOX = "staging@example.org"
LATER = Outcome(Decision.RETRY, Phase.EOD, Scope.MESSAGE, 451, "4.3.0", "Try again later")


@pytest.fixture
def staged(make_app: Callable[..., Flask]) -> Flask:
    """Emails go to one inbox, but for one person."""
    return make_app(mail_redirect_to=BOX, mail_allow="user2@example.com")


def id_of(pk: int) -> str:
    """The id in the Message-ID, which a bounce returns."""
    found = read(row(pk).message_id or "")
    assert found is not None
    return f"{found.pk}.{found.mac}"


def test_a_bounce_of_the_staging_inbox_does_not_suppress_the_person(staged: Flask) -> None:
    with staged.app_context():
        send(staged, pk := make_owed(1))
        before = everything()[:2]
        for reason in (Reason.USER_UNKNOWN, Reason.ABUSE, Reason.DELIVERED):
            kind = {"kind": EventKind.delivered} if reason is Reason.DELIVERED else {}
            named = (claim(id_of(pk), "message_id"),)
            (taken,) = take(staged, event(reason=reason, claims=named, **kind))
            assert (taken.notification_id, taken.effect.value) == (pk, "none")
        assert everything()[:2] == before
        assert row(pk).delivered_at is None
        assert suppression("user1@example.com") is None


def test_an_allowed_person_is_suppressed_as_ever(staged: Flask) -> None:
    with staged.app_context():
        send(staged, pk := make_owed(2))
        take(staged, event(id_of(pk)))
        assert row(pk).status == Status.bounced
        assert suppression("user2@example.com") is not None


def test_an_operator_cannot_make_it_act_either(staged: Flask) -> None:
    with staged.app_context():
        send(staged, pk := make_owed(1))
        take(staged, event(claims=(claim(f"{pk}.{'a' * 16}"),)))
        (waiting,) = feedback()
        tray.assign(db.session(), services_of(staged).intake, waiting.id, pk)
        db.session.commit()
        assert (feedback()[0].effect, row(pk).status) == ("none", Status.sent)


def test_the_row_says_what_its_last_attempt_was(staged: Flask) -> None:
    with staged.app_context():
        send(staged, pk := make_owed(1), LATER)
        assert (row(pk).status, row(pk).redirected) == (Status.pending, True)
        db.session.execute(update(Notification).values(next_attempt_at=NOON))
        db.session.commit()
        services_of(staged).sender.staging = EVERYBODY
        take(staged, event(send(staged, pk).notifier_id))
        assert row(pk).status == Status.bounced
