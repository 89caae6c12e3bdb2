"""Fixtures for pytest. Register them in the topmost conftest.py: `pytest_plugins = ["notifier.testing.fixtures"]`.

Override `notifier_settings`, `notifier_kinds` and `notifier_templates` to test what is yours, or `notifier_host` for an
application that embeds notifier. See docs/testing.md.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier.app import create_app
from notifier.database.sqlite import READ_ONLY
from notifier.emails import KINDS, EmailKind
from notifier.extensions import db
from notifier.models import Notification
from notifier.reasons import ReasonCode
from notifier.services import KEY, services_of
from notifier.testing import clocks
from notifier.testing.applications import close, merge_templates, migrate
from notifier.testing.inline import Inline
from notifier.testing.mail_server import FakeMailServer
from notifier.testing.settings import make_settings
from notifier.testing.smtp_server import SmtpServer

_NOT_RENDERED = select(Notification.kind, Notification.reason).where(
    Notification.reason_code == ReasonCode.not_composed.value
)


@pytest.fixture
def notifier_settings() -> dict[str, Any]:
    """Return settings of the application, by name in lower case. Override it."""
    return {}


@pytest.fixture
def notifier_kinds() -> Mapping[str, EmailKind]:
    """Return the kinds of email by name. Override it: `{**KINDS, MyKind.name: MyKind()}`."""
    return KINDS


@pytest.fixture
def notifier_templates() -> list[Path]:
    """Return folders of templates besides ours, such as those with `emails/<kind>/`. Override it."""
    return []


@pytest.fixture(scope="session")
def notifier_migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("notifier") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def notifier_database(notifier_migrated_database: Path, tmp_path: Path) -> str:
    """Return the address of an empty database. Override it to use another server."""
    path = tmp_path / "notifier.db"
    shutil.copy(notifier_migrated_database, path)
    return f"sqlite:///{path}"


@pytest.fixture
def notifier_host() -> Flask | None:
    """Return the application that embeds notifier, with `mount=` or `celery=`. Override it; None: there is none."""
    return None


@pytest.fixture
def notifier_app(notifier_host: Flask | None, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """Return notifier's application. It does the work of its workers right after each commit.

    It is the one that `notifier_host` embeds; without a host it is built here, and its context is pushed. An error of
    that work fails the test when it ends, and so does an email that could not be rendered.
    """
    app = notifier_host.extensions[KEY].app if notifier_host is not None else request.getfixturevalue("_standalone")
    inline = Inline().attach(app)
    yield app
    # Without a lock: the test may have left a transaction open.
    with app.app_context(), db.engine.connect().execution_options(**{READ_ONLY: True}) as connection:
        failed = connection.execute(_NOT_RENDERED).all()
    services_of(app).transports.primary.close()
    inline.raise_errors()
    assert not failed, "\n".join(f"the email {kind} {reason}" for kind, reason in failed)


@pytest.fixture
def _standalone(
    notifier_database: str,
    notifier_settings: Mapping[str, Any],
    notifier_kinds: Mapping[str, EmailKind],
    notifier_templates: list[Path],
    tmp_path: Path,
) -> Iterator[Flask]:
    templates = merge_templates(tmp_path / "templates", *notifier_templates) if notifier_templates else None
    settings = make_settings(**{"database_url": notifier_database, "notifier_data_dir": tmp_path, **notifier_settings})
    app = create_app(settings, kinds=notifier_kinds, templates=templates)
    with app.app_context():
        yield app
    close(app)


@pytest.fixture
def emails(notifier_app: Flask) -> FakeMailServer:
    """Return the mail server of `notifier_app`: `emails.sent` has the rendered emails. Nothing leaves the process."""
    return FakeMailServer().attach(notifier_app)


@pytest.fixture
def frozen_clock() -> Iterator[time_machine.Traveller]:
    """Stop the clock at `clocks.NOON`. Move it with `move_to` and `shift`."""
    with clocks.frozen() as traveller:
        yield traveller


@pytest.fixture
def smtp_server() -> Iterator[SmtpServer]:
    """Return a scripted mail server on a real socket, which accepts every email."""
    with SmtpServer() as server:
        yield server
