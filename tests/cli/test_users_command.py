"""`users check` and `users sync`: what they print, and how they exit."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import text

from notifier.cli.main import build
from tests.embedding.conftest import Host, host, make_host

__all__ = ["host", "make_host"]

Run = Callable[..., Result]


def _no_application() -> Any:
    raise AssertionError("it needs the host alone")


@pytest.fixture
def run(host: Host) -> Run:
    command = build(_no_application, host=lambda: host.notifier)
    return lambda *words: CliRunner().invoke(command, ["users", *words])


def changed_by_sql(host: Host) -> None:
    host.add("one@example.com", name="One"), host.add("two@example.com", name="Two")
    with host.engine.begin() as connection:
        connection.execute(text("UPDATE users SET name = 'Changed' WHERE id = 2"))
        connection.execute(text("INSERT INTO users (id, email, name, last_seen) VALUES (7, 'x@example.com', '', 0)"))
        connection.execute(text("DELETE FROM users WHERE id = 1"))


def test_a_check_prints_ids_changes_nothing_and_exits_with_1(host: Host, run: Run) -> None:
    changed_by_sql(host)
    result = run("check")
    assert result.exit_code == 1
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["not", "here", "yet", "1", "7"] in lines
    assert ["another", "display_name", "1", "2"] in lines
    assert "Compared 2 users of the application with the people here: 3 differences." in result.stdout
    assert "@" not in result.stdout
    assert "x@example.com" in run("check", "--addresses").stdout
    assert run("check").exit_code == 1


def test_a_sync_mends_and_then_a_check_exits_with_0(host: Host, run: Run) -> None:
    changed_by_sql(host)
    result = run("sync")
    assert (result.exit_code, "Written: 2. Detached: 1." in result.stdout) == (0, True)
    result = run("check")
    assert (result.exit_code, result.stdout) == (
        0,
        "Compared 2 users of the application with the people here: no difference.\n",
    )


def test_one_is_said_as_one(host: Host, run: Run) -> None:
    host.add("one@example.com", name="One")
    with host.engine.begin() as connection:
        connection.execute(text("UPDATE users SET name = 'Changed'"))
    assert "Compared 1 user of the application with the people here: 1 difference." in run("check").stdout


def test_erased_people_are_counted(host: Host, run: Run) -> None:
    host.notifier.secret_keys = ["test-key-that-is-long-enough-for-everything"]
    host.notifier.erase(host.add())
    host.db.session.commit()
    assert run("check").stdout.endswith(": no difference.\nErased here, and left as they are: 1 user.\n")


def test_json_has_every_number_and_the_ids(host: Host, run: Run) -> None:
    changed_by_sql(host)
    result = run("check", "--json", "--examples", "1")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["gone"] == {"count": 1, "first": [{"id": "1", "email": None}]}
    assert found["columns"] == {"display_name": {"count": 1, "first": [{"id": "2", "email": None}]}}
    assert (found["users"], found["differences"], found["written"]) == (2, 3, 0)
    assert json.loads(run("sync", "--json").stdout)["written"] == 2


@pytest.mark.parametrize("name", ["check", "sync"])
def test_an_application_of_its_own_is_told_where_the_users_are(app: Flask, name: str) -> None:
    result = CliRunner().invoke(build(lambda: app), ["users", name])
    assert result.exit_code == 1
    assert f"There is no application with users of its own: run `flask notifier users {name}` in it." in result.output
