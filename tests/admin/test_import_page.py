"""The page Import: a preview changes nothing, and only the file of the preview is imported."""

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from notifier.extensions import db
from notifier.models import AuditEntry, Role, Suppression, User
from notifier.testing.operators import Desk

PAGE = "/admin/import/"
PEOPLE = b"external_id,email,shoe\n7,ada@example.com,38\n8,no address,\n"


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    return desk(Role.admin)


def send(here: Desk, action: str, data: bytes, **fields: str) -> TestResponse:
    file: dict[str, Any] = {"file": (BytesIO(data), "people.csv")}
    return here.send(f"{PAGE}{action}", {"what": "people"} | fields | file, page=PAGE)


def digest_in(page: str) -> str:
    (found,) = re.findall(r'name="digest" value="([0-9a-f]{64})"', page)
    return str(found)


def stored(app: Flask) -> tuple[int, int, list[str]]:
    with app.app_context():
        people, gone = (db.session.scalar(select(func.count()).select_from(each)) or 0 for each in (User, Suppression))
        entries = db.session.execute(
            select(AuditEntry.action, AuditEntry.actor).where(AuditEntry.action.endswith(".imported"))
        )
        return people, gone, [f"{action} by {actor}" for action, actor in entries]


def test_a_preview_changes_nothing_and_the_same_file_is_imported(app: Flask, here: Desk) -> None:
    preview = send(here, "preview", PEOPLE)
    assert preview.status_code == 200
    assert "1 of 1 people have no confirmation date: campaigns will not reach them." in preview.text
    assert "a…@example.com" in preview.text
    assert "ada@example.com" not in preview.text
    assert 'data-label="Column">email<' in preview.text
    assert stored(app) == (0, 0, [])
    done = send(here, "store", PEOPLE, digest=digest_in(preview.text))
    assert (done.status_code, "<h1>Imported</h1>" in done.text) == (200, True)
    assert stored(app) == (1, 0, ["people.imported by operator 1"])


def test_another_file_or_choice_than_that_of_the_preview_is_refused(app: Flask, here: Desk) -> None:
    digest = digest_in(send(here, "preview", PEOPLE).text)
    other = {"confirmed_at": "2024-05-01", "basis": "our former shop"}
    for data, more in ((PEOPLE + b"9,bob@example.com,\n", {}), (PEOPLE, other)):
        refused = send(here, "store", data, digest=digest, **more)
        assert refused.status_code == 400
        assert "This is not the file of the preview." in refused.text
    assert stored(app) == (0, 0, [])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_suppressions_of_a_system_are_imported(app: Flask, here: Desk) -> None:
    data = b'[{"created": 1704207845, "email": "gone@example.com"}]'
    preview = send(here, "preview", data, what="sendgrid:bounces")
    send(here, "store", data, what="sendgrid:bounces", digest=digest_in(preview.text))
    assert stored(app) == (0, 1, ["suppressions.imported by operator 1"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mistake_stands_beside_its_input(here: Desk) -> None:
    for data, fields, place in (
        (b"", {}, "file"),
        (b"email\n", {}, "file"),
        (PEOPLE, {"what": "pets"}, "what"),
        (PEOPLE, {"encoding": "ebcdic"}, "encoding"),
        (PEOPLE, {"basis": "x"}, "confirmed_at"),
        (PEOPLE, {"confirmed_at": "2924-05-01", "basis": "x"}, "confirmed_at"),
    ):
        answer = send(here, "preview", data, **fields)
        assert (answer.status_code, f'id="{place}-wrong"' in answer.text) == (400, True), (fields, place)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_an_admin_may_send_a_large_form_and_only_here(app: Flask, here: Desk) -> None:
    large = b"external_id,email\n" + b"7,ada@example.com\n" * 19_000
    assert send(here, "preview", large).status_code == 200
    larger, kind = b"x" * (9 * 1024 * 1024), "multipart/form-data; boundary=x"
    assert here.client.post(f"{PAGE}preview", data=larger, content_type=kind).status_code == 413
    assert here.send("/admin/suppressions/add", {"file": (BytesIO(b"x"), "x.csv")}).status_code == 400
    fields = {"what": "people", "file": (BytesIO(large), "x.csv")}
    assert Desk(app, "203.0.113.7").post(f"{PAGE}preview", fields).status_code == 413
    assert stored(app) == (0, 0, [])
