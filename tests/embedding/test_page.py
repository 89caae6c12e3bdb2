"""docs/embedding.md is true: its files are an application, and the tests of that application pass."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.embedding.conftest import Host
from tests.embedding.test_commands import run
from tests.testing.conftest import ROOT, files_of, run_pytest, write_project

PAGE = (ROOT / "docs" / "embedding.md").read_text("utf-8")
FILES = files_of("embedding.md")

#: The page shows a kind of the reader's own, but registers it in passing: here it is part of the application.
RECEIPT = """
import app, kinds
from models import User, db

def test_a_receipt(app, emails):
    user = User(email="ada@example.com")
    db.session.add(user)
    db.session.flush()
    notifier = app.extensions["notifier"]
    for _ in range(2):
        notifier.send("order_receipt", to=user, data={"order": 17, "total": "€56.00"}, key="receipt:17")
    db.session.commit()
    [_, receipt] = emails.sent
    assert receipt.subject == "Your order 17"
    assert "Thank you for your order 17: €56.00." in receipt.text
"""

#: Flask's tutorial, as far as it concerns us.
FLASKR = """
import sqlite3

import pytest
from flask import Flask

from flaskr_emails import User, init_app, notifier, sessions

pytest_plugins = ["notifier.testing.fixtures"]


@pytest.fixture
def app(tmp_path):
    app = Flask("flaskr", instance_path=str(tmp_path))
    app.config |= {"TESTING": True, "DATABASE": f"{tmp_path}/flaskr.sqlite"}
    db = sqlite3.connect(app.config["DATABASE"])
    db.execute(
        "CREATE TABLE user (id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT UNIQUE NOT NULL, "
        "password TEXT NOT NULL, email TEXT NOT NULL)"
    )
    db.close()
    init_app(app)
    with app.app_context():
        notifier.create_all(sessions.get_bind())
        yield app
        sessions.get_bind().dispose()


@pytest.fixture
def notifier_host(app):
    return app


def insert(app, name):
    db = sqlite3.connect(app.config["DATABASE"])
    with db:
        key = db.execute("INSERT INTO user VALUES (NULL, ?, '', ?)", (name, f"{name}@example.com")).lastrowid
    db.close()
    return key


def test_a_user_of_a_session(app, emails):
    sessions.add(User(username="ada", password="", email="ada@example.com"))
    sessions.commit()
    [email] = emails.to("ada@example.com")
    assert "Confirm" in email.subject


def test_a_user_of_an_insert(app, emails):
    key = insert(app, "bo")
    notifier.touch(key)
    notifier.record("comment", to=key, actor="Ada")
    notifier.send("verification", to=key)
    sessions.commit()
    assert len(emails.to("bo@example.com")) == 1
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(FILES, tmp_path)


def test_the_application_of_the_page_passes_its_tests(project: Path) -> None:
    assert len(FILES) == 10
    output = run_pytest(project)
    assert "4 passed" in output, output


def test_the_kind_of_the_page_is_sent(project: Path) -> None:
    application = (project / "app.py").read_text()
    registered = application.replace("Notifier()\n", "Notifier(kinds=[OrderReceipt()])\n")
    (project / "app.py").write_text(registered.replace("from models", "from kinds import OrderReceipt\nfrom models"))
    (project / "test_emails.py").write_text(RECEIPT)
    output = run_pytest(project)
    assert "1 passed" in output, output


def test_the_application_of_flasks_tutorial_sends(tmp_path: Path) -> None:
    (tmp_path / "flaskr_emails.py").write_text(FILES["flaskr_emails.py"])
    (tmp_path / "test_flaskr.py").write_text(FLASKR)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    output = run_pytest(tmp_path)
    assert "2 passed" in output, output


def test_the_campaigns_of_the_page_can_be_loaded(make_host: Callable[..., Host], tmp_path: Path) -> None:
    path = tmp_path / "campaigns.toml"
    path.write_text(FILES["campaigns.toml"])
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail")
    result = run(host, "campaign", "load", "--file", str(path))
    assert "digest" in result.output, result.output
    assert result.exit_code == 0
    assert run(host, "plan", "digest").exit_code == 0


def test_it_would_notice_a_mistake(project: Path) -> None:
    application = (project / "app.py").read_text()
    (project / "app.py").write_text(application.replace('notifier.send("verification", to=user)', "pass"))
    assert "1 failed, 3 passed" in run_pytest(project)
