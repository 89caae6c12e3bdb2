"""The sweep records that it enqueues a row before it does, so that a fast worker finds the row free."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.sweep import ROUNDS, Sweep, Swept
from notifier.delivery.sweep_window import OVERLAP, WHOLE_EVERY
from notifier.extensions import db
from notifier.models import Attempt, Notification, Status
from tests.support.applications import NOON, make_owed

pytestmark = pytest.mark.usefixtures("frozen")

RUNG_BY_HAND = NOON - timedelta(seconds=1)


def sweep(tmp_path: Path, publish: Callable[[Sequence[int]], bool], chunk: int = 1000) -> Swept:
    return Sweep(db.session, lambda keys, bulk: publish(keys), tmp_path, chunk=chunk).run()


def test_whoever_hears_the_bell_finds_the_row_free_and_the_bell_noted(context: Flask, tmp_path: Path) -> None:
    """Rung first and noted afterwards, a quick worker met the note in the making, passed over the row as one that
    somebody else holds, and the mail waited for the next bell: a minute, or ten for bulk mail."""
    pk = make_owed(enqueue_at=RUNG_BY_HAND)
    heard = []

    def publish(keys: Sequence[int]) -> bool:
        with Session(db.engine) as worker:
            enqueue_at = worker.scalars(select(Notification.enqueue_at)).one()
            claimed = ledger.claim(worker, keys, now=clock.now(), lease=timedelta(minutes=5), owner="quick")
            heard.append((list(keys), enqueue_at > NOON, [row.id for row in claimed]))
            worker.commit()
        return True

    assert sweep(tmp_path, publish) == Swept(leases_expired=0, expired=0, enqueued=1, refused=0)
    assert heard == [([pk], True, [pk])]
    db.session.expire_all()
    assert db.session.get_one(Notification, pk).status == Status.sending


@pytest.mark.parametrize("bulk", [False, True])
def test_a_bell_that_nobody_heard_is_rung_by_the_next_sweep(context: Flask, tmp_path: Path, bulk: bool) -> None:
    pk = make_owed(enqueue_at=RUNG_BY_HAND, bulk=bulk)
    assert sweep(tmp_path, lambda keys: False) == Swept(leases_expired=0, expired=0, enqueued=0, refused=1)
    heard: list[int] = []
    assert sweep(tmp_path, lambda keys: not heard.extend(keys)).enqueued == 1  # type: ignore[func-returns-value]
    assert heard == [pk]


def test_of_two_sweeps_at_once_one_rings(context: Flask, tmp_path: Path) -> None:
    pk = make_owed(enqueue_at=RUNG_BY_HAND)
    heard: list[int] = []

    def publish(keys: Sequence[int]) -> bool:
        heard.extend(keys)
        if len(heard) == 1:
            assert sweep(tmp_path, publish).enqueued == 0
        return True

    sweep(tmp_path, publish)
    assert heard == [pk]


def test_a_sweep_rings_for_what_it_has_noted_alone(
    context: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its look and its note another sweep was quicker."""
    first, second = make_owed(1, enqueue_at=RUNG_BY_HAND), make_owed(2, enqueue_at=RUNG_BY_HAND)
    look = ledger.overdue

    def beaten(*arguments: Any, **values: Any) -> list[tuple[int, bool]]:
        found = look(*arguments, **values)
        if len(found) == 2:
            ledger.mark_enqueued(db.session(), [first], seen=NOON, again_at=NOON + timedelta(minutes=1))
        return found

    monkeypatch.setattr(ledger, "overdue", beaten)
    heard: list[int] = []
    assert sweep(tmp_path, lambda keys: not heard.extend(keys)).enqueued == 1  # type: ignore[func-returns-value]
    assert heard == [second]


