"""Rows that wait for a rate limit: marked once, found by their line, and left alone by the sweep."""

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select, update

from notifier import ledger
from notifier.campaigns.expand import Expansion
from notifier.campaigns.tick import Tick
from notifier.delivery.sweep import PUMP_LATE, Sweep
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.ledger import TurnQueue, WaitingRow
from notifier.models import Campaign, CampaignRun, Notification
from notifier.observability import healthcheck, heartbeats
from tests.support.applications import NOON, make_owed
from tests.support.campaigns import IDS, make_campaign, make_people, start_run

pytestmark = pytest.mark.usefixtures("frozen", "context")


def rows() -> list[Notification]:
    query = select(Notification).order_by(Notification.id).execution_options(populate_existing=True)
    return list(db.session.scalars(query))


def mark(*pks: int) -> int:
    marked = ledger.wait_for_turn(db.session(), pks, now=NOON)
    db.session.commit()
    return marked


def limited(count: int, told: list[int] | None = None, **values: object) -> int:
    """A run of a campaign with a rate, expanded; `told` gets what was enqueued. Returns its key."""
    make_people(count, **values)
    run_id = start_run(make_campaign(rate=10))

    def publish(keys: list[int], *, bulk: bool) -> bool:
        if told is not None:
            told.extend(keys)
        return True

    Expansion(db.session, publish, KINDS, IDS, is_limited=lambda campaign: bool(campaign.rate)).run(run_id)
    return run_id


def test_a_row_is_marked_once_and_stays_due(frozen: time_machine.Traveller) -> None:
    pk = make_owed(deadline=NOON + timedelta(hours=2))
    assert (mark(pk), mark(pk)) == (1, 0)
    (row,) = rows()
    assert (row.status, row.reason_code, row.next_attempt_at) == ("pending", "rate_limited", NOON)
    assert row.enqueue_at == row.deadline
    frozen.shift(timedelta(hours=1))
    assert mark(pk) == 0


def test_only_what_is_due_and_waits_is_marked() -> None:
    later = make_owed(1, next_attempt_at=NOON + timedelta(seconds=1), reason="450 try later", reason_code="try_later")
    sent = make_owed(2, status="sent", sent_at=NOON)
    assert mark(later, sent) == 0
    assert [row.reason_code for row in rows()] == ["try_later", None]


def test_a_row_for_which_the_sweep_has_rung_is_left_alone_again() -> None:
    """It rings ten minutes later otherwise, and then again."""
    pk = make_owed()
    mark(pk)
    db.session.execute(update(Notification).values(enqueue_at=NOON + timedelta(minutes=10)))
    db.session.commit()
    assert mark(pk) == 1
    assert rows()[0].enqueue_at == NOON + timedelta(days=1)


def test_the_rows_of_a_limited_campaign_wait_from_the_beginning_and_nobody_is_told() -> None:
    told: list[int] = []
    run_id = limited(3, told)
    assert told == []
    waits = ("rate_limited", "a rate limit is in force", NOON + timedelta(days=1))
    assert [(row.reason_code, row.reason, row.enqueue_at) for row in rows()] == [waits] * 3
    assert ledger.turn_queues(db.session(), bulk=(True,)) == [TurnQueue(True, run_id, 10.0)]


def test_an_expansion_that_was_killed_tells_nobody_of_rows_that_wait() -> None:
    told: list[int] = []
    run_id = limited(3, told)
    db.session.execute(update(CampaignRun).values(state="expanding", cursor=0, expanded_at=None))
    db.session.commit()
    expansion = Expansion(
        db.session, lambda keys, bulk: bool(told.extend(keys)), KINDS, IDS, is_limited=lambda campaign: True
    )
    assert expansion.run(run_id)
    assert told == []


def test_what_is_due_later_does_not_wait_for_a_limit_yet() -> None:
    make_people(1, timezone="Pacific/Honolulu")
    run_id = start_run(make_campaign(rate=10, recipient_local=True))
    Expansion(db.session, lambda keys, bulk: True, KINDS, IDS, is_limited=lambda campaign: True).run(run_id)
    (row,) = rows()
    assert (row.reason_code, row.enqueue_at) == (None, row.next_attempt_at)
    assert row.next_attempt_at > NOON


