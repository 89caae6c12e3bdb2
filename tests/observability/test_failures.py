"""Why emails failed: the reply that failed them, without what differs from email to email."""

from datetime import timedelta

import pytest
from flask import Flask

from notifier import clock
from notifier.bounces.reasons import Reason
from notifier.extensions import db
from notifier.models import Feedback
from notifier.observability.failures import Failures, failures, without_people
from tests.support.feedback import event, send, take


def lately() -> Failures:
    db.session.rollback()
    return failures(db.session(), since=clock.now() - timedelta(days=7))


def shown(found: Failures) -> list[tuple[int | None, str | None, str, int]]:
    return [(each.code, each.enhanced, each.words, each.emails) for each in found.groups]


def test_a_bounce_is_grouped_by_its_report_and_not_by_the_reply_that_accepted_it(context: Flask) -> None:
    for reply in ("user unknown", "5.1.1 user unknown", "550 5.1.1 user unknown"):
        take(context, event(send(context).notifier_id, Reason.USER_UNKNOWN, text=reply))
    full = {"code": 552, "enhanced": "5.2.2", "text": "mailbox full"}
    take(context, event(send(context).notifier_id, Reason.MAILBOX_FULL, **full))
    assert shown(lately()) == [(550, "5.1.1", "user unknown", 3), (552, "5.2.2", "mailbox full", 1)]


def test_complaints_are_apart_from_the_bounces_before_them(context: Flask) -> None:
    first, second = send(context).notifier_id, send(context).notifier_id
    take(context, event(first), event(second), event(second, Reason.ABUSE))
    found = shown(lately())
    assert (550, "5.1.1", "no such user", 1) in found
    assert (None, None, "the recipient reported it as spam", 1) in found
    assert len(found) == 2


def test_a_bounce_keeps_its_reason_when_the_report_is_purged(context: Flask) -> None:
    take(context, event(send(context).notifier_id))
    db.session.query(Feedback).delete()
    db.session.commit()
    assert [(each.code, each.emails) for each in lately().groups] == [(None, 1)]
    assert "no such user" in lately().groups[0].words


def test_an_email_counts_once_however_many_reports_it_has(context: Flask) -> None:
    sent = send(context).notifier_id
    take(context, event(sent), event(sent, Reason.MAILBOX_FULL, code=552, enhanced="5.2.2", text="full"))
    assert shown(lately()) == [(550, "5.1.1", "no such user", 1)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Ok: kept as CwWJcsplOpPqYrgd", "Ok: kept as …"),
        ("Ok: kept as -x4tFQ3_aPqbYrgd", "Ok: kept as …"),
        ("Ok: queued as abcd-efgh-ijkl", "Ok: queued as …"),
        ("queue id ABCDEFABCD is full", "queue id … is full"),
        ("session vla1-f3d2 closed", "session … closed"),
        ("Access denied, 5.7.515 sender", "Access denied, 5.7.515 sender"),
        ("mail kept as unsolicited bulk", "mail kept as unsolicited bulk"),
    ],
)
def test_ids_are_no_part_of_a_reply(said: str, expected: str) -> None:
    assert without_people(said) == expected
