"""notifier campaign and notifier tick."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import func, select

from notifier.cli.main import build
from notifier.extensions import db
from notifier.models import Campaign, CampaignState, Notification
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, owed_to

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    command = build(lambda: app)

    def run(*words: str) -> Result:
        db.session.rollback()
        result = CliRunner().invoke(command, list(words))
        db.session.rollback()
        return result

    return run


def statuses() -> dict[str, int]:
    db.session.rollback()
    rows = db.session.execute(select(Notification.status, func.count()).group_by(Notification.status))
    return {status: number for status, number in rows}  # noqa: C416 - rows are no pairs to mypy


def stored(name: str = "news") -> Campaign:
    db.session.rollback()
    query = select(Campaign).where(Campaign.name == name)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def test_a_campaign_from_the_command_line(run: Run, app: Flask) -> None:
    make_people(3)
    made = run(
        "campaign", "create", "news", "--kind", "announcement", "--set", "cron=0 9 * * *",
        "--set", "settings.subject=News", "--set", "settings.heading=What is new",
        "--set", 'settings.paragraphs=["One."]', "--set", "audience.verified=false",
    )  # fmt: skip
    assert (made.exit_code, made.stdout) == (0, "news is active. Next: 2026-11-21 09:00 UTC.\n")
    assert made.stderr.startswith("Warning: It goes to addresses that were never confirmed.")
    edited = run(
        "campaign", "edit", "news", "--version", "1", "--set", "audience.verified=", "--set", "zone=Asia/Tokyo"
    )
    assert edited.output == "news is at version 2. Next: 2026-11-21 00:00 UTC.\n"
    assert (stored().audience, stored().zone) == ({}, "Asia/Tokyo")
    late = run("campaign", "edit", "news", "--version", "1", "--set", "title=x")
    assert late.exit_code == 1
    assert "changed by somebody else" in late.output

    assert run("campaign", "run", "news", "--now").output == "Run 1 was handed to the workers.\n"
    expand(1)
    shown = json.loads(run("campaign", "show", "news", "--json").output)
    assert (shown["campaign"]["version"], shown["runs"][0]["mails"]) == (2, {"pending": 3})
    listed = json.loads(run("campaign", "list", "--json").output)
    assert [(row["name"], row["last_run"]["state"]) for row in listed] == [("news", "sending")]
    for words in (("campaign", "list"), ("campaign", "show", "news")):
        assert "news" in run(*words).output

    assert run("campaign", "pause", "news").output == "Paused news; runs stopped: 1.\n"
    assert run("campaign", "run", "news", "--now").exit_code == 1
    assert run("campaign", "resume", "news").output == "news goes on; runs resumed: 1, mails woken: 0.\n"
    assert run("campaign", "cancel", "news").output == "Runs cancelled: 1, mails cancelled: 3.\n"
    assert owed_to(1) != []
    assert statuses() == {"cancelled": 3}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("show", "nothing"), "there is no campaign 'nothing'"),
        (("edit", "nothing", "--set", "title=x"), "there is no campaign"),
        (("create", "news", "--kind", "nonsense"), "kind: there is no campaign mail"),
        (("create", "news", "--kind", "announcement", "--set", "nonsense=1"), "write FIELD=VALUE"),
        (("edit", "news"), "Say what to change"),
    ],
)
def test_what_a_command_cannot_do_it_says_plainly(run: Run, words: tuple[str, ...], problem: str) -> None:
    result = run("campaign", *words)
    assert result.exit_code != 0
    assert problem in result.output
    assert "Traceback" not in result.output


def test_the_tick_command_ticks(run: Run) -> None:
    make_campaign(next_slot=SLOT + DAY, next_run_at=SLOT + DAY)
    assert run("tick").output.startswith("runs started 0,")
    at = run("tick", "--at", "2026-11-21T10:30:00+01:00", "--json")
    assert json.loads(at.output)["slots"] == {"due": 1}


def test_the_tick_command_keeps_to_the_time_in_production(run: Run, app: Flask) -> None:
    app.config["NOTIFIER_ENV"] = "production"
    result = run("tick", "--at", "2026-11-21T10:30:00+01:00")
    assert result.exit_code == 1
    assert "in production a slot is run when it is due" in result.output


@pytest.mark.parametrize(("env", "state"), [("development", "active"), ("production", "paused")])
def test_a_new_database_gets_the_defaults(make_app: Callable[..., Flask], tmp_path: Path, env: str, state: str) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'new.db'}")
    app.config["NOTIFIER_ENV"] = env
    with app.app_context():
        for _ in range(2):
            assert CliRunner().invoke(build(lambda: app), ["db", "upgrade"]).exit_code == 0
        found = db.session.scalars(select(Campaign).where(Campaign.name == "monthly-report")).one()
        assert found.state == CampaignState(state)
        db.session.rollback()
