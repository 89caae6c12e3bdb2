"""The pace: pauses that grow with each refusal, for all workers, and go by themselves."""

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from notifier import clock, models
from notifier.delivery.throttle import slowdowns as pace_module
from notifier.delivery.throttle.slowdowns import Pace, domain_key, transport_key
from notifier.extensions import db
from tests.delivery.test_breaker import counted
from tests.support.applications import NOON

KEY = domain_key("example.com")


def pace() -> Pace:
    """As another process has it: with nothing remembered."""
    return Pace(db.session, fresh=0)


def slowed(frozen: time_machine.Traveller, times: int) -> Pace:
    """A pace whose KEY was refused so many times in a row; its last pause is just over."""
    ours = pace()
    for _ in range(times):
        frozen.move_to(ours.slow(KEY, clock.now()))
    return ours


def level() -> int | None:
    db.session.rollback()
    return db.session.scalar(select(models.PaceState.level).where(models.PaceState.key == KEY))


def test_pauses_double_up_to_a_minute(context: Flask, frozen: time_machine.Traveller) -> None:
    ours = pace()
    pauses = []
    for _ in range(9):
        until = ours.slow(KEY, clock.now())
        pauses.append((until - clock.now()).total_seconds())
        frozen.move_to(until)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_mails_that_were_under_way_make_no_pause_longer(context: Flask, frozen: time_machine.Traveller) -> None:
    for _ in range(10):
        assert pace().slow(KEY, clock.now()) == NOON + timedelta(seconds=1)
    assert level() == 1


def test_a_pause_is_for_all_workers_and_for_its_key_alone(context: Flask, frozen: time_machine.Traveller) -> None:
    pace().slow(KEY, clock.now())
    pace().slow(transport_key("smtp"), clock.now())
    until = NOON + timedelta(seconds=1)
    assert pace().paused(clock.now()) == {"domain:example.com": until, "transport:smtp": until}
    frozen.move_to(until)
    assert pace().paused(clock.now()) == {}


def test_who_slows_knows_at_once(context: Flask, frozen: time_machine.Traveller) -> None:
    ours = Pace(db.session)
    assert ours.paused(clock.now()) == {}
    ours.slow(KEY, clock.now())
    assert ours.paused(clock.now()) == {KEY: NOON + timedelta(seconds=1)}


def test_where_nothing_is_slowed_it_costs_a_query_a_second(context: Flask, frozen: time_machine.Traveller) -> None:
    ours = Pace(db.session)
    with counted() as statements:
        for _ in range(100):
            ours.paused(clock.now())
            ours.eased([KEY, transport_key("smtp")], clock.now())
    assert len([statement for statement in statements if "paces" in statement]) == 1


def test_others_hear_of_it_within_a_second(
    context: Flask, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr(pace_module, "time", SimpleNamespace(monotonic=lambda: moment[0]))
    ours = Pace(db.session)
    ours.paused(clock.now())
    pace().slow(KEY, clock.now())
    assert ours.paused(clock.now()) == {}
    moment[0] += 1.1
    assert KEY in ours.paused(clock.now())


def test_what_goes_well_for_as_long_as_it_paused_goes_down_a_level(
    context: Flask, frozen: time_machine.Traveller
) -> None:
    ours = slowed(frozen, 3)
    for wait, then in ((4, 2), (2, 1), (1, None)):
        frozen.shift(timedelta(seconds=wait) - timedelta(milliseconds=1))
        ours.eased([KEY], clock.now())
        assert level() == (1 if then is None else then + 1)
        frozen.shift(timedelta(milliseconds=1))
        for _ in range(3):  # many acceptances at once are one level
            ours.eased([KEY], clock.now())
        assert level() == then
    assert pace().slow(KEY, clock.now()) == clock.now() + timedelta(seconds=1)


def test_an_acceptance_during_the_pause_eases_nothing(context: Flask, frozen: time_machine.Traveller) -> None:
    ours = pace()
    ours.slow(KEY, clock.now())
    ours.eased([KEY], clock.now())
    assert level() == 1


def test_refusals_between_acceptances_still_make_it_slower(context: Flask, frozen: time_machine.Traveller) -> None:
    """A server that takes some mails of each burst must not be tried every second for ever."""
    ours = pace()
    for _ in range(5):
        frozen.move_to(ours.slow(KEY, clock.now()))
        ours.eased([KEY], clock.now())
    assert level() == 5


def test_who_eases_by_an_old_look_changes_nothing(context: Flask, frozen: time_machine.Traveller) -> None:
    ours = slowed(frozen, 1)
    later = clock.now() + timedelta(seconds=1)
    pace().slow(KEY, later)
    ours.eased([KEY], later)
    assert level() == 2


def test_old_pauses_are_forgotten(context: Flask, frozen: time_machine.Traveller) -> None:
    slowed(frozen, 6)
    pace().slow(domain_key("example.org"), clock.now())
    frozen.shift(timedelta(hours=1, seconds=2))
    assert pace().slow(KEY, clock.now()) == clock.now() + timedelta(seconds=1)
    assert db.session.scalar(select(func.count()).select_from(models.PaceState)) == 1


@pytest.mark.parametrize("known", [False, True])
def test_of_racing_workers_one_counts(app: Flask, known: bool) -> None:
    if known:
        with app.app_context():
            pace().slow(KEY, NOON - timedelta(seconds=10))
    start = threading.Barrier(6)
    ends: list[object] = []

    def race() -> None:
        with app.app_context():
            start.wait()
            ends.append(pace().slow(KEY, NOON))

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == [NOON + timedelta(seconds=2 if known else 1)] * 6
    with app.app_context():
        assert level() == (2 if known else 1)
