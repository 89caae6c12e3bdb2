"""The operators' tray."""

from flask import Flask

from notifier.bounces.reasons import Reason
from notifier.extensions import db
from notifier.feedback import tray
from notifier.models import Effect, Status
from notifier.services import services_of
from tests.support.feedback import event, feedback, key_of, row, send, suppression, take


def test_an_operator_names_the_email(context: Flask) -> None:
    message = send(context)
    come = [event(recipient=message.recipient), event(reason=Reason.MAILBOX_FULL)]
    ids = [each.feedback_id or 0 for each in take(context, *come)]
    intake = services_of(context).intake
    assert tray.assign(db.session(), intake, ids[0], 0) is None
    assert tray.assign(db.session(), intake, ids[0], key_of(message)) is Effect.suppressed
    assert tray.assign(db.session(), intake, ids[0], key_of(message)) is None
    db.session.commit()
    first, second = feedback()
    assert (first.effect, first.matched_by, first.proven) == ("suppressed", "operator", False)
    assert (first.identity_key, first.recipient) == (message.recipient, None)
    assert (row(key_of(message)).status, second.effect) == (Status.bounced, "waiting")
    assert suppression(message.recipient) is not None


def test_what_is_dismissed_does_not_come_back(context: Flask) -> None:
    waiting = event(recipient="ada@example.com")
    (taken,) = take(context, waiting)
    assert tray.dismiss(db.session(), taken.feedback_id or 0)
    assert not tray.dismiss(db.session(), taken.feedback_id or 0)
    db.session.commit()
    assert not take(context, waiting)[0].is_new
    assert [(each.effect, each.recipient) for each in feedback()] == [("none", None)]
