"""Leases by the database's clock: a host whose own clock is wrong takes nothing from others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, select

from notifier import clock, ledger
from notifier.database import database_clock
from notifier.database.database_clock import DatabaseClock
from notifier.delivery.sweep import Sweep
from notifier.extensions import db
from notifier.models import Notification
from notifier.observability import healthcheck
from notifier.services import services_of
from tests.support.applications import make_owed

AHEAD = timedelta(minutes=10)


@pytest.fixture
def postgres_only(context: Flask) -> Flask:
    if db.engine.dialect.name == "sqlite":
        pytest.skip("the database is in this process, and has its clock")
    return context


def wrong_clock(by: timedelta) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + by, tick=True)


@pytest.mark.parametrize("by", [AHEAD, -AHEAD], ids=["ahead", "behind"])
def test_a_host_whose_clock_is_wrong_lapses_no_living_claim_and_gives_no_longer_one(
    postgres_only: Flask, tmp_path: Path, by: timedelta
) -> None:
    leases = services_of(postgres_only).sender.leases
    begun = datetime.now(UTC)
    held, mine = (make_owed(number, next_attempt_at=begun - timedelta(days=1)) for number in (1, 2))
    ledger.claim(db.session(), [held], now=begun, lease=leases.length, owner="another", lease_from=leases.now())
    db.session.commit()
    with wrong_clock(by):
        moments = DatabaseClock(db.engine)
        assert Sweep(db.session, lambda keys, bulk: True, tmp_path, moments.now).run().leases_expired == 0
        ledger.claim(db.session(), [mine], now=clock.now(), lease=leases.length, owner="me", lease_from=moments.now())
        db.session.commit()
    until = {row.id: row.lease_until for row in db.session.scalars(select(Notification))}
    assert until[held] is not None
    assert begun < (until[mine] or begun) < begun + leases.length + timedelta(seconds=30)


def test_it_is_measured_once_a_minute_and_a_jump_of_the_hosts_clock_is_none_of_its(
    postgres_only: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    steady = clock.elapsed
    late = [0.0]
    monkeypatch.setattr(database_clock.clock, "elapsed", lambda: steady() + late[0])
    moments = DatabaseClock(db.engine, max_age=60)
    first = moments.now()
    with wrong_clock(AHEAD):
        late[0] = 59.0
        assert timedelta(seconds=59) <= moments.now() - first < timedelta(seconds=65)
    assert len(asked) == 1
    late[0] = 61.0
    assert moments.now() - first < timedelta(seconds=30)  # measured again: the minute was never real
    assert asked == ["SELECT clock_timestamp()"] * 2


@pytest.mark.parametrize(("by", "warned"), [(AHEAD, True), (timedelta(seconds=2), False), (-AHEAD, True)])
def test_a_difference_is_logged_and_health_says_so(
    postgres_only: Flask, caplog: pytest.LogCaptureFixture, by: timedelta, warned: bool
) -> None:
    caplog.set_level("WARNING")
    with wrong_clock(by):
        finding = healthcheck.clock_check(DatabaseClock(db.engine), warn_above=5)
    assert ("clock.differs" in caplog.text) is warned
    assert finding.ok is not warned
    assert abs(finding.figures["seconds_ahead"] - by.total_seconds()) < 2


def test_on_sqlite_the_clock_is_the_hosts(context: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("about SQLite")
    with wrong_clock(AHEAD):
        assert abs(DatabaseClock(db.engine).difference()) < 1
