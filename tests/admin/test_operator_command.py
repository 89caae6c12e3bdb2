"""`notifier operator`: create operators, and let them in again."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import select

from notifier.cli.main import build
from notifier.extensions import db
from notifier.models import AuditEntry, Operator
from notifier.operators import roster
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


def test_up_lets_somebody_in_once_and_never_in_production(app: Flask, call: Callable[..., Result]) -> None:
    app.config["NOTIFIER_ENV"] = "production"
    assert "shown once" not in call("db", "upgrade", "--first-operator").output
    app.config["NOTIFIER_ENV"] = "development"
    words = call("db", "upgrade", "--first-operator").output.split()
    password = words[words.index("operator@notifier.example") + 1]
    assert Desk(app).sign_in("operator@notifier.example", password).status_code == 303
    assert "shown once" not in call("db", "upgrade", "--first-operator").output
    with app.app_context():
        assert roster.any_exists(db.session())
