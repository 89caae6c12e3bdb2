"""`flask notifier …`: our commands in a host, on its engine."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from click.testing import CliRunner, Result
from flask.cli import FlaskGroup
from sqlalchemy import select

from notifier.cli.commands import COMMANDS, REFUSED_INSIDE
from notifier.database import engines, older_layout
from notifier.models import Campaign, Notification
from tests.embedding.conftest import Host

Make = Callable[..., Host]

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["mount", "celery"])
def hosted(make_host: Make, request: pytest.FixtureRequest) -> Host:
    """A host with our pages, or with our workers alone."""
    host = make_host()
    host.app.testing = True
    options: dict[str, Any] = {"mount": "/mail"} if request.param == "mount" else {"celery": Celery("host")}
    host.start(**options)
    return host


@pytest.fixture
def mounted(make_host: Make) -> Host:
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail")
    return host


def run(host: Host, *words: str, **options: Any) -> Result:
    return CliRunner().invoke(FlaskGroup(create_app=lambda: host.app), ["notifier", *words], **options)


def shown(host: Host, *words: str) -> str:
    result = run(host, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def error(host: Host, *words: str) -> str:
    result = run(host, *words)
    assert result.exit_code == 1, result.output
    return result.output


def test_people_are_imported_into_the_application_itself(mounted: Host, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("external_id,email\n1,ada@example.com\n")
    assert "flask notifier users sync" in error(mounted, "users", "import", str(tmp_path / "people.csv"))


def test_suppressions_are_imported_inside_an_application(mounted: Host, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("email\nada@example.com\n")
    assert "addresses suppressed: 1" in shown(
        mounted, "suppressions", "import", "--from", "csv", str(tmp_path / "list.csv")
    )


def test_the_help_names_every_command_that_makes_sense(hosted: Host) -> None:
    lines = shown(hosted, "--help").partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == sorted(COMMANDS.keys() - REFUSED_INSIDE.keys())


def test_commands_see_the_rows_of_the_host(hosted: Host) -> None:
    assert "Added:" in shown(hosted, "campaign", "load")
    names = hosted.stored(select(Campaign.name))
    assert names
    listed = shown(hosted, "campaign", "list")
    assert [name for name in names if name not in listed] == []
    with hosted.app.app_context():
        hosted.add("ada@example.com")
    assert names[0] in shown(hosted, "why", "ada@example.com")
    assert shown(hosted, "plan", names[0]).strip().startswith("campaign ")


def test_the_users_of_the_host_are_compared(mounted: Host) -> None:
    with mounted.app.app_context():
        mounted.add()
    run(mounted, "users", "sync")
    assert run(mounted, "users", "check").exit_code == 0


def test_waiting_emails_are_queued(mounted: Host) -> None:
    with mounted.app.app_context():
        mounted.notifier.send("verification", to=mounted.add())
        mounted.db.session.commit()
    swept = run(mounted, "outbox", "sweep")
    assert swept.output.startswith("enqueued ")
    assert len(mounted.stored(select(Notification.id))) == 1


def test_health_and_alive_answer(mounted: Host) -> None:
    health = run(mounted, "health", "--json")
    assert '"schema"' in health.stdout, health.output
    alive = run(mounted, "alive", "beat")
    assert alive.exit_code in {0, 1}
    assert alive.output.startswith("beat ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["db", "upgrade"], "upgrade them in a revision of your own with notifier.migrations.upgrade."),
        (["db", "--help"], "upgrade them in a revision of your own with notifier.migrations.upgrade."),
        (["seed", "--users", "3"], "Here, add users to your application"),
    ],
)
def test_a_command_that_makes_no_sense_says_what_to_do_in_one_line(mounted: Host, words: list[str], says: str) -> None:
    output = error(mounted, *words)
    assert says in output
    assert output.count("\n") == 1


def test_no_command_opens_an_engine_of_its_own(mounted: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        pytest.fail("an engine of our own")

    monkeypatch.setattr(older_layout, "create_engine", refuse)
    monkeypatch.setattr(engines, "create_engine", refuse)
    for words in (["campaign", "list"], ["campaign", "load"], ["outbox", "sweep"]):
        run(mounted, *words)


@pytest.mark.parametrize("words", [["campaign", "list"], ["campaign", "load"]])
def test_missing_tables_are_named_with_what_to_do_in_a_host(tmp_path: Path, words: list[str]) -> None:
    host = Host(f"sqlite:///{tmp_path}/empty.db", tmp_path)
    host.app.testing = True
    host.start(mount="/mail")
    assert error(host, *words) == (
        f"Error: Tables of notifier are missing in the database {tmp_path}/empty.db. Upgrade them in a revision of "
        "your application, with notifier.migrations.upgrade\n"
    )
    host.close()


SHOP = """
import sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from notifier import Notifier, UserFields

db, notifier = SQLAlchemy(), Notifier()

class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String)

@notifier.user(User)
def fields(user):
    return UserFields(id=user.id, email=user.email, name="")

app = Flask(__name__)
app.testing = True
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db.init_app(app)
notifier.init_app(app, session=db.session, mount="/mail")
"""


def test_the_help_imports_no_command(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    script = (
        "import sys\nfrom flask.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "print(*sys.modules)"
    )
    words = ["--app", "shop", "notifier", "--help"]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=tmp_path, env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Show what a run of NAME would do." in done.stdout
    imported = set(done.stdout.splitlines()[-1].split())
    assert {name for name in imported if name.startswith("notifier.cli.")} == {
        "notifier.cli.main", "notifier.cli.commands", "notifier.cli.lazy"
    }  # fmt: skip
