"""`notifier person export`: everything about one person, by address or id, as JSON or as a page."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import select

from notifier.cli.main import build
from notifier.extensions import db
from notifier.models import AuditEntry
from notifier.testing.factories import make_user

Export = Callable[..., Result]


@pytest.fixture
def export(app: Flask) -> Export:
    with app.app_context():
        make_user("ada@example.com", display_name="Zoë <b>", external_id="user-1")
        make_user("Shared@example.com", external_id="user-2")
        make_user("shared@example.com", external_id="user-3")
    return lambda *words: CliRunner().invoke(build(lambda: app), ["person", "export", *words])


@pytest.mark.parametrize("who", ["ADA@example.com", "user-1"])
def test_json_comes_to_standard_output_and_leaves_an_entry(app: Flask, export: Export, who: str) -> None:
    answer = export(who)
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.output)
    assert (document["person"]["id"], document["person"]["name"]) == ("user-1", "Zoë <b>")
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.actor, entry.object_id) == ("person.exported", "command line", "1")


def test_a_page_is_written_to_a_file(export: Export, tmp_path: Path) -> None:
    assert export("user-1", "--format", "html", "--output", str(tmp_path / "ada.html")).exit_code == 0
    page = (tmp_path / "ada.html").read_text(encoding="utf-8")
    assert "Zoë &lt;b&gt;" in page
    assert "<script" not in page


def test_who_is_unknown_or_not_alone_is_said(app: Flask, export: Export) -> None:
    assert "No person has the address or the id bo@example.com" in export("bo@example.com").output
    several = export("shared@example.com")
    assert (several.exit_code, "Give the id of one of them: user-2, user-3." in several.output) == (1, True)
    assert json.loads(export("user-3").output)["person"]["email"] == "shared@example.com"
    with app.app_context():
        assert len(db.session.scalars(select(AuditEntry)).all()) == 1
