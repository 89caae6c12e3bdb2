"""Expansion: everyone once and no one twice, even if processes are killed."""

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from notifier.campaigns.expand import Expansion
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.ledger import ENQUEUE_AGAIN_AFTER
from notifier.models import CampaignRun, Notification, Preference, Suppression, User
from notifier.services import services_of
from tests.support.applications import NOON
from tests.support.campaigns import IDS, SLOT, expand, make_campaign, make_people, owed_to, run_row, start_run

pytestmark = pytest.mark.usefixtures("frozen", "context")


def test_a_run_owes_everybody_once_and_counts_who_is_left_out() -> None:
    people = make_people(7)
    db.session.add(Suppression(identity_key="user2@example.com", reason="manual", source="operator"))
    db.session.add(Preference(user_id=people[4], category="news", wanted=False))
    db.session.commit()
    run_id, told = start_run(make_campaign()), []
    assert expand(run_id, told, chunk=3)
    run = run_row(run_id)
    assert owed_to(run_id) == [people[index] for index in (0, 2, 3, 5, 6)]
    assert (run.state, run.planned, run.excluded) == ("sending", 5, {"suppressed": 1, "opted_out": 1})
    assert (run.cursor, run.expanded_at) == (people[-1], NOON)
    rows = db.session.scalars(select(Notification)).all()
    assert sorted(told) == sorted(row.id for row in rows)
    assert {(row.kind, row.bulk, row.on_unknown, row.status) for row in rows} == {
        ("announcement", True, "never", "pending")
    }
    assert {row.enqueue_at for row in rows} == {NOON + ENQUEUE_AGAIN_AFTER}
    assert {row.deadline for row in rows} == {SLOT + timedelta(days=3)}


def test_another_run_of_the_same_mail_owes_nobody_twice() -> None:
    campaign = make_campaign()
    make_people(3)
    expand(start_run(campaign))
    make_people(1)
    again = start_run(campaign, SLOT + timedelta(hours=1))
    expand(again)
    assert (run_row(again).planned, run_row(again).excluded) == (1, {"already": 3})
    assert len(owed_to()) == 4


class Killed(BaseException):
    """What no handler catches, as nothing does of a kill."""


def test_an_expansion_that_dies_before_the_bell_goes_on_and_tells_what_it_had_not() -> None:
    people = make_people(10)
    run_id = start_run(make_campaign())

    def killed(keys: Any, *, bulk: bool) -> bool:
        raise Killed

    with pytest.raises(Killed):
        Expansion(db.session, killed, KINDS, IDS, chunk=4).run(run_id)
    assert (run_row(run_id).state, owed_to(run_id)) == ("expanding", people[:4])
    told: list[int] = []
    assert expand(run_id, told, chunk=4)
    assert owed_to(run_id) == people
    assert len(told) == len(set(told)) == 10
    assert run_row(run_id).planned == 10


def test_two_expansions_at_once_share_the_work(app: Flask) -> None:
    people = make_people(40)
    run_id, told = start_run(make_campaign()), []
    db.session.remove()
    lock = threading.Lock()

    def publish(keys: Any, *, bulk: bool) -> bool:
        with lock:
            told.extend(keys)
        return True

    def work() -> None:
        with app.app_context():
            Expansion(db.session, publish, KINDS, IDS, chunk=2).run(run_id)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (run_row(run_id).state, run_row(run_id).planned) == ("sending", 40)
    assert owed_to(run_id) == people
    assert len(set(told)) == 40