def test_a_row_that_something_new_points_at_is_not_passed_over(context: Flask) -> None:
    """Whoever writes a try of the past down holds the row's key, not the row."""
    pk = make_owed()
    with Session(db.engine) as writer, Session(db.engine) as worker:
        if db.engine.dialect.name == "sqlite":
            pytest.skip("there one transaction writes at a time")
        writer.add(Attempt(notification_id=pk, claim=1, decision="LEASE_EXPIRED"))
        writer.flush()
        claimed = ledger.claim(worker, [pk], now=NOON, lease=timedelta(minutes=5), owner="a worker")
        assert [row.id for row in claimed] == [pk]


def test_what_no_broker_took_keeps_its_place(context: Flask, tmp_path: Path) -> None:
    """The longest overdue go first, also after a time without a broker."""
    pks = [
        make_owed(
            number,
            enqueue_at=NOON - timedelta(seconds=9 - number),
            next_attempt_at=NOON - timedelta(minutes=9 - number),
        )
        for number in range(1, 4)
    ]
    assert sweep(tmp_path, lambda keys: False, chunk=2).refused == 2
    heard: list[int] = []
    sweep(tmp_path, lambda keys: not heard.extend(keys), chunk=2)  # type: ignore[func-returns-value]
    assert heard == pks


#: Long before everything that a sweep has looked at.
LONG_AGO = NOON - timedelta(hours=1)


@pytest.fixture
def heard() -> list[int]:
    """The keys that the broker got."""
    return []


@pytest.fixture
def sweeper(context: Flask, tmp_path: Path, heard: list[int]) -> Sweep:
    """The sweep of one process that has completed one."""
    swept = Sweep(db.session, lambda keys, bulk: not heard.extend(keys), tmp_path)  # type: ignore[func-returns-value]
    swept.run()
    return swept


def test_a_sweep_looks_back_to_the_last_complete_one(
    sweeper: Sweep, heard: list[int], frozen: time_machine.Traveller
) -> None:
    """Below that, the indexes hold the dead entries of everything that was sent, and nothing that is due."""
    frozen.shift(15)
    old = make_owed(1, enqueue_at=LONG_AGO)
    recent = make_owed(2, enqueue_at=NOON - OVERLAP / 2)
    lost = make_owed(3, status="sending", claims=1, lease_until=LONG_AGO)
    assert sweeper.run() == Swept(leases_expired=0, expired=0, enqueued=1, refused=0)
    assert heard == [recent]
    frozen.shift(WHOLE_EVERY)
    assert sweeper.run().leases_expired == 1
    assert set(heard) == {recent, old, lost}


def test_the_first_sweep_of_a_process_looks_at_everything(sweeper: Sweep, heard: list[int], tmp_path: Path) -> None:
    pk = make_owed(1, enqueue_at=LONG_AGO)
    assert sweep(tmp_path, lambda keys: not heard.extend(keys)).enqueued == 1  # type: ignore[func-returns-value]
    assert heard == [pk]


def test_what_the_broker_refused_is_found_by_every_process(
    sweeper: Sweep, heard: list[int], tmp_path: Path, frozen: time_machine.Traveller
) -> None:
    """The row goes to the front, far before the last complete sweep of this process."""
    pk = make_owed(1, enqueue_at=NOON)
    frozen.shift(15)
    assert sweep(tmp_path, lambda keys: False).refused == 1
    frozen.shift(15)
    assert sweeper.run().enqueued == 1
    assert heard == [pk]


def test_a_sweep_that_left_rows_behind_is_not_complete(context: Flask, tmp_path: Path) -> None:
    heard: list[int] = []
    publish = lambda keys, bulk: not heard.extend(keys)  # type: ignore[func-returns-value]  # noqa: E731
    pks = [make_owed(number, enqueue_at=LONG_AGO) for number in range(ROUNDS + 1)]
    swept = Sweep(db.session, publish, tmp_path, chunk=1)
    assert (swept.run().enqueued, swept.run().enqueued) == (ROUNDS, 1)
    assert sorted(heard) == sorted(pks)
