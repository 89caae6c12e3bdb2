"""People over HTTP: the same rows as those of an application that embeds notifier."""

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.accounts.erasure import erase
from notifier.extensions import db
from notifier.models import User
from notifier.operators.audit_log import COMMAND_LINE
from notifier.testing.factories import make_user
from tests.api.conftest import Api, code_of, count, mistakes_of

ADA = {
    "email": "Ada@Example.com",
    "name": "Ada",
    "locale": "pt-BR",
    "timezone": "Europe/Berlin",
    "verified_at": "2026-01-31T09:00:00.5+01:00",
    "attributes": {"plan": "gold", "tags": ["a", {"b": None}]},
}


def test_a_person_is_stored_and_found(api: Api) -> None:
    made = api("PUT", "/users/u:1|a@b.c~d-E_", ADA)
    assert made.status_code == 201
    shown = made.get_json()
    assert {name: shown[name] for name in ADA} == ADA | {
        "email": "Ada@example.com",
        "verified_at": "2026-01-31T08:00:00.500000Z",
    }
    assert shown["id"] == "u:1|a@b.c~d-E_"
    assert api("GET", "/users/u:1|a@b.c~d-E_").get_json() == shown
    again = api("PUT", "/users/u:1|a@b.c~d-E_", ADA)
    assert (again.status_code, again.get_json()) == (200, shown)


def test_what_is_left_out_gets_its_default(api: Api) -> None:
    api("PUT", "/users/u1", ADA)
    shown = api("PUT", "/users/u1", {"email": "Ada@Example.com"}).get_json()
    assert (shown["name"], shown["locale"], shown["timezone"], shown["attributes"]) == ("", "en", "UTC", {})


def test_a_new_address_must_be_confirmed_again(api: Api) -> None:
    api("PUT", "/users/u1", ADA)
    kept = api("PUT", "/users/u1", {"email": "ada@example.com"}).get_json()
    assert kept["verified_at"] == "2026-01-31T08:00:00.500000Z"
    assert api("PUT", "/users/u1", {"email": "new@example.com"}).get_json()["verified_at"] is None
    said = api("PUT", "/users/u1", {"email": "b@example.com", "verified_at": "2026-02-01T00:00:00Z"}).get_json()
    assert said["verified_at"] == "2026-02-01T00:00:00Z"
    assert api("PUT", "/users/u1", {"email": "b@example.com", "verified_at": None}).get_json()["verified_at"] is None


def test_two_people_may_swap_their_addresses_or_share_one(api: Api) -> None:
    for person, address in (("u1", "a"), ("u2", "b"), ("u1", "b"), ("u2", "a"), ("u2", "b")):
        assert api("PUT", f"/users/{person}", {"email": f"{address}@example.com"}).status_code in (200, 201)
    found = [each["email"] for each in api("GET", "/users").get_json()["data"]]
    assert found == ["b@example.com", "b@example.com"]


def test_an_erased_person_stays_erased(api: Api, app: Flask) -> None:
    api("PUT", "/users/u1", ADA)
    with app.app_context():
        erase(db.session(), db.session.scalars(select(User)).one(), keys=["k" * 32], by=COMMAND_LINE)
        db.session.commit()
    answer = api("PUT", "/users/u1", ADA)
    assert (answer.status_code, code_of(answer)) == (409, "erased")
    assert api("GET", "/users/u1").status_code == 404
    assert api("GET", "/users").get_json() == {"data": [], "next": None}
    with app.app_context():
        assert db.session.scalars(select(User.email)).one() == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"), ("email", "a@b"), ("email", "a\r\nb@example.com"), ("email", ""), ("email", 5),
        ("email", "a" * 400 + "@example.com"), ("name", None), ("name", "n" * 65), ("name", 5), ("locale", "english!"),
        ("locale", ""), ("timezone", "Mars/Olympus"), ("timezone", ""), ("verified_at", "2026-01-31T09:00:00"),
        ("verified_at", "2026-01-31"), ("verified_at", 1769850000), ("verified_at", True),
        ("verified_at", "2026-02-30T00:00:00Z"), ("verified_at", "2026-01-31T24:00:00Z"),
        ("verified_at", "2026-01-31T09:00:60Z"), ("verified_at", "2126-01-31T09:00:00Z"),
        ("verified_at", "0001-01-01T00:00:00+14:00"),
        ("verified_at", "2026-01-31T09:00:00+25:00"), ("attributes", []), ("attributes", None), ("unknown", 1),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_place_and_stores_nothing(api: Api, field: str, value: object) -> None:
    answer = api("PUT", "/users/u1", {field: value})
    assert set(mistakes_of(answer)) == {f"#/{field}"}
    assert count(api.app, User) == 0


@pytest.mark.parametrize("given", ["~u1", "a b", "a+b", "ü", "x" * 201, "a%00b"])
def test_an_id_that_is_none(api: Api, given: str) -> None:
    assert set(mistakes_of(api("PUT", f"/users/{given}", {}))) == {"external_id"}


def test_pages_lead_through_everyone_once_even_if_people_come_and_go(api: Api, app: Flask) -> None:
    with app.app_context():
        make_user("signed-up-here@example.com")
    for number in range(7):
        api("PUT", f"/users/u{number}", {})
    seen: list[str] = []
    path = "/users?limit=3"
    while path:
        page = api("GET", path).get_json()
        seen += [each["id"] for each in page["data"]]
        path = page["next"] and f"/users?limit=3&cursor={page['next']}"
        api("PUT", f"/users/later{len(seen)}", {})
    assert seen[:7] == [f"u{number}" for number in range(7)]
    assert len(seen) == len(set(seen))
    assert "signed-up-here@example.com" not in str(seen)