def test_lines_are_those_of_runs_that_move_and_of_people() -> None:
    run_id = limited(2)
    mark(make_owed(9))
    both = (False, True)
    assert ledger.turn_queues(db.session(), bulk=both) == [TurnQueue(False), TurnQueue(True, run_id, 10.0)]
    assert ledger.turn_queues(db.session(), bulk=(False,)) == [TurnQueue(False)]
    db.session.execute(update(CampaignRun).values(state="paused"))
    assert ledger.turn_queues(db.session(), bulk=both) == [TurnQueue(False)]


def test_the_first_of_a_line_come_in_the_order_of_their_keys() -> None:
    line = TurnQueue(True, limited(4), 10.0)
    first, second, third, fourth = (WaitingRow(row.id, row.recipient, row.campaign_id) for row in rows())
    find = ledger.first_waiting
    assert find(db.session(), line, now=NOON, after=0, limit=2) == [first, second]
    assert find(db.session(), line, now=NOON, after=second.id, limit=9) == [third, fourth]
    db.session.execute(update(Notification).where(Notification.id == third.id).values(status="sent", reason_code=None))
    assert find(db.session(), line, now=NOON, after=second.id, limit=9) == [fourth]


def swept(tmp_path: Path) -> list[int]:
    heard: list[int] = []
    Sweep(db.session, lambda keys, bulk: not heard.extend(keys), tmp_path).run()  # type: ignore[func-returns-value]
    return sorted(heard)


def beat() -> None:
    heartbeats.beat(db.session(), heartbeats.PUMP, NOON)
    db.session.commit()


def test_the_sweep_leaves_what_waits_to_the_pump(tmp_path: Path, frozen: time_machine.Traveller) -> None:
    limited(3)
    beat()
    assert swept(tmp_path) == []
    frozen.shift(PUMP_LATE - timedelta(seconds=1))
    assert swept(tmp_path) == []


def test_without_a_pump_the_sweep_rings_for_as_many_as_may_go(tmp_path: Path, frozen: time_machine.Traveller) -> None:
    limited(400)
    assert swept(tmp_path) == []
    frozen.shift(PUMP_LATE)
    heard = swept(tmp_path)
    assert heard == [row.id for row in rows()[:300]]
    assert swept(tmp_path) == [row.id for row in rows()[300:]]


def test_the_sweep_brings_to_rest_what_waited_until_its_deadline(
    tmp_path: Path, frozen: time_machine.Traveller
) -> None:
    make_owed(deadline=NOON + timedelta(hours=2))
    mark(rows()[0].id)
    frozen.shift(timedelta(hours=2))
    assert swept(tmp_path) == []
    assert rows()[0].status == "expired"


def findings() -> list[str]:
    return [found.name for found in healthcheck.examine(db.session(), NOON + timedelta(seconds=61)) if not found.ok]


def test_health_tells_of_email_that_waits_and_nobody_sends() -> None:
    assert "limited emails" not in findings()
    limited(1)
    assert "limited emails" in findings()
    heartbeats.beat(db.session(), heartbeats.PUMP, NOON + timedelta(seconds=30))
    db.session.commit()
    assert "limited emails" not in findings()


def test_a_run_that_waits_is_not_over(frozen: time_machine.Traveller) -> None:
    run_id = limited(1)
    assert Tick(db.session, lambda runs: True, KINDS).run(NOON).finished == []
    assert db.session.get_one(CampaignRun, run_id).state == "sending"


def test_a_limit_that_is_taken_away_leaves_the_line() -> None:
    """Whoever hands out sees that there is no rate any more, and gives all of them a moment at once."""
    run_id = limited(1)
    db.session.execute(update(Campaign).values(rate=None))
    assert ledger.turn_queues(db.session(), bulk=(True,)) == [TurnQueue(True, run_id, None)]
