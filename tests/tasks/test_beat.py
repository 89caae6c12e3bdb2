"""The real `celery beat`: killed, its state forgotten, started again, twice at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import signals
from flask import Flask
from sqlalchemy import select, update

from bench.children import Child, clean_env
from notifier import clock
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun
from notifier.services import services_of
from notifier.tasks.queues import CONTROL
from notifier.testing.servers.valkey import ValkeyServer
from tests.support.campaigns import make_campaign
from tests.support.working import eventually, working

# The worker's own loop warns of what is none of ours. Which database it is makes no difference to beat.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
    pytest.mark.parametrize("database_url", ["postgres"], indirect=True),
]

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)

#: Seconds that a busy machine may take to start one.
START = 40.0

#: As in production, where beat keeps no file at all; and as Celery does it by itself.
STATELESS, WITH_FILE = ("-S", "celery.beat:Scheduler"), ("-s", "schedule")

#: What becomes of slots that are an hour and a half, and half an hour, late.
POLICIES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "late-together": ({"misfire": "run_late"}, ["coalesced", "due"]),
    "late-each": ({"misfire": "run_late", "coalesce": False}, ["due", "due"]),
    "skip-together": ({"misfire": "skip"}, ["missed", "missed"]),
    "skip-each": ({"misfire": "skip", "coalesce": False}, ["missed", "missed"]),
    "within-an-hour": ({"misfire": "within", "misfire_within": 3600}, ["missed", "due"]),
    "within-two-together": ({"misfire": "within", "misfire_within": 7200}, ["coalesced", "due"]),
    "within-two-each": ({"misfire": "within", "misfire_within": 7200, "coalesce": False}, ["due", "due"]),
}


@pytest.fixture
def surroundings(live_app: Flask, valkey: ValkeyServer, database_url: str) -> dict[str, str]:
    return clean_env(
        {
            "NOTIFIER_ENV": "test",
            "SECRET_KEYS": services_of(live_app).settings.secret_keys[0],
            "DATABASE_URL": database_url,
            "REDIS_URL": valkey.url,
        }
    )


@contextmanager
def beat(name: str, surroundings: dict[str, str], folder: Path, *options: str) -> Iterator[Child]:
    """It ends by kill -9."""
    argv = [sys.executable, "-m", "celery", "-A", "wsgi:celery_app", "beat", "--pidfile=", *options]
    with Child(name, argv, surroundings, folder) as child:
        yield child
        os.kill(child.pid, signal.SIGKILL)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Grows with every tick that the worker has done."""
    ticks: list[str] = []

    def ran(sender: Any, task_id: str, **_: Any) -> None:
        if sender.name == "notifier.tick":
            ticks.append(task_id)

    signals.task_postrun.connect(ran)
    yield ticks
    signals.task_postrun.disconnect(ran)


def test_slots_over_which_beat_was_away_are_there_when_it_comes_back_without_its_file(
    live_app: Flask, broker: "redis.Redis", surroundings: dict[str, str], tmp_path: Path
) -> None:
    now = clock.now().replace(second=0, microsecond=0)
    ahead, late = now + 30 * MINUTE, [now - 90 * MINUTE, now - 30 * MINUTE]
    with live_app.app_context():
        for name, (values, _) in POLICIES.items():
            make_campaign(name, cron=f"{ahead.minute} * * * *", next_slot=ahead, next_run_at=ahead, **values)

    with counted() as ticks, working(live_app, [CONTROL]):
        with beat("first", surroundings, tmp_path, *WITH_FILE):
            eventually(lambda: len(ticks) == 1, "beat has called for a tick", START)
        state = list(tmp_path.glob("schedule*"))
        assert state, "as Celery does it by itself, beat has a file"
        for file in state:
            file.unlink()
        assert slots(live_app) == {}

        # Two slots pass. One cannot wait for two hours: the next one is that of an hour and a half ago.
        with live_app.app_context():
            db.session.execute(update(Campaign).values(next_slot=late[0], next_run_at=late[0]))
            db.session.commit()
        with beat("one", surroundings, tmp_path, *STATELESS), beat("another", surroundings, tmp_path, *STATELESS):
            # Each calls for a tick when it starts, and then not for half a minute.
            eventually(lambda: len(ticks) == 3, "both have called for a tick", START)
    assert not list(tmp_path.glob("schedule*")), "what production runs keeps no file"
    assert slots(live_app) == {
        (name, slot): state for name, (_, states) in POLICIES.items() for slot, state in zip(late, states, strict=True)
    }
    with live_app.app_context():
        assert set(db.session.scalars(select(Campaign.next_run_at))) == {ahead}


def slots(app: Flask) -> dict[tuple[str, datetime], str]:
    """(campaign, slot) -> the state of the run, which is unique by them."""
    with app.app_context():
        query = select(Campaign.name, CampaignRun.slot, CampaignRun.state).join(Campaign)
        rows = db.session.execute(query.select_from(CampaignRun)).all()
    assert len({row[:2] for row in rows}) == len(rows)
    return {(name, slot): state for name, slot, state in rows}
