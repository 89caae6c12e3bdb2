"""`notifier operator`: create operators, and let them in again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import select

from notifier.cli.main import build
from notifier.dev.first_login import LOGIN_FILE, first_login
from notifier.extensions import db
from notifier.models import AuditEntry, Operator
from notifier.services import services_of
from notifier.testing.operators import PASSWORD, Desk

WHO = "admin@example.com"


@pytest.fixture
def call(app: Flask) -> Callable[..., Result]:
    return lambda *words: CliRunner().invoke(build(lambda: app), list(words))


def operator(app: Flask) -> Operator:
    with app.app_context():
        return db.session.scalars(select(Operator)).one()


def test_roles_change_and_operators_come_and_go(
    app: Flask, call: Callable[..., Result], make_operator: Callable[..., int]
) -> None:
    make_operator()
    for words in (("role", WHO, "viewer"), ("disable", WHO)):
        refused = call("operator", *words)
        assert (refused.exit_code, "the last admin who can sign in" in refused.output) == (1, True)
    assert operator(app).active
    assert call("operator", "role", WHO, "viewer", "--force").exit_code == 0
    assert operator(app).role == "viewer"
    assert call("operator", "disable", WHO).exit_code == 0
    assert Desk(app).sign_in().status_code == 401
    assert call("operator", "enable", WHO).exit_code == 0
    assert Desk(app).sign_in().status_code == 303
    assert WHO in call("operator", "list").output
    with app.app_context():
        actors = set(db.session.scalars(select(AuditEntry.actor).where(AuditEntry.action != "operator.sign_in_failed")))
    assert actors == {"command line", "operator 1"}


def test_a_new_password_is_shown_once_and_works(
    app: Flask, call: Callable[..., Result], make_operator: Callable[..., int]
) -> None:
    make_operator()
    shown = call("operator", "password", WHO).output.rpartition(": ")[2].strip()
    assert Desk(app).sign_in(password=PASSWORD).status_code == 401
    assert Desk(app).sign_in(password=shown).status_code == 303
    assert call("operator", "password", WHO, "--password", "short").exit_code == 1


def test_the_second_factor_is_reset(app: Flask, call: Callable[..., Result], make_operator: Callable[..., int]) -> None:
    pk = make_operator()
    with app.app_context():
        db.session.get_one(Operator, pk).totp_secret = "sealed"
        db.session.commit()
    assert call("operator", "reset-totp", WHO).exit_code == 0
    assert operator(app).totp_secret is None


def test_an_address_that_is_nobodys_is_said_so(call: Callable[..., Result]) -> None:
    done = call("operator", "disable", "nobody@example.com")
    assert done.exit_code == 1
    assert "there is no operator with this address" in done.output


@pytest.fixture
def app(make_app: Callable[..., Flask], tmp_path: Path) -> Flask:
    """With a data folder of its own."""
    return make_app(publish=lambda keys, bulk: None, notifier_data_dir=tmp_path)


def test_up_lets_its_developer_in_and_never_in_production(app: Flask, call: Callable[..., Result]) -> None:
    folder = services_of(app).settings.notifier_data_dir
    app.config["NOTIFIER_ENV"] = "production"
    call("db", "upgrade", "--first-operator")
    assert first_login(folder) == ""
    app.config["NOTIFIER_ENV"] = "development"
    assert call("db", "upgrade", "--first-operator").exit_code == 0
    email, password = first_login(folder).split()
    assert (folder / LOGIN_FILE).stat().st_mode & 0o777 == 0o600
    assert Desk(app).sign_in(email, password).status_code == 303
    call("db", "upgrade", "--first-operator")
    assert first_login(folder) == f"{email}  {password}", "every `up` shows it"


def test_up_shows_no_login_that_no_longer_works(app: Flask, call: Callable[..., Result]) -> None:
    folder = services_of(app).settings.notifier_data_dir
    app.config["NOTIFIER_ENV"] = "development"
    call("db", "upgrade", "--first-operator")
    call("operator", "password", "operator@notifier.example", "--password", "a new password of words")
    call("db", "upgrade", "--first-operator")
    assert first_login(folder) == ""
