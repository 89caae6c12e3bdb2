"""The notifier command on rows."""

import json
import os
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import func, inspect, select

from notifier import clock
from notifier.accounts.signup import Applicant
from notifier.campaigns.default_campaigns import load
from notifier.cli.main import build
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import Activity, CampaignRun, Notification, Operator, Suppression, User
from notifier.observability import heartbeats, totals
from notifier.outbox import Cooldown, Outbox
from notifier.services import services_of
from tests.support.services import replace_services

ROOT = Path(__file__).parents[2]

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    command = build(lambda: app)

    def run(*words: str) -> Result:
        return CliRunner().invoke(command, list(words))

    return run


def test_seed_adds_varied_users(app: Flask, run: Run) -> None:
    result = run("seed", "--users", "300", "--verified", "0.5", "--activities", "3")
    assert result.exit_code == 0, result.output
    with app.app_context():
        users = db.session.scalars(select(User)).all()
        assert len(users) == 300
        assert 100 < sum(user.verified_at is not None for user in users) < 200
        assert len({user.timezone for user in users}) > 10
        assert len({user.display_name for user in users}) > 150
        assert all(user.verified_at is None or user.verified_at >= user.created_at for user in users)
        assert 600 < (db.session.scalar(select(func.count()).select_from(Activity)) or 0) < 1200


def test_a_seeded_history_fills_the_dashboard_and_adds_up(app: Flask, run: Run) -> None:
    with app.app_context():
        load(db.session(), services_of(app).kinds, now=clock.now(), paused_reason=None)
        db.session.commit()
        totals.roll_up(db.session, clock.now())
    result = run("seed", "--users", "400", "--history")
    assert result.exit_code == 0, result.output
    assert "emails of the last 90 days" in result.output
    with app.app_context():
        emails = Counter(db.session.scalars(select(Notification.status)))
        by_day = totals.by_day(db.session(), days=95, now=clock.now())
        shown = totals.total(by_day)
        assert sum(bool(each.counts) for each in by_day) > 30, "not a single spike"
        # Bounced and reported emails were sent before, and count as sent, too.
        assert shown["sent"] == emails["sent"] + emails["bounced"] + emails["complained"]
        for status in ("failed", "bounced", "complained"):
            assert shown[status] == emails[status]
        runs = db.session.scalars(select(CampaignRun)).all()
        assert len(runs) in {2, 3}, "90 days have two or three first days of a month that are over"
        assert {each.state for each in runs} == {"done"}
        assert all(sum((each.totals or {}).values()) == each.planned > 0 for each in runs)
        dead = {each.identity_key for each in db.session.scalars(select(Suppression))}
        assert len(dead) == emails["bounced"] + emails["complained"] + emails["failed"]
    assert "It adds up." in run("audit").output


def test_seed_twice_adds_others(app: Flask, run: Run) -> None:
    assert run("seed", "--users", "10").exit_code == run("seed", "--users", "10").exit_code == 0
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 20


def test_after_a_seed_people_can_still_sign_up(app: Flask, run: Run) -> None:
    run("seed", "--users", "10")
    with app.app_context():
        applicant = Applicant(parse_address("ada@example.com"))
        services_of(app).accounts.register(db.session(), applicant)
        db.session.commit()
        assert db.session.scalars(select(User.id).where(User.email == "ada@example.com")).one() == 11


def test_seed_is_refused_in_production(app: Flask, run: Run) -> None:
    app.config["NOTIFIER_ENV"] = "production"
    result = run("seed", "--users", "10")
    assert result.exit_code == 1
    assert "does not run in production" in result.output


def test_an_operator_is_made_with_a_password_shown_once(app: Flask, run: Run) -> None:
    result = run("operator", "create", "boss@example.com")
    assert result.exit_code == 0
    password = result.output.rpartition(": ")[2].strip()
    with app.app_context():
        operator = db.session.scalars(select(Operator)).one()
    assert operator.password_hash.startswith("$argon2id$")
    assert password not in operator.password_hash
    assert len(password) >= 15


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("boss@example.com", "--password", "too short"), "15 characters"),
        (("not an address",), "address"),
        (("twice@example.com",), "already"),
    ],
)
def test_an_operator_that_cannot_be_is_refused_with_words(run: Run, words: tuple[str, ...], problem: str) -> None:
    run("operator", "create", "twice@example.com")
    result = run("operator", "create", *words)
    assert result.exit_code == 1
    assert problem in result.output


