"""/healthz and `health` while the schema of the database is not the one of the code."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from notifier import clock
from notifier.extensions import db
from notifier.observability import healthcheck
from notifier.services import services_of
from notifier.testing.browse import Visitor
from tests.support.migrations import NEXT, look_ahead


@pytest.fixture
def heads(context: Flask) -> str:
    """The newest version that the code knows."""
    return str(db.session.scalar(text("SELECT version_num FROM notifier_version")))


def set_version(version: str | None) -> None:
    db.session.execute(text("DELETE FROM notifier_version"))
    if version is not None:
        db.session.execute(text("INSERT INTO notifier_version VALUES (:version)"), {"version": version})
    db.session.commit()


@pytest.fixture
def versions(heads: str) -> object:
    """Puts the version back: on Postgres the database is shared."""
    yield
    db.session.rollback()
    set_version(heads)


def test_health_is_503_with_one_line_while_the_schema_is_behind(context: Flask, heads: str, tmp_path: Path) -> None:
    look_ahead(context, tmp_path / "migrations")
    answer = Visitor(context).get("/healthz")
    assert answer.status_code == 503
    assert answer.text.count("\n") <= 1
    assert answer.json is not None
    assert answer.json["schema"] == "behind"
    assert heads in answer.json["detail"]
    assert NEXT in answer.json["detail"]
    assert "notifier db upgrade" in answer.json["detail"]


@pytest.mark.usefixtures("versions")
def test_health_is_503_while_there_is_no_schema(context: Flask) -> None:
    set_version(None)
    answer = Visitor(context).get("/healthz")
    assert (answer.status_code, (answer.json or {}).get("schema")) == (503, "behind")


@pytest.mark.usefixtures("versions")
def test_the_code_before_an_upgrade_goes_on_beside_the_new_one(context: Flask) -> None:
    set_version("9999")
    answer = Visitor(context).get("/healthz")
    assert (answer.status_code, (answer.json or {}).get("schema")) == (200, "ok")


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize(("version", "ok"), [(None, False), ("9999", True)])
def test_the_health_command_knows_the_schema(
    context: Flask, heads: str, tmp_path: Path, version: str | None, ok: bool
) -> None:
    look_ahead(context, tmp_path / "migrations")
    set_version(version or heads)
    found = healthcheck.examine(db.session(), clock.now(), services_of(context).schema)
    (schema,) = [each for each in found if each.name == "schema"]
    assert schema.ok is ok
    assert (version or heads) in schema.detail
