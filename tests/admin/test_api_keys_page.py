"""The page of API keys: for admins, a secret is shown once, and a revoked key works no more."""

import re
from collections.abc import Callable

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier.extensions import db
from notifier.models import ApiKey, AuditEntry, Role
from notifier.testing.operators import Desk

PAGE = "/admin/api-keys/"
SHOP = {"name": "shop, production", "principal": "application", "scopes": ["users:read", "send:verification"]}


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    return desk(Role.admin)


def key_in(page: str) -> str:
    (found,) = re.findall(r"nk_[0-9]+_[A-Za-z0-9_-]{43}", page)
    return str(found)


def status(app: Flask, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return app.test_client().get("/v1/users", headers=headers).status_code


def keys(app: Flask) -> list[ApiKey]:
    with app.app_context():
        return list(db.session.scalars(select(ApiKey)))


def test_a_key_is_made_shown_once_and_works(app: Flask, here: Desk) -> None:
    assert "No API keys" in here.get(PAGE).text
    made = here.send(f"{PAGE}create", SHOP | {"expires": "2099-12-31"})
    assert made.status_code == 200
    assert made.headers["Cache-Control"] == "no-store"
    key = key_in(made.text)
    assert status(app, key) == 200
    (row,) = keys(app)
    assert (row.name, row.principal, row.scopes) == ("shop, production", "application", SHOP["scopes"])
    assert row.expires_at is not None
    assert row.expires_at.isoformat() == "2099-12-31T00:00:00+00:00"
    listed = here.get(PAGE).text
    assert key not in listed
    assert key.split("_", 2)[2] not in listed
    assert "shop, production" in listed
    (used,) = re.findall(r'data-label="Last used">(.*?)</td>', listed, re.DOTALL)
    assert "now" in used


def test_a_revoked_key_works_no_more(app: Flask, here: Desk) -> None:
    key = key_in(here.send(f"{PAGE}create", SHOP).text)
    assert "It was never used" in here.get(f"{PAGE}1/revoke").text
    assert status(app, key) == 200
    assert here.send(f"{PAGE}1/revoke").status_code == 303
    assert status(app, key) == 401
    assert "revoked" in here.get(PAGE).text
    with app.app_context():
        said = [(row.action, row.actor) for row in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
        assert [each for each in said if each[0].startswith("api_key.")] == [
            ("api_key.created", "operator 1"),
            ("api_key.revoked", "operator 1"),
        ]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "The name of a key has 1 to 64 printable characters."),
        ("principal", "The Shop", "A principal has 1 to 32 lower-case letters"),
        ("expires", "2001-01-01", "The key would have expired already."),
        ("expires", "tomorrow", "Write a day as 2027-12-31."),
        ("scopes", [], "Choose what the program may do."),
        ("scopes", ["everything"], "Choose what the program may do."),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mistake_is_told_beside_its_input_and_the_rest_stays(
    app: Flask, here: Desk, field: str, value: object, words: str
) -> None:
    answer = here.send(f"{PAGE}create", SHOP | {field: value})
    assert answer.status_code == 400
    beside = answer.text.partition(f'id="{field}-wrong"')[2].partition("</p>")[0]
    assert words in beside
    if field != "name":
        assert 'value="shop, production"' in answer.text
    if field != "scopes":
        assert re.search(r'value="users:read" checked', answer.text)
    assert keys(app) == []


@pytest.mark.parametrize("role", [Role.viewer, Role.editor])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_others_do_not_see_it_in_the_menu(desk: Callable[..., Desk], role: Role) -> None:
    assert PAGE not in desk(role).get("/admin/suppressions/").text
    assert PAGE in desk(Role.admin).get("/admin/suppressions/").text
