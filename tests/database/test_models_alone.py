"""Rows need SQLAlchemy and nothing of Flask: a host application uses them in a session of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.database.base import Base
from notifier.extensions import db
from notifier.models import User
from tests.support.applications import make_user

ROOT = Path(__file__).parent.parent.parent

LOADED = """
import json, sys
import {module}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""

#: In a process without Flask: a row of a session that the host made.
STORED = """
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from notifier.database.base import Base
from notifier.models import User

engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add(User(external_id="42", email="ada@example.com", identity_key="ada@example.com"))
    session.commit()
    print(session.scalars(select(User)).one().external_id)
"""


def answer(code: str) -> str:
    """What a process of its own prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["notifier.models", "notifier.database.base", "notifier.migrations"])
def test_they_load_nothing_of_flask(module: str) -> None:
    loaded = json.loads(answer(LOADED.format(module=module)))
    assert "sqlalchemy" in loaded
    assert [name for name in loaded if name.startswith(("flask", "werkzeug", "wtforms", "celery", "limits"))] == []


def test_they_work_in_a_session_of_another_application() -> None:
    assert answer(STORED) == "42"


def test_our_own_application_has_the_same_tables(context: Flask) -> None:
    assert db.metadata is Base.metadata
    make_user("ada@example.com")
    with Session(db.engine) as plain:
        assert plain.scalars(select(User.email)).one() == "ada@example.com"
