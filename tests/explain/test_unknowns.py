"""Uncertain emails: counted by host in health, decided many at once by the command, repaired by a log."""

import json
import os
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select, update

from notifier import clock, ledger
from notifier.cli.main import build
from notifier.extensions import db
from notifier.models import AuditEntry, CampaignRun, Notification, RunState, Status
from notifier.observability import healthcheck
from notifier.services import services_of
from tests.support.applications import NOON, make_owed
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, start_run
from tests.support.commands import Run

pytestmark = pytest.mark.usefixtures("frozen", "context")

LEASE = timedelta(seconds=30)


@pytest.fixture
def run(run: Run) -> Run:
    """Run `notifier unknown` with these arguments."""
    return partial(run, "unknown")


def lose(pks: list[int], host: str) -> None:
    """A process of `host` claimed these rows, and was never heard of again."""
    owner = ledger.owner_name(host, "0123abcd", 7)
    ledger.claim(db.session(), pks, now=clock.now(), lease=LEASE, owner=owner)
    ledger.expire_leases(db.session(), now=clock.now(), lease_now=clock.now() + LEASE, limit=100)
    db.session.commit()


def rows() -> dict[int, Notification]:
    db.session.rollback()
    return {row.id: row for row in db.session.scalars(select(Notification).execution_options(populate_existing=True))}


def statuses() -> list[str]:
    return [row.status for _, row in sorted(rows().items())]


def lost_run(count: int, host: str) -> int:
    """A run that is over, whose emails were all lost with `host`."""
    make_people(count)
    run_id = start_run(make_campaign(on_unknown="never"))
    expand(run_id)
    lose([row.id for row in rows().values() if row.run_id == run_id], host)
    db.session.execute(update(CampaignRun).values(state=RunState.done.value, totals={"unknown": count}))
    db.session.commit()
    return run_id


def findings() -> dict[str, healthcheck.HealthCheck]:
    db.session.rollback()
    return {each.name: each for each in healthcheck.examine(db.session(), clock.now())}


def test_health_counts_what_is_uncertain_lost_and_failed_and_names_the_host(frozen: Any) -> None:
    well = findings()
    assert [well[name].ok for name in ("unknown", "lost claims", "failed")] == [True, True, True]
    lose([make_owed(1, on_unknown="never"), make_owed(2, on_unknown="never"), make_owed(3)], "web-3")
    make_owed(4, status="failed", settled_at=NOON)
    make_owed(5, status="failed", settled_at=NOON - timedelta(days=2))
    found = findings()
    assert (found["unknown"].ok, found["unknown"].figures) == (False, {"count": 2, "hosts": {"web-3": 2}})
    assert "web-3: 2" in found["unknown"].detail
    assert found["lost claims"].figures == {"last_24_hours": 3, "hosts": {"web-3": 3}}
    assert (found["lost claims"].ok, "web-3: 3" in found["lost claims"].detail) == (False, True)
    assert (found["failed"].ok, found["failed"].figures) == (True, {"last_24_hours": 1})
    frozen.shift(timedelta(hours=2))
    assert findings()["lost claims"].ok


def test_all_of_a_host_are_decided_at_once_and_others_are_left(run: Run) -> None:
    lose([make_owed(number, on_unknown="never") for number in (1, 2, 3)], "web-3")
    lose([make_owed(4, on_unknown="never")], "web-3-b")
    listed = json.loads(run("list", "--json").stdout)
    assert [(group["host"], group["emails"]) for group in listed] == [("web-3", 3), ("web-3-b", 1)]

    asked = run("resend", "--host", "web-3", input="n\n")
    assert (asked.exit_code, "Send 3 emails again?" in asked.stderr) == (1, True)
    assert statuses() == ["unknown"] * 4
    assert json.loads(run("resend", "--host", "web-3", "--yes", "--json").stdout) == {"decided": 3}
    assert statuses() == ["pending", "pending", "pending", "unknown"]
    again = rows()[1]
    assert (again.enqueue_at, again.reason_code, again.unknowns) == (NOON, "decided_resend", 1)
    (entry,) = db.session.scalars(select(AuditEntry))
    assert (entry.action, entry.actor) == ("notifications.decided", "command line")
    assert (entry.after["emails"], entry.after["host"], entry.after["status"]) == (3, "web-3", "pending")


def test_a_run_that_was_over_is_opened_again_and_taken_as_sent_it_stays_over(run: Run) -> None:
    run_id = lost_run(3, "web-3")
    others = make_owed(9, on_unknown="never")
    lose([others], "web-3")
    assert run("accept", "--run", str(run_id), "--yes").exit_code == 0
    assert statuses() == ["sent", "sent", "sent", "unknown"]
    assert db.session.scalars(select(CampaignRun.state)).one() == "done"

    db.session.execute(update(Notification).values(status="unknown"))
    db.session.commit()
    assert "Sent again within seconds: 3" in run("resend", "--campaign", "news", "--yes").output
    assert statuses() == ["pending", "pending", "pending", "unknown"]
    assert db.session.scalars(select(CampaignRun.state)).one() == "sending"


def test_everything_is_decided_only_if_that_is_said(run: Run) -> None:
    lose([make_owed(1, on_unknown="never")], "web-3")
    assert "Say which emails" in run("accept", "--yes").output
    assert statuses() == ["unknown"]
    assert run("accept", "--all", "--yes").exit_code == 0
    assert statuses() == ["sent"]
    assert "No email is uncertain." in run("accept", "--all", "--yes").output
    assert run("resend", "--campaign", "none", "--yes").exit_code == 1


def test_what_becomes_uncertain_while_the_question_is_read_is_not_decided(run: Run, frozen: Any) -> None:
    lose([make_owed(1, on_unknown="never")], "web-3")

    def answer(*_: Any, **__: Any) -> bool:
        frozen.shift(timedelta(seconds=5))
        lose([make_owed(2, on_unknown="never")], "web-3")
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("notifier.cli.unknown.click.confirm", answer)
        run("accept", "--host", "web-3")
    assert statuses() == ["sent", "unknown"]


@pytest.mark.parametrize("newer", [False, True])
def test_a_repair_by_the_log_of_the_mail_server_sends_what_did_not_arrive(
    app: Flask, tmp_path: Path, newer: bool
) -> None:
    """Whatever the campaign says: it is certain now. But what a log cannot know yet, it does not decide."""
    run_id = lost_run(3, "web-3")
    composer = services_of(app).sender.composer
    arrived, *missing = sorted(rows().values(), key=lambda row: row.id)
    path = tmp_path / "accepted.log"
    path.write_text(composer.message_id_of(arrived.id, arrived.dedupe_key) + "\n")
    written = NOON.timestamp() + (-1 if newer else 1)
    os.utime(path, (written, written))
    db.session.rollback()
    result = CliRunner().invoke(build(lambda: app), ["repair", "--run", str(run_id), "--accepted", str(path), "--yes"])
    assert result.exit_code == 0, result.output
    expected = "unknown" if newer else "pending"
    assert [rows()[row.id].status for row in (arrived, *missing)] == ["sent", expected, expected]


def test_a_decision_names_the_edge(context: Flask) -> None:
    with pytest.raises(ledger.ForbiddenMove):
        ledger.decide_unknown(db.session(), [], Status.skipped, now=SLOT, operator="me")
