"""A new kind of mail is what docs/how-to-add-a-kind.md says: a module, a folder, a line in the registry."""

import re
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from flask import Flask

from notifier.app import create_app
from notifier.campaigns.expand import Expansion
from notifier.emails import KINDS, EmailKind
from notifier.extensions import db
from notifier.models import Notification
from notifier.services import services_of
from notifier.testing.applications import merge_templates
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import make_settings
from tests.support.campaigns import IDS, SLOT, make_campaign, make_people, run_row, start_run

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to-add-a-kind.md").read_text("utf-8")
#: The page leaves the imports to the reader.
IMPORTS = """
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from sqlalchemy import ColumnElement

from notifier.emails import Category, Owed
from notifier.emails.campaign_kind import CampaignKind, Columns, Exclusion, Occasion
from notifier.models import User
"""


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found.group(1)


@pytest.fixture
def birthday(tmp_path: Path) -> Iterator[EmailKind]:
    """The kind of the module that the page shows."""
    path = tmp_path / "birthday.py"
    path.write_text(IMPORTS + block("python"))
    spec = spec_from_file_location("birthday", path)
    assert spec
    assert spec.loader
    module = sys.modules["birthday"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.Birthday()
    del sys.modules["birthday"]


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """Our templates and one folder more."""
    folder = merge_templates(tmp_path / "templates")
    ours = folder / "emails" / "birthday"
    ours.mkdir()
    (ours / "subject.txt").write_text("Thank you for {{ year }}\n")
    (ours / "body.html").write_text(block("jinja"))
    (ours / "body.txt").write_text('{% extends "_layout/base.txt" %}{% block content %}Happy {{ year }}{% endblock %}')
    return folder


@pytest.mark.usefixtures("frozen")
def test_a_module_a_folder_and_a_line_are_a_new_kind_of_mail(
    database_url: str, birthday: EmailKind, templates: Path
) -> None:
    kinds, settings = {**KINDS, birthday.name: birthday}, make_settings(database_url=database_url)
    app = create_app(settings, publish=lambda keys, bulk: None, kinds=kinds, templates=templates)
    with app.app_context():
        owed_and_sent(app, kinds)
        db.session.remove()
        db.engine.dispose()
    services_of(app).transports.primary.close()


def owed_and_sent(app: Flask, kinds: dict[str, EmailKind]) -> None:
    make_people(1)
    [old] = make_people(1, created_at=SLOT.replace(year=2024), display_name="Bo", verified_at=SLOT)
    run_id = start_run(make_campaign(kind="birthday"))
    told: list[int] = []
    Expansion(db.session, lambda keys, bulk: not told.extend(keys), kinds, IDS).run(run_id)
    assert (run_row(run_id).planned, run_row(run_id).excluded) == (1, {"too_young": 1})

    server = FakeMailServer().attach(app)
    services_of(app).sender.deliver(told)
    db.session.rollback()
    row = db.session.get_one(Notification, told[0])
    assert (row.user_id, row.status, row.dedupe_key.split(":")[1]) == (old, "sent", "2026")
    [mail] = server.sent
    assert mail.subject == "Thank you for 2026"
    assert "Hello <bdi>Bo</bdi>" in mail.html
    assert "/u/" in mail.html
    assert mail.text.startswith("Happy 2026\n")