def test_sweep_says_what_it_did(app: Flask, run: Run, enqueued: list[int]) -> None:
    with app.app_context():
        applicant = Applicant(parse_address("ada@example.com"))
        services_of(app).accounts._grace *= 0
        services_of(app).accounts.register(db.session(), applicant)
        db.session.commit()
    assert run("outbox", "sweep").output.startswith("enqueued 1,")
    assert run("outbox", "sweep").output.startswith("enqueued 0,")
    assert enqueued == [1, 1]


def test_sweep_without_a_broker_fails_and_loses_nothing(app: Flask, run: Run) -> None:
    def away(keys: object, bulk: bool) -> None:
        raise ConnectionRefusedError

    with app.app_context():
        services_of(app).accounts._grace *= 0
        services_of(app).accounts.register(db.session(), Applicant(parse_address("ada@example.com")))
        db.session.commit()
    outbox = Outbox(away, cooldown=Cooldown(rest=0))
    services_of(app).sweep._publish = outbox.publish
    for _ in range(2):
        result = run("outbox", "sweep")
        assert (result.exit_code, "away 1" in result.output) == (1, True)


def test_health_names_what_is_missing(app: Flask, run: Run) -> None:
    replace_services(app, probes=list)
    result = run("health", "--json")
    assert result.exit_code == 1
    assert {line["name"]: line["ok"] for line in json.loads(result.output)} == {
        "schema": True, "ledger": True, "sign-up requests": True, "unknown": True, "failed": True, "lost claims": True,
        "tick": False, "sweep": False, "purge": False,
    }  # fmt: skip


def test_health_is_well_when_all_is(app: Flask, run: Run) -> None:
    replace_services(app, probes=list)
    with app.app_context():
        for chore in heartbeats.CHORES:
            heartbeats.beat(db.session(), chore, clock.now())
        db.session.commit()
    result = run("health")
    assert result.exit_code == 0, result.output
    assert "WRONG" not in result.output


def test_models_and_migrations_agree(app: Flask) -> None:
    """The migrated schema has what the models say: tables, columns, nullability, indexes, uniqueness."""
    with app.app_context():
        found = inspect(db.engine)
        assert set(found.get_table_names()) - {"notifier_version"} == set(db.metadata.tables)
        for table in db.metadata.sorted_tables:
            columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
            assert columns == {column.name: bool(column.nullable) for column in table.columns}, table.name
            indexes = {index["name"] for index in found.get_indexes(table.name) if not index["unique"]}
            assert indexes == {index.name for index in table.indexes if not index.unique}, table.name


def test_upgrade_from_nothing_and_again(tmp_path: Path, make_app: Callable[..., Flask]) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'new.db'}")
    command = build(lambda: app)
    for _ in range(2):
        result = CliRunner().invoke(command, ["db", "upgrade"])
        assert result.exit_code == 0, result.output


def test_a_command_before_the_schema_says_what_to_do_and_shows_no_statement(
    tmp_path: Path, make_app: Callable[..., Flask]
) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'empty.db'}")
    command = build(lambda: app)
    for words in (["seed", "--users", "1"], ["operator", "create", "boss@example.com"], ["outbox", "sweep"]):
        result = CliRunner().invoke(command, words)
        assert result.exit_code == 1
        assert "notifier db upgrade" in result.output
        assert "INSERT" not in result.output
    replace_services(app, probes=list)
    result = CliRunner().invoke(command, ["health"])
    assert result.exit_code == 1
    assert "tables are missing" in " ".join(result.output.split())


def test_servers_end_at_once_with_a_wrong_setting(tmp_path: Path) -> None:
    """Exit code 3 is what tells gunicorn not to start its worker again for ever."""
    done = subprocess.run(
        [sys.executable, "-c", "import wsgi"],
        env={**os.environ, "NOTIFIER_DATA_DIR": str(tmp_path), "MAIL_PORT": "x"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert [text for text in done.stderr.splitlines() if text.startswith("MAIL_PORT: ")], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("setting", "line"), [("NOTIFIER_ENV=production", "PUBLIC_URL: "), ("REDIS_URL=foo", "REDIS_URL: ")]
)
def test_servers_say_which_setting_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], setting: str, line: str
) -> None:
    name, _, value = setting.partition("=")
    monkeypatch.setenv("NOTIFIER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="3"):
        runpy.run_path(str(ROOT / "notifier" / "wsgi.py"))
    assert [text for text in capsys.readouterr().err.splitlines() if text.startswith(line)]
