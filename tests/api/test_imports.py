"""Imports over HTTP: files of people and of suppressions, bounded, and with the scope of what they change."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from notifier.extensions import db
from notifier.imports import bounded
from notifier.models import AuditEntry, Suppression, User
from tests.api.conftest import Api, code_of, count, mistakes_of

Import = Callable[..., TestResponse]

PEOPLE = b"external_id,email,name,shoe\n7,ada@example.com,Ada,38\n8,no address,Bo,\n"


@pytest.fixture
def load(client_with: Callable[..., Api]) -> Import:
    api = client_with("users:write", "suppressions:write")

    def loaded(data: bytes, *, as_: str = "text/csv", api: Api = api, **query: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {api.key}"}
        return api.client.post(
            "/v1/imports", data=data, content_type=as_, headers=headers, query_string={"kind": "people"} | query
        )

    return loaded


def test_people_are_stored_and_refused_lines_are_told(app: Flask, load: Import) -> None:
    answer = load(PEOPLE)
    assert answer.status_code == 200, answer.text
    found = answer.get_json()
    assert found["numbers"] | {"lines": 2, "created": 1, "refused": 1, "unconfirmed": 1} == found["numbers"]
    assert found["unused_columns"] == ["shoe"]
    assert [(each["line"], each["column"]) for each in found["problems"]] == [(3, "email")]
    again = load(PEOPLE).get_json()["numbers"]
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 1)
    with app.app_context():
        entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "people.imported")).all()
    assert [each.actor for each in entries] == ["API key 1"] * 2


def test_a_dry_run_changes_nothing(app: Flask, load: Import) -> None:
    found = load(PEOPLE, dry_run="true").get_json()
    assert (found["dry_run"], found["numbers"]["created"]) == (True, 1)
    assert load(b"email\nada@example.com\n", kind="suppressions", dry_run="true").status_code == 200
    assert [count(app, model) for model in (User, Suppression, AuditEntry)] == [0, 0, 1]  # the key was created


def test_the_word_of_the_caller_confirms_people_who_have_no_date(app: Flask, load: Import) -> None:
    known = {"confirmed_at": "2024-05-01T00:00:00Z", "basis": "double opt-in in our former shop"}
    assert load(PEOPLE, **known).get_json()["numbers"]["unconfirmed"] == 0
    with app.app_context():
        assert str(db.session.scalars(select(User.verified_at)).one()).startswith("2024-05-01")


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"confirmed_at": "2024-05-01T00:00:00Z"}, "basis"),
        ({"confirmed_at": "2924-05-01T00:00:00Z", "basis": "x"}, "confirmed_at"),
        ({"from": "ses"}, "from"),
        ({"kind": "suppressions", "basis": "x"}, "basis"),
        ({"kind": "suppressions", "from": "sendgrid"}, "list"),
        ({"kind": "suppressions", "list": "bounces"}, "list"),
        ({"kind": "pets"}, "kind"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_parameters_that_do_not_belong_together_are_refused(load: Import, query: dict[str, str], place: str) -> None:
    assert list(mistakes_of(load(PEOPLE, **query))) == [place]


def test_the_kind_decides_which_scope_is_needed(app: Flask, client_with: Callable[..., Api], load: Import) -> None:
    for scope, other in (("users:write", "suppressions"), ("suppressions:write", "people")):
        refused = load(PEOPLE, api=client_with(scope), kind=other)
        assert (refused.status_code, code_of(refused)) == (403, "missing-scope")
    assert count(app, User) == 0


def test_the_json_of_ses_and_other_character_sets_are_read(app: Flask, load: Import) -> None:
    ses = b'{"SuppressedDestinationSummaries": [{"EmailAddress": "dead@example.com", "Reason": "BOUNCE"}]}'
    query = {"kind": "suppressions", "from": "ses"}
    assert load(ses, as_="application/json", **query).get_json()["numbers"]["suppressed"] == 1
    listed = b'[{"created": 1704207845, "email": "gone@example.com"}]'
    query = {"kind": "suppressions", "from": "sendgrid", "list": "bounces"}
    assert load(listed, as_="application/json", **query).get_json()["numbers"]["suppressed"] == 1
    named = "external_id,email,name\n7,ada@example.com,Zoë\n".encode("cp1252")
    assert load(named, as_="text/csv; charset=windows-1252").status_code == 200
    with app.app_context():
        assert db.session.scalars(select(User.display_name)).one() == "Zoë"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_cannot_be_read_stores_nothing(app: Flask, load: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"", b"\xff\xfa", b"email,name\nada@example.com,Ada\n", b"external_id\n7\n"):
        answer = load(data)
        assert mistakes_of(answer) == {"#": "file"}
        assert "--map" not in answer.text
    for as_ in ("text/plain", "text/csv; charset=ebcdic", "application/json; charset=utf-16", "multipart/form-data"):
        assert code_of(load(PEOPLE, as_=as_)) == "unsupported-media-type"
    monkeypatch.setattr(bounded, "MOST_LINES", 1)
    assert code_of(load(PEOPLE)) == "too-large"
    assert code_of(load(b"x" * (bounded.MOST_BYTES + 1))) == "too-large"
    assert count(app, User) == 0
