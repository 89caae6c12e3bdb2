"""Soft bounces suppress an address only as a series: three in a row, over three days, without an accepted email."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier.bounces.reasons import Reason
from notifier.extensions import db
from notifier.models import Notification
from notifier.testing.factories import make_notification, make_user
from tests.support.applications import NOON
from tests.support.feedback import event, send, suppression, take

ADDRESS = "ada@example.com"
DAY = timedelta(days=1)


def after(app: Flask, frozen: time_machine.Traveller, days: Sequence[float], reasons: Sequence[Reason | None]) -> bool:
    """Send an email on each of these days; each comes back for its reason (None: it arrives). Is it suppressed?"""
    user = make_user(ADDRESS)
    for day, reason in zip(days, reasons, strict=True):
        frozen.move_to(NOON + day * DAY)
        pk = make_notification(db.session.merge(user), key=f"test:{day}")
        message = send(app, pk)
        if reason is not None:
            take(app, event(message.notifier_id, reason))
    return suppression(ADDRESS) is not None


FULL, LOCKED, GONE = Reason.MAILBOX_FULL, Reason.SUSPENDED, None


@pytest.mark.parametrize(
    ("days", "reasons", "is_suppressed"),
    [
        ([0, 2, 3], [FULL, LOCKED, FULL], True),
        ([0, 1, 2], [FULL, FULL, FULL], False),
        ([0, 1, 2, 4], [FULL, FULL, FULL, FULL], True),
        ([0, 4], [FULL, FULL], False),
        ([0, 1, 2, 3], [FULL, FULL, None, FULL], False),
        ([0, 2, 40], [FULL, FULL, FULL], False),
        ([0, 2, 4], [FULL, Reason.EXPIRED, FULL], False),
        ([0, 2, 4], [Reason.GREYLISTED] * 3, False),
        ([0, 2, 4], [Reason.REFUSED] * 3, False),
    ],
)
def test_a_series(
    context: Flask, frozen: time_machine.Traveller, days: list[float], reasons: list[Reason | None], is_suppressed: bool
) -> None:
    assert after(context, frozen, days, reasons) is is_suppressed


def test_a_suppression_by_a_series_ends_and_a_hard_bounce_makes_it_last(
    context: Flask, frozen: time_machine.Traveller
) -> None:
    assert after(context, frozen, [0, 2, 4], [FULL] * 3)
    found = suppression(ADDRESS)
    assert found is not None
    assert (found.reason, found.until) == ("soft_bounces", found.created_at + 30 * DAY)
    last = db.session.scalars(select(Notification).order_by(Notification.id.desc())).first()
    assert last is not None
    take(context, event((last.message_id or "").strip("<>n").partition("@")[0]))
    lasting = suppression(ADDRESS)
    assert lasting is not None
    assert (lasting.reason, lasting.until) == ("hard_bounce", None)


def test_one_email_that_comes_back_thrice_is_no_series(context: Flask, frozen: time_machine.Traveller) -> None:
    message = send(context, make_notification(make_user(ADDRESS), key="one"))
    for _ in range(4):
        take(context, event(message.notifier_id, FULL))
        frozen.shift(2 * DAY)
    assert suppression(ADDRESS) is None