def test_whoever_finds_the_run_in_other_hands_leaves_it_there() -> None:
    if db.engine.dialect.name == "sqlite":
        pytest.skip("there the whole database is in one hand")
    make_people(3)
    run_id = start_run(make_campaign())
    with db.engine.begin() as other:
        other.execute(select(CampaignRun.id).where(CampaignRun.id == run_id).with_for_update())
        assert not expand(run_id)
    assert expand(run_id)


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_an_expansion_stops_within_one_chunk(state: str) -> None:
    people = make_people(10)
    run_id = start_run(make_campaign())

    def publish(keys: Any, *, bulk: bool) -> bool:
        db.session.execute(update(CampaignRun).values(state=state))
        db.session.commit()
        return True

    assert not Expansion(db.session, publish, KINDS, IDS, chunk=4).run(run_id)
    assert owed_to(run_id) == people[:4]
    assert run_row(run_id).state == state


def test_a_broker_that_is_away_leaves_the_bell_to_the_sweep() -> None:
    make_people(3)
    run_id = start_run(make_campaign())
    assert Expansion(db.session, lambda keys, bulk: False, KINDS, IDS).run(run_id)
    assert set(db.session.scalars(select(Notification.enqueue_at))) == {NOON}


def test_settings_that_cannot_be_read_pause_the_run_with_the_reason() -> None:
    make_people(3)
    run_id = start_run(make_campaign(settings={"subject": "Only this"}))
    assert not expand(run_id)
    run = run_row(run_id)
    assert run.state == "paused"
    assert "settings.heading" in (run.reason or "")


def test_a_run_whose_mails_are_of_no_use_any_more_plans_nothing() -> None:
    make_people(3)
    run_id = start_run(make_campaign(), deadline=NOON)
    expand(run_id)
    assert owed_to(run_id) == []
    assert run_row(run_id).reason == "its emails would already have expired"


def test_where_the_readers_clock_counts_each_zone_has_its_own_moment(frozen: time_machine.Traveller) -> None:
    """Nobody is dropped for a zone that is none; the campaign's counts then, and that is recorded."""
    frozen.move_to(SLOT - timedelta(hours=14))
    zones = ["Asia/Tokyo", "America/New_York", "Nowhere/None", "", "Europe/Berlin"]
    for zone in zones:
        make_people(1, timezone=zone)
    run_id, told = start_run(make_campaign(zone="Europe/Berlin", recipient_local=True)), []
    expand(run_id, told)
    due = dict(db.session.execute(select(User.timezone, Notification.next_attempt_at).join(Notification.user)).all())
    assert {zone: (due[zone] - SLOT) / timedelta(hours=1) for zone in zones} == {
        "Asia/Tokyo": -8,
        "America/New_York": 6,
        "Nowhere/None": 0,
        "": 0,
        "Europe/Berlin": 0,
    }
    assert run_row(run_id).zone_fallbacks == 2
    assert told == []


def test_quiet_hours_move_what_would_disturb() -> None:
    for zone in ("Asia/Tokyo", "Europe/Berlin"):
        make_people(1, timezone=zone)
    run_id, told = start_run(make_campaign(quiet_from="20:00", quiet_to="08:00")), []
    expand(run_id, told)
    rows = {row.user_id: row for row in db.session.scalars(select(Notification))}
    tokyo, berlin = (rows[pk] for pk in sorted(rows, key=int))
    assert (tokyo.next_attempt_at, tokyo.reason) == (
        NOON + timedelta(hours=11),
        "quiet hours in the recipient's time zone",
    )
    assert tokyo.enqueue_at == tokyo.next_attempt_at
    assert (berlin.next_attempt_at, berlin.reason) == (NOON, None)
    assert told == [berlin.id]


def test_one_sweep_rings_for_all_that_became_due(
    app: Flask, enqueued: list[int], frozen: time_machine.Traveller
) -> None:
    """Where the reader's clock counts, a whole zone's mail is due at the same moment."""
    services_of(app).sweep.chunk = 2
    make_people(5, timezone="America/New_York")
    expand(start_run(make_campaign(recipient_local=True)))
    frozen.move_to(SLOT + timedelta(hours=5))
    assert services_of(app).sweep.run().enqueued == 5
    assert len(set(enqueued)) == 5
