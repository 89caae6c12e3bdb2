"""An operator's command and an expansion of the same campaign wait for each other in one direction only."""

import threading
import time

import pytest
from flask import Flask
from sqlalchemy import text

from notifier.campaigns import control
from notifier.extensions import db
from notifier.models import CampaignRun, RunState
from tests.support.campaigns import expand, make_campaign, make_people, start_run

pytestmark = pytest.mark.usefixtures("frozen")

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def wait_for_a_lock() -> None:
    """Return as soon as another session waits for a lock."""
    deadline = time.monotonic() + 10
    with db.engine.connect() as connection:
        while not connection.scalar(_WAITING):
            assert time.monotonic() < deadline, "no session waits"
            time.sleep(0.01)
            connection.rollback()


def test_cancel_beside_an_expansion_is_no_deadlock(context: Flask) -> None:
    if db.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    campaign = make_campaign()
    make_people(4)
    run_id = start_run(campaign)
    name = campaign.name
    errors: list[BaseException] = []

    def expansion() -> None:
        try:
            with context.app_context():
                expand(run_id, chunk=2)
        except BaseException as error:
            errors.append(error)

    found = control.find(db.session(), name)  # locks the campaign, as the first step of every command
    thread = threading.Thread(target=expansion)
    thread.start()
    wait_for_a_lock()
    control.cancel(db.session(), found, reason="a test")
    db.session.commit()
    thread.join(20)
    assert not errors
    assert db.session.get_one(CampaignRun, run_id, populate_existing=True).state == RunState.cancelled
