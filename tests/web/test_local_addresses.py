"""In development, with a mail server on this machine, people may use addresses that exist on this machine only."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select

from notifier.cli.main import build
from notifier.config.settings import ConfigError, Settings
from notifier.delivery.staging import Deliver, Staging
from notifier.extensions import db
from notifier.models import User
from notifier.services import services_of
from notifier.testing.browse import Visitor
from notifier.testing.smtp_server import SmtpServer
from tests.support.applications import make_settings

LOCAL = ("ada@app.test", "root@localhost", "printer@office.local", "Ada@Deep.app.TEST")


@pytest.fixture
def make_sqlite(
    make_app: Callable[..., Flask], migrated_sqlite: Path, tmp_path: Path, enqueued: list[int]
) -> Callable[..., Flask]:
    """Build an application on SQLite that keeps the keys of what is enqueued."""

    def make(**values: object) -> Flask:
        path = tmp_path / "local.db"
        shutil.copy(migrated_sqlite, path)
        return make_app(
            lambda keys, bulk: enqueued.extend(keys),
            database_url=f"sqlite:///{path}",
            notifier_data_dir=tmp_path,
            **values,
        )

    return make


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest) -> str:
    """make_app asks for one; these tests name their own."""
    return str(request.param)


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


def test_a_local_address_gets_its_email(
    make_sqlite: Callable[..., Flask], smtp: SmtpServer, enqueued: list[int]
) -> None:
    app = make_sqlite(notifier_env="development", mail_server=smtp.host, mail_port=smtp.port)
    visitor = Visitor(app)
    assert [visitor.sign_up(address).status_code for address in LOCAL] == [303] * len(LOCAL)
    with app.app_context():
        for key in enqueued:
            services_of(app).sender.deliver([key])
    received = [mail.rcpt_to for mail in smtp.accepted]
    assert received == [(f"{local}@{domain.lower()}",) for local, _, domain in (each.partition("@") for each in LOCAL)]
    with app.app_context():
        keys = list(db.session.scalars(select(User.identity_key).order_by(User.id)))
    assert keys == [address.lower() for address in LOCAL]


@pytest.mark.parametrize(
    "address", ["ada@app.invalid", "ada@localhost.onion", "ada@app", "ada@-x.test", "a b@app.test"]
)
def test_what_is_no_local_name_is_refused_in_development_too(make_sqlite: Callable[..., Flask], address: str) -> None:
    assert Visitor(make_sqlite(notifier_env="development")).sign_up(address).status_code == 400


@pytest.mark.parametrize(
    "values", [{"notifier_env": "test"}, {"notifier_env": "development", "mail_server": "mx.example"}]
)
def test_elsewhere_a_local_address_is_refused(make_sqlite: Callable[..., Flask], values: dict[str, str]) -> None:
    visitor = Visitor(make_sqlite(**values))
    assert [visitor.sign_up(address).status_code for address in LOCAL] == [400] * len(LOCAL)


def test_staging_knows_them_where_they_are_allowed() -> None:
    here = make_settings(notifier_env="development", mail_redirect_to="me@localhost", mail_allow="app.test, a@b.local")
    staging = Staging.from_settings(here)
    assert staging.route("ada@app.test") == Deliver("ada@app.test")
    assert staging.route("eve@other.test") == Deliver("me@localhost", shown="eve at other.test")
    with pytest.raises(ConfigError):
        Staging.from_settings(here.model_copy(update={"notifier_env": "test"}))


@pytest.mark.parametrize(
    ("environment", "server", "allowed"),
    [
        ("development", "127.0.0.1", True), ("development", "localhost", True), ("development", "::1", True),
        ("development", "mailhog", False), ("test", "127.0.0.1", False), ("production", "127.0.0.1", False),
    ],
)  # fmt: skip
def test_which_settings_allow_them(environment: str, server: str, allowed: bool) -> None:
    settings: Settings = make_settings().model_copy(update={"notifier_env": environment, "mail_server": server})
    assert settings.allows_local_addresses is allowed


def test_a_person_with_a_local_address_can_be_erased(make_sqlite: Callable[..., Flask], smtp: SmtpServer) -> None:
    app = make_sqlite(notifier_env="development", mail_server=smtp.host, mail_port=smtp.port)
    assert Visitor(app).sign_up(LOCAL[0]).status_code == 303
    erased = CliRunner().invoke(build(lambda: app), ["person", "erase", "--yes", LOCAL[0]])
    assert (erased.exit_code, erased.output.splitlines()[0][:7]) == (0, "Erased.")
    with app.app_context():
        assert db.session.scalars(select(User)).all() == []
