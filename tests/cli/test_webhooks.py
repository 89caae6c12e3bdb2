"""`notifier webhooks`: endpoints from the command line."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.cli.main import build
from notifier.extensions import db
from notifier.models import AuditEntry, Event
from tests.support.receiver import Receiver, says

pytestmark = [pytest.mark.usefixtures("frozen"), pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


@pytest.fixture
def here() -> Iterator[Receiver]:
    made = Receiver(says())
    yield made
    made.close()


@pytest.fixture
def command(make_app: Callable[..., Flask]) -> Callable[..., str]:
    """Runs `notifier webhooks …`, and returns what it prints."""
    app = make_app(publish=lambda keys, bulk: None, webhook_loopback=True)

    def run(*words: str, code: int = 0) -> str:
        done = app.test_cli_runner().invoke(build(lambda: app), ["webhooks", *words])
        assert done.exit_code == code, done.output
        return done.output

    run.app = app  # type: ignore[attr-defined]
    return run


def test_an_endpoint_from_its_first_day_to_its_last(command: Callable[..., str], here: Receiver) -> None:
    (first,) = re.findall(r"whsec_\S+", command("add", here.url, "--type", "run.paused"))
    assert "took the event: 204" in command("test", "1")
    here.reply = says(500, body=b"no")
    assert "did not take the event: answered 500: no" in command("test", "1", code=1)
    assert "gets no more events" in command("disable", "1")
    (line,) = json.loads(command("list", "--json"))
    assert (line["url"], line["types"], line["state"]) == (here.url, ["run.paused"], "disabled: disabled by hand")
    assert "enable it first" in command("replay", "1", code=1)
    assert "gets events again" in command("enable", "1")
    assert "was not disabled" in command("enable", "1")
    assert "Events that are sent again: 0." in command("replay", "1", "--hours", "1")
    assert first not in command("rotate", "1")
    assert "run.finished, run.paused" in command("change", "1", "--type", "run.finished", "--type", "run.paused")
    assert "gets all" in command("change", "1")
    assert "deleted" in command("remove", "1", "--yes")
    assert "there is no endpoint 1" in command("remove", "1", "--yes", code=1)
    with command.app.app_context():  # type: ignore[attr-defined]
        said = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        assert db.session.scalars(select(Event)).all() == [], "a test from here is no part of the feed"
    assert said == [
        f"webhook.{each}"
        for each in ("added", "disabled", "enabled", "replayed", "secret_rotated", "changed", "changed", "removed")
    ]


def test_mistakes_are_one_line(command: Callable[..., str]) -> None:
    assert "must begin with https://" in command("add", "http://example.com/", code=1)
    assert "not a type of event" in command("add", "https://hooks.example/", "--type", "x", code=1)
