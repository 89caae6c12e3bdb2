"""The screen of a person on call, and its exit code."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
import time_machine
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import insert

from notifier import clock
from notifier.cli.main import build
from notifier.extensions import db
from notifier.models import AccountRequest, Status, TransportState
from notifier.observability import heartbeats
from notifier.observability.check import HealthCheck
from notifier.operators import audit_log
from tests.support.applications import make_owed
from tests.support.commands import Run
from tests.support.services import replace_services


def probed(app: Flask, *checks: HealthCheck) -> None:
    found: Sequence[HealthCheck] = checks
    replace_services(app, probes=lambda: list(found))
    with app.app_context():
        for chore in heartbeats.CHORES:
            heartbeats.beat(db.session(), chore, clock.now())
        db.session.commit()


def test_all_is_well(context: Flask, run: Run, frozen: time_machine.Traveller) -> None:
    probed(context)
    with context.app_context():
        later = clock.now() + timedelta(hours=1)
        make_owed(1, next_attempt_at=later, enqueue_at=later)
    result = run("status")
    assert result.exit_code == 0, result.output
    assert "Is email going out now?     Yes." in result.output
    assert "0 overdue, 1 scheduled" in result.output
    assert "No email is late." in result.output
    assert "Can I stop and resume?      Yes." in result.output


def test_a_broker_that_is_away(context: Flask, run: Run, frozen: time_machine.Traveller) -> None:
    probed(
        context, HealthCheck("broker", ok=False, detail="does not answer"), HealthCheck("workers", ok=False, detail="x")
    )
    with context.app_context():
        make_owed(1)
    frozen.shift(timedelta(minutes=10))
    result = run("status")
    assert result.exit_code == 3
    assert "No." in result.output
    assert "The broker does not answer. Since 20 Nov 12:00:00 UTC (10 minutes)." in result.output
    assert "docs/runbook.md#the-broker-is-away" in result.output
    assert "1 overdue, 0 scheduled" in result.output
    assert "verification: 1 overdue, the oldest for 10 minutes" in result.output
    asked = json.loads(run("status", "--json").output)
    assert (asked["going_out"], [each["key"] for each in asked["problems"]]) == ("no", ["broker"])
    assert asked["problems"][0]["consequences"][:1] == ["ledger"]
    assert (asked["database"]["counts"]["due"], asked["database"]["scheduled"]) == (1, 0)


def test_sign_ups_that_wait_are_emails_that_are_late(context: Flask, run: Run, frozen: time_machine.Traveller) -> None:
    probed(context, HealthCheck("broker", ok=False, detail="does not answer"))
    with context.app_context():
        # A statement of its own: a request that is added to the session is handled when it commits, without a broker.
        row = {"action": "signup", "email": "a@example.com", "identity_key": "a@example.com", "enqueue_at": clock.now()}
        db.session.execute(insert(AccountRequest), row)
        db.session.commit()
    assert "No email is late." in run("status").output
    frozen.shift(timedelta(seconds=11))
    result = run("status")
    assert "0 overdue, 0 scheduled, 1 sign-up request waits." in result.output
    assert "No email is late." not in result.output
    assert "people who have just signed up" in result.output


@pytest.mark.parametrize(("emails", "said"), [(1, "1 email is being sent"), (2, "2 emails are being sent")])
def test_stopping_while_the_mail_server_hangs_needs_care(context: Flask, run: Run, emails: int, said: str) -> None:
    probed(context, HealthCheck("mail server", ok=False, detail="timed out"))
    with context.app_context():
        for number in range(emails):
            make_owed(number, status=Status.sending, lease_until=clock.now() + timedelta(minutes=5))
    whose = "its" if emails == 1 else "their"
    expected = f"With care. {said} to a server that does not answer: after 25 seconds {whose} delivery is uncertain."
    assert expected in run("status").output


def test_exports_are_no_changes(context: Flask, run: Run, frozen: time_machine.Traveller) -> None:
    probed(context)
    with context.app_context():
        for action in ("person.exported", "person.erased"):
            audit_log.record(db.session(), audit_log.COMMAND_LINE, action, object_type="person", object_id=1)
        db.session.commit()
    output = run("status").output
    assert ("person.erased" in output, "person.exported" in output) == (True, False)


def test_what_is_held_is_shown_in_plain_words(context: Flask, run: Run, frozen: time_machine.Traveller) -> None:
    probed(context)
    with context.app_context():
        later = clock.now() + timedelta(minutes=1)
        make_owed(1, next_attempt_at=later, enqueue_at=later, reason_code="transport_held")
        said = {"phase": "eod", "code": 452, "text": "4.3.1 disk full"}
        db.session.add(TransportState(name="smtp", held_since=clock.now(), next_probe_at=later, probes=0, **said))
        db.session.commit()
    result = run("status")
    assert "Sending through smtp is on hold." in result.output
    assert "transport smtp: held for 1 second, 1 email waiting" in result.output
    assert "after the email's text: 452 4.3.1 disk full" in result.output
    assert "eod" not in result.output
    assert "0 overdue, 0 scheduled, 1 held" in result.output


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_is_away_is_said(make_app: Callable[..., Flask]) -> None:
    app = make_app(database_url="postgresql://x:y@127.0.0.1:1/z")
    replace_services(app, probes=list)
    result = CliRunner().invoke(build(lambda: app), ["status"])
    assert result.exit_code == 3
    assert "The database does not answer." in result.output
    assert "Not known: the database does not answer." in result.output
