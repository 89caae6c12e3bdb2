"""Keys: made and ended by commands, and their secret with their owner alone."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from click.testing import Result
from flask import Flask
from sqlalchemy import inspect, select, text

from notifier import clock
from notifier.api.known_keys import SECONDS
from notifier.extensions import db
from notifier.models import ApiKey, AuditEntry
from notifier.operators import api_keys
from notifier.operators.api_keys import LAST_USED_STEP
from notifier.security.redaction import redacted
from tests.api.conftest import Api, code_of, make_key
from tests.support.commands import Run, runner


@pytest.fixture
def run(app: Flask) -> Run:
    """Run a command in a context of its own, beside requests that have theirs."""
    command = runner(app)

    def inside(*words: str, **options: Any) -> Result:
        with app.app_context():
            return command(*words, **options)

    return inside


def shown(output: str) -> str:
    return output.rpartition("Shown once: ")[2].strip()


def test_a_command_makes_a_key_that_works(app: Flask, run: Run) -> None:
    result = run("apikey", "create", "--name", "shop", "--scopes", "users:read, send:verification")
    assert result.exit_code == 0, result.output
    assert "Key 1 of application may: users:read, send:verification." in result.output
    assert Api(app, shown(result.output))("GET", "/users").status_code == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scopes", "users:red"], "there is no scope 'users:red'; there are users:read, "),
        (["--scopes", "send:nothing"], "there is no scope 'send:nothing'"),
        (["--scopes", "send:announcement"], "there is no scope 'send:announcement'"),
        (["--scopes", ","], "a key without a scope can do nothing"),
        (["--scopes", "users:read", "--principal", "Shop"], "a principal has 1 to 32 lower-case letters"),
        (["--scopes", "users:read", "--expires", "2020-01-01"], "the key would have expired already"),
        (["--scopes", "users:read", "--name", " "], "the name of a key has 1 to 64 printable characters"),
    ],
)
def test_a_key_that_cannot_be_made(run: Run, options: list[str], message: str) -> None:
    result = run("apikey", "create", "--name", "x", *options)
    assert result.exit_code == 1
    assert message in result.output


def test_the_list_shows_everything_but_the_secret(app: Flask, run: Run) -> None:
    key = make_key(app, "users:read", principal="billing")
    rows = json.loads(run("apikey", "list", "--json").output)
    assert [(row["id"], row["principal"], row["scopes"], row["works"]) for row in rows] == [
        (1, "billing", ["users:read"], True)
    ]
    table = run("apikey", "list").output
    assert "billing" in table
    assert key.rpartition("_")[2] not in table + str(rows)


def test_a_revoked_key_ends_within_a_second_while_the_next_one_works(
    app: Flask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 1000.0
    monkeypatch.setattr(clock, "elapsed", lambda: moment)
    first, second = (Api(app, make_key(app, "users:read")) for _ in range(2))
    # Each notes its first use, and then is known.
    assert [each("GET", "/users").status_code for each in (first, second) * 2] == [200] * 4
    assert run("apikey", "revoke", "1").output == "Key 1 (test) of application no longer works.\n"
    moment += SECONDS
    assert [each("GET", "/users").status_code for each in (first, second)] == [401, 200]
    assert code_of(first("GET", "/users")) == "unauthorized"
    assert "revoked" in run("apikey", "list").output
    assert run("apikey", "revoke", "1").exit_code == 0
    assert "there is no key 9" in run("apikey", "revoke", "9").output


def test_a_key_expires(app: Flask, frozen: time_machine.Traveller) -> None:
    api = Api(app, make_key(app, "users:read", expires_at=clock.now() + timedelta(days=1)))
    assert api("GET", "/users").status_code == 200
    frozen.shift(timedelta(days=1))
    assert api("GET", "/users").status_code == 401


def test_its_last_use_is_known_to_the_minute(app: Flask, frozen: time_machine.Traveller) -> None:
    api = Api(app, make_key(app, "users:read"))

    def last() -> object:
        with app.app_context():
            return db.session.scalars(select(ApiKey.last_used_at)).one()

    assert last() is None
    first = clock.now()
    for method in ("GET", "GET"):
        api(method, "/users")
        frozen.shift(LAST_USED_STEP / 2 - timedelta(seconds=1))
    assert last() == first
    frozen.shift(timedelta(seconds=2))
    api("GET", "/users")
    assert last() == clock.now()


def test_each_change_leaves_an_entry(app: Flask, run: Run) -> None:
    run("apikey", "create", "--name", "shop", "--scopes", "users:read")
    run("apikey", "revoke", "1")
    with app.app_context():
        rows = db.session.execute(select(AuditEntry.action, AuditEntry.object_id, AuditEntry.actor)).all()
    assert rows == [("api_key.created", "1", "command line"), ("api_key.revoked", "1", "command line")]


def test_the_secret_is_nowhere_but_with_its_owner(
    app: Flask, run: Run, caplog: pytest.LogCaptureFixture, client_with: Callable[..., Api]
) -> None:
    """Not in the database, the log or an answer, whatever is done with it."""
    caplog.set_level(logging.DEBUG)
    key = shown(run("apikey", "create", "--name", "shop", "--scopes", "users:read").output)
    secret = key.split("_", 2)[2]
    api = Api(app, key)
    answers = [
        api("GET", "/users"), api("PUT", f"/users/{key}", {}), api("GET", f"/users/{key}"), api("GET", f"/{key}"),
        api("GET", f"/users?cursor={key}"), api("GET", "/users", X_Request_Id=key),
        Api(app, None)("GET", "/users", Authorization=f"Bearer {key}x"),
    ]  # fmt: skip
    assert not any(secret in answer.get_data(as_text=True) + str(answer.headers) for answer in answers)
    assert secret not in caplog.text
    with app.app_context():
        for name in inspect(db.engine).get_table_names():
            assert secret not in str(db.session.execute(text(f"SELECT * FROM {name}")).all())


@pytest.mark.parametrize("around", ["{}", "key={},", '"{}"', "Bearer {}", "/v1/users/{}?x", "({})"])
def test_a_key_in_a_text_is_redacted(around: str) -> None:
    key = "nk_17_" + "Ab-_" * 10 + "xyz"
    assert redacted(around.format(key)) == around.format("<key>")
    assert redacted(around.format(key[:20])) == around.format("<key>")


def test_a_key_is_looked_up_once_a_second(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    moment, looked_up = 1000.0, []
    look_up = api_keys.look_up
    monkeypatch.setattr(clock, "elapsed", lambda: moment)
    monkeypatch.setattr(api_keys, "look_up", lambda session, pk: looked_up.append(pk) or look_up(session, pk))
    api = Api(app, make_key(app, "users:read"))
    api("GET", "/users")  # notes its use
    looked_up.clear()
    assert [api("GET", "/users").status_code for _ in range(3)] == [200] * 3
    assert looked_up == [1]
    moment += SECONDS
    api("GET", "/users")
    assert looked_up == [1, 1]


def test_a_wrong_secret_is_refused_also_while_the_key_is_known(app: Flask) -> None:
    key = make_key(app, "users:read")
    for _ in range(2):
        assert Api(app, key)("GET", "/users").status_code == 200
    wrong = key[:-4] + ("aaaa" if not key.endswith("aaaa") else "bbbb")
    assert Api(app, wrong)("GET", "/users").status_code == 401


def test_a_key_is_written_in_one_way_only(app: Flask) -> None:
    key = make_key(app, "users:read")
    assert Api(app, key)("GET", "/users").status_code == 200
    padded = key.replace("nk_", "nk_0", 1)
    assert code_of(Api(app, padded)("GET", "/users")) == "unauthorized"
