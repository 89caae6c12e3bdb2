"""Operators are told once about a cause, and once more when it is well: over restarts, and without the mail server."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from notifier import clock
from notifier.observability.causes import diagnose
from notifier.observability.check import HealthCheck
from notifier.observability.watch import Look
from notifier.services import services_of
from notifier.testing.smtp_server import SmtpServer
from tests.support.receiver import Receiver, says

MINUTE = timedelta(minutes=1)


@pytest.fixture
def mail_server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def hook() -> Iterator[Receiver]:
    receiver = Receiver(says(204))
    yield receiver
    receiver.close()


@pytest.fixture
def make_watcher(
    make_app: Callable[..., Flask], mail_server: SmtpServer, hook: Receiver, tmp_path: object
) -> Callable[..., Flask]:
    """Builds a process that tells boss@example.com and the hook."""

    def make(**values: object) -> Flask:
        given = {
            "mail_server": mail_server.host, "mail_port": mail_server.port, "alert_emails": ["boss@example.com"],
            "alert_webhook_url": f"http://127.0.0.1:{hook.port}/hook", "webhook_loopback": True,
            "mail_suppress_send": False, "notifier_data_dir": tmp_path,
            "runbook_url": "https://runbook.example/runbook",
        }  # fmt: skip
        return make_app(**given | values)

    return make


def round_(app: Flask, *failing: str, detail: str = "does not answer") -> list[str]:
    """One look in which these checks fail. Return the subjects that operators took."""
    checks = [HealthCheck(name, ok=False, detail=detail) for name in failing]
    told: list[str] = []
    with app.app_context():
        look = Look(clock.now(), checks, diagnose(checks))
        services_of(app).alerts.round(look, tell=told.append)
    return [subject.partition("] ")[2] for subject in told]


def test_a_cause_is_told_once_and_once_more_when_it_is_well(
    make_watcher: Callable[..., Flask], frozen: time_machine.Traveller, mail_server: SmtpServer, hook: Receiver
) -> None:
    app = make_watcher()
    assert round_(app, "broker", "tick") == []
    frozen.shift(2 * MINUTE)
    assert round_(app, "broker", "tick") == []
    frozen.shift(MINUTE)
    assert round_(app, "broker", "tick") == ["The broker does not answer."]
    for _ in range(5):
        frozen.shift(10 * MINUTE)
        assert round_(make_watcher(), "broker", "tick") == [], "also after a restart"
    assert round_(app) == []
    frozen.shift(MINUTE)
    assert round_(app) == ["Well again: The broker does not answer."]
    frozen.shift(MINUTE)
    assert round_(app) == []
    first, last = (email.data.decode() for email in mail_server.accepted)
    assert "Because of it: tick" in first
    assert "runbook.example/runbook#the-broker-is-away" in first.replace("=\r\n", "")
    assert "well again after 53 minutes" in last.replace("=\r\n", "")
    calls = [json.loads(request.body) for request in hook.requests]
    assert [call["state"] for call in calls] == ["failing", "well"]
    assert calls[0]["runbook_url"] == "https://runbook.example/runbook#the-broker-is-away"


def test_a_cause_that_comes_and_goes_is_one_incident(
    make_watcher: Callable[..., Flask], frozen: time_machine.Traveller
) -> None:
    app, told = make_watcher(), []
    for number in range(40):
        told += round_(app, *(["broker"] if number % 2 else []))
        frozen.shift(timedelta(seconds=30))
    assert told == ["The broker does not answer."]


def test_a_cause_that_another_takes_over_is_not_called_well(
    make_watcher: Callable[..., Flask], frozen: time_machine.Traveller
) -> None:
    app = make_watcher(alert_after=0)
    assert round_(app, "tick") == ["The scheduler is silent."]
    assert round_(app, "tick", "broker") == ["The broker does not answer."]
    frozen.shift(10 * MINUTE)
    assert round_(app, "tick", "broker") == []
    assert round_(app) == []
    frozen.shift(2 * MINUTE)
    assert sorted(round_(app)) == ["Well again: The broker does not answer.", "Well again: The scheduler is silent."]


def test_two_processes_tell_once(make_watcher: Callable[..., Flask], frozen: time_machine.Traveller) -> None:
    one, other = make_watcher(alert_after=0), make_watcher(alert_after=0)
    assert round_(one, "broker") + round_(other, "broker") == ["The broker does not answer."]


def test_a_mail_server_that_is_away_is_told_by_the_webhook(
    make_watcher: Callable[..., Flask], frozen: time_machine.Traveller, mail_server: SmtpServer, hook: Receiver
) -> None:
    mail_server.stop()
    assert round_(make_watcher(alert_after=0), "mail server") == ["The mail server does not answer."]
    assert [json.loads(request.body)["key"] for request in hook.requests] == ["mail server"]


def test_what_reached_no_one_is_tried_again_and_told_afterwards(
    make_watcher: Callable[..., Flask], frozen: time_machine.Traveller, mail_server: SmtpServer
) -> None:
    app = make_watcher(alert_after=0, alert_webhook_url="")
    mail_server.script["mail"] = "451 4.3.0 not now"
    assert round_(app, "mail server") == []
    assert round_(app) == []
    mail_server.script.clear()
    frozen.shift(2 * MINUTE)
    assert round_(app) == ["Well again: The mail server does not answer."]
    assert "could not be told while it lasted" in mail_server.accepted[0].data.decode()


def test_a_database_that_is_away_is_told_and_remembered_without_it(
    make_watcher: Callable[..., Flask], frozen: time_machine.Traveller
) -> None:
    away = {"database_url": "postgresql://x:y@127.0.0.1:1/z", "alert_after": 0}
    assert round_(make_watcher(**away), "database", "broker") == ["The database does not answer."]
    assert round_(make_watcher(**away), "database", "broker") == []
    app = make_watcher(alert_after=0)
    assert round_(app) == []
    frozen.shift(2 * MINUTE)
    assert round_(app) == ["Well again: The database does not answer."]
