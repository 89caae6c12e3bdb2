"""What a row took and its person never got is given back: the time of a digest's window, and the key."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from notifier.emails import KINDS
from notifier.explain.why import why
from notifier.extensions import db
from notifier.models import Notification, Preference, User
from notifier.services import services_of
from tests.emails.test_activity_digest import INSTANT, SLOT, digests, marks, reader, run, why_not, window
from tests.support.campaigns import make_campaign, make_people
from tests.support.content import Outbox, rows, run_now, stop
from tests.support.kinds import happened

pytestmark = pytest.mark.usefixtures("frozen", "context")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def keys_of(run_id: int) -> list[int]:
    return [row.id for row in rows(run_id)]


def test_the_digest_after_a_cancelled_run_tells_what_that_one_never_told(context: Flask) -> None:
    user_id, campaign = reader(), digests()
    happened(user_id, SLOT - DAY)
    first = run(campaign)
    [(begin, _)] = window(first)
    assert stop(context, first) == 1
    assert marks() == {user_id: begin}
    assert stop(context, first) == 0
    assert why_not(campaign, user_id, SLOT + DAY) is None
    assert window(run(campaign, SLOT + DAY)) == [(begin, SLOT + DAY)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_cancelled_runs_give_back_the_time_of_both(context: Flask, order: tuple[int, int]) -> None:
    user_id, campaign = reader(), digests()
    happened(user_id, SLOT - DAY, SLOT + INSTANT)
    both = (run(campaign), run(campaign, SLOT + DAY))
    [(begin, _)] = window(both[0])
    for which in order:
        stop(context, both[which])
    assert marks() == {user_id: begin}


def test_a_window_that_was_told_is_not_told_again(context: Flask) -> None:
    user_id, campaign, outbox = reader(), digests(), Outbox(context)
    happened(user_id, SLOT - DAY, SLOT + INSTANT)
    first = run(campaign)
    outbox.deliver(keys_of(first))
    second = run(campaign, SLOT + DAY)
    stop(context, second)
    assert marks() == {user_id: SLOT}
    assert window(run(campaign, SLOT + 2 * DAY)) == [(SLOT, SLOT + 2 * DAY)]


def test_a_cancelled_run_before_one_that_goes_out_leaves_the_mark(context: Flask) -> None:
    user_id, campaign = reader(), digests()
    happened(user_id, SLOT - DAY, SLOT + INSTANT)
    first, _ = run(campaign), run(campaign, SLOT + DAY)
    stop(context, first)
    assert marks() == {user_id: SLOT + DAY}


def test_a_cancelled_digest_in_doubt_keeps_its_time(context: Flask) -> None:
    user_id, campaign = reader(), digests()
    happened(user_id, SLOT - DAY)
    first = run(campaign)
    db.session.execute(update(Notification).values(unknowns=1))
    db.session.commit()
    assert stop(context, first) == 1
    assert marks() == {user_id: SLOT}


def test_a_digest_that_was_skipped_right_before_sending_gives_its_time_back(context: Flask) -> None:
    user_id, campaign, outbox = reader(), digests(), Outbox(context)
    happened(user_id, SLOT - DAY)
    first = run(campaign)
    [(begin, _)] = window(first)
    db.session.execute(update(Preference).values(wanted=False, frequency="never"))
    db.session.commit()
    outbox.deliver(keys_of(first))
    assert [row.status for row in rows(first)] == ["skipped"]
    assert (marks(), outbox.sent) == ({user_id: begin}, [])


def confirmed(user_id: int, *, is_confirmed: bool) -> None:
    db.session.execute(update(User).where(User.id == user_id).values(verified_at=SLOT if is_confirmed else None))
    db.session.commit()


def test_whoever_confirms_later_is_reached_by_another_run_of_the_edition(context: Flask) -> None:
    [_, late] = make_people(2)
    campaign = make_campaign(cron=None, next_slot=None, next_run_at=None, on_unknown="never")
    outbox = Outbox(context)
    first, keys = run_now(campaign)
    confirmed(late, is_confirmed=False)
    outbox.deliver(keys)
    assert [row.status for row in rows(first)] == ["sent", "skipped"]
    name = campaign.name
    [before] = why(db.session(), late, KINDS)
    assert (before.outcome, before.code) == ("not", "skipped")
    confirmed(late, is_confirmed=True)
    [after] = why(db.session(), late, KINDS)
    assert (before.judged, after.judged) == ("not_confirmed", None)
    db.session.rollback()
    assert services_of(context).planner.plan(name, "now").count == 1
    second, keys = run_now(campaign, 1)
    outbox.deliver(keys)
    assert [(row.user_id, row.status) for row in rows(second)] == [(late, "sent")]
    assert outbox.most() == 1
    [sent] = why(db.session(), late, KINDS)
    assert sent.outcome == "got it"
    db.session.rollback()
    assert services_of(context).audit.of().ok
