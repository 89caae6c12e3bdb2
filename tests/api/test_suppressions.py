"""Suppressions over HTTP: added, listed, and lifted with a trace."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.consent import suppressions
from notifier.extensions import db
from notifier.models import AuditEntry, SuppressionReason
from tests.api.conftest import Api, code_of, mistakes_of


@pytest.fixture
def writer(client_with: Callable[..., Api]) -> Api:
    return client_with("suppressions:write")


def complaint(app: Flask) -> str:
    with app.app_context():
        suppressions.add(
            db.session(), "bo@example.com", reason=SuppressionReason.complaint, source="email", evidence="report"
        )
        db.session.commit()
        found = suppressions.find(db.session(), "bo@example.com")
        assert found is not None
        return str(found.id)


def actions(app: Flask) -> list[tuple[str, str, str | None]]:
    with app.app_context():
        query = select(AuditEntry).where(AuditEntry.action.startswith("suppression.")).order_by(AuditEntry.id)
        return [(row.action, row.actor, row.after.get("note")) for row in db.session.scalars(query)]


def test_an_address_is_suppressed_found_and_freed(writer: Api, app: Flask, client_with: Callable[..., Api]) -> None:
    made = writer("POST", "/suppressions", {"email": "Ada@Example.com", "note": "asked by phone"})
    assert made.status_code == 201
    shown = made.get_json()
    assert (shown["email"], shown["reason"], shown["source"]) == ("ada@example.com", "manual", "api")
    again = writer("POST", "/suppressions", {"email": "ada@example.com", "note": "again"})
    assert (again.status_code, again.get_json()) == (200, shown)
    assert writer("GET", "/suppressions?email=ADA@example.com").get_json() == {"data": [shown], "next": None}
    sender = client_with("users:write", "notifications:write")
    sender("PUT", "/users/u1", {"email": "ada@example.com"})
    assert sender.send("a", to="u1", kind="verification").get_json()["status"] == "suppressed"
    assert writer("DELETE", f"/suppressions/{shown['id']}?note=asked+again").status_code == 204
    assert code_of(writer("DELETE", f"/suppressions/{shown['id']}")) == "not-found"
    assert sender.send("b", to="u1", kind="verification").get_json()["status"] == "accepted"
    assert actions(app) == [
        ("suppression.added", "API key 1", "asked by phone"),
        ("suppression.lifted", "API key 1", "asked again"),
    ]


def test_a_complaint_is_lifted_only_with_a_scope_of_its_own(
    writer: Api, app: Flask, client_with: Callable[..., Api]
) -> None:
    pk = complaint(app)
    refused = writer("DELETE", f"/suppressions/{pk}")
    assert (refused.status_code, code_of(refused)) == (403, "missing-scope")
    assert "suppressions:lift" in refused.get_json()["detail"]
    assert actions(app) == []
    assert client_with("suppressions:write", "suppressions:lift")("DELETE", f"/suppressions/{pk}").status_code == 204
    assert actions(app) == [("suppression.lifted", "API key 2", "")]


def test_a_complaint_is_not_replaced(writer: Api, app: Flask) -> None:
    complaint(app)
    answer = writer("POST", "/suppressions", {"email": "bo@example.com", "note": "x"})
    assert (answer.status_code, answer.get_json()["reason"]) == (200, "complaint")


def test_pages_and_reasons(writer: Api, app: Flask) -> None:
    for number in range(5):
        writer("POST", "/suppressions", {"email": f"u{number}@example.com", "note": "x"})
    complaint(app)
    first = writer("GET", "/suppressions?limit=4").get_json()
    second = writer("GET", f"/suppressions?limit=4&cursor={first['next']}").get_json()
    found = [each["email"] for each in first["data"] + second["data"]]
    assert found == ["bo@example.com", *(f"u{number}@example.com" for number in (4, 3, 2, 1, 0))]
    assert second["next"] is None
    (only,) = writer("GET", "/suppressions?reason=complaint").get_json()["data"]
    assert only["email"] == "bo@example.com"


@pytest.mark.parametrize("body", [{"email": "no address", "note": "x"}, {"email": "a@b", "note": "x"}])
def test_an_address_that_is_none(writer: Api, body: dict[str, str]) -> None:
    assert mistakes_of(writer("POST", "/suppressions", body)) == {"#/email": "address"}
