"""What a person may ask of an application: everything about them, to be forgotten, and to choose."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from notifier import clock
from notifier.consent import preferences, suppressions
from notifier.consent.preferences import How
from notifier.extensions import db
from notifier.models import AuditEntry, Consent, Notification, Status, SuppressionReason, User
from notifier.testing.factories import make_campaign
from tests.api.conftest import Api, code_of, count, mistakes_of

ADA = {"email": "Ada@example.com", "name": "Ada", "verified_at": "2026-01-01T00:00:00Z"}


@pytest.fixture
def whole(client_with: Callable[..., Api]) -> Api:
    """A client that may do everything with people, and has stored one."""
    api = client_with(
        "users:read", "users:write", "activities:write", "notifications:read", "notifications:write", "consent:write"
    )
    assert api("PUT", "/users/u1", ADA).status_code == 201
    return api


def evidence(ago: timedelta = timedelta(0), source: str = "the shop's settings") -> dict[str, str]:
    return {"source": source, "time": (clock.now() - ago).isoformat()}


def test_an_export_has_everything_about_one_person(whole: Api, app: Flask) -> None:
    whole.send("r:1", to="u1", kind="security_message", data={"subject": "secret-7", "text": "secret-8"})
    whole("POST", "/activities", {"to": "u1", "kind": "like", "actor": "Bo", "object_title": "Sunset"})
    whole("PUT", "/users/u1/preferences", {"news": {"wanted": False}, "evidence": evidence()})
    whole("PUT", "/users/u2", ADA | {"email": "bo@example.com"})
    whole.send("r:2", to="u2", kind="verification")
    with app.app_context():
        suppressions.add(
            db.session(), "ada@example.com", reason=SuppressionReason.manual, source="operator", evidence="asked"
        )
        db.session.commit()
    answer = whole("POST", "/users/u1/export")
    found = answer.get_json()
    assert answer.status_code == 200
    assert found["person"] == whole("GET", "/users/u1").get_json()
    assert found["preferences"]["news"]["wanted"] is False
    assert [(each["category"], each["how"], each["source"]) for each in found["consents"]] == [
        ("news", "application", "the shop's settings")
    ]
    assert [(each["email"], each["reason"]) for each in found["suppressions"]] == [("ada@example.com", "manual")]
    assert [(each["key"], each["address"], each["status"], each["data"]) for each in found["emails"]] == [
        ("r:1", "Ada@example.com", "pending", None)
    ]
    assert [(each["kind"], each["actor"], each["object_title"]) for each in found["activities"]] == [
        ("like", "Bo", "Sunset")
    ]
    assert found["came_back"] == []
    assert b"secret-" not in answer.data
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "person.exported")).one()
        assert (entry.actor, entry.object_id, entry.person_digest is None) == ("API key 1", "1", False)


def test_an_erased_person_stays_erased_and_may_be_erased_again(whole: Api, app: Flask) -> None:
    whole.send("r:1", to="u1", kind="verification")
    whole("POST", "/activities", {"to": "u1", "kind": "like"})
    erased = whole("DELETE", "/users/u1")
    assert (erased.status_code, erased.data) == (204, b"")
    assert whole("DELETE", "/users/u1").status_code == 204
    for method, path in (("GET", ""), ("POST", "/export"), ("GET", "/why"), ("GET", "/preferences")):
        assert code_of(whole(method, f"/users/u1{path}")) == "not-found", path
    assert code_of(whole("PUT", "/users/u1", ADA)) == "erased"
    with app.app_context():
        row = db.session.scalars(select(Notification)).one()
        assert (row.recipient, row.status, row.reason_code) == ("erased", Status.cancelled, "erased")
        entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "person.erased")).all()
        assert [entry.actor for entry in entries] == ["API key 1"]
        assert "ada" not in str(db.session.execute(select(*User.__table__.columns)).all()).lower()


def test_a_person_who_was_never_stored_is_not_erased(whole: Api) -> None:
    assert code_of(whole("DELETE", "/users/u9")) == "not-found"


def test_a_person_is_not_erased_while_an_email_is_being_sent(whole: Api, app: Flask) -> None:
    whole.send("r:1", to="u1", kind="verification")
    with app.app_context():
        db.session.scalars(select(Notification)).one().status = Status.sending
        db.session.commit()
    answer = whole("DELETE", "/users/u1")
    assert (answer.status_code, code_of(answer), answer.headers["Retry-After"]) == (409, "being-sent", "60")
    assert whole("GET", "/users/u1").status_code == 200


def test_a_decision_is_stored_with_its_evidence_once(whole: Api, app: Flask) -> None:
    default = whole("GET", "/users/u1/preferences").get_json()
    assert default == {
        "report": {"wanted": True, "decided_at": None},
        "digest": {"wanted": True, "decided_at": None, "frequency": "weekly"},
        "news": {"wanted": True, "decided_at": None},
    }
    body: dict[str, Any] = {"digest": {"wanted": True, "frequency": "daily"}, "news": {"wanted": False}}
    body["evidence"] = evidence(timedelta(hours=1))
    first, second = (whole("PUT", "/users/u1/preferences", body) for _ in range(2))
    assert first.get_json() == second.get_json() == whole("GET", "/users/u1/preferences").get_json()
    shown = first.get_json()
    assert (shown["digest"]["frequency"], shown["news"]["wanted"]) == ("daily", False)
    assert shown["report"]["decided_at"] is None
    with app.app_context():
        rows = db.session.scalars(select(Consent).order_by(Consent.category)).all()
        assert [(row.category, row.wanted, row.frequency, row.how, row.basis) for row in rows] == [
            ("digest", True, "daily", "application", "the shop's settings"),
            ("news", False, None, "application", "the shop's settings"),
        ]
        assert {row.at.isoformat() for row in rows} == {body["evidence"]["time"]}


@pytest.mark.parametrize("order", ["yes no", "yes no yes", "no yes no", "no yes no yes", "yes no yes no yes"])
def test_a_refusal_among_decisions_of_one_moment_cannot_get_lost(whole: Api, order: str) -> None:
    """An application that knows only dates sends several decisions with one time, and repeats some."""
    when = evidence(timedelta(hours=1))
    for word in order.split():
        body = {"news": {"wanted": word == "yes"}, "evidence": when}
        assert whole("PUT", "/users/u1/preferences", body).status_code == 200
    assert whole("GET", "/users/u1/preferences").get_json()["news"]["wanted"] is False


def test_what_holds_already_is_evidence_too(whole: Api, app: Flask) -> None:
    body = {"news": {"wanted": True}, "evidence": evidence(source="the box on the order form")}
    assert whole("PUT", "/users/u1/preferences", body).get_json()["news"]["decided_at"] is not None
    assert count(app, Consent) == 1


def test_a_later_decision_stays(whole: Api, app: Flask) -> None:
    with app.app_context():
        pk = db.session.scalars(select(User.id)).one()
        preferences.decide(db.session(), pk, "news", False, how=How.one_click)
        db.session.commit()
    body = {"report": {"wanted": False}, "news": {"wanted": True}, "evidence": evidence(timedelta(hours=1))}
    answer = whole("PUT", "/users/u1/preferences", body)
    assert (answer.status_code, code_of(answer)) == (409, "newer-decision")
    shown = whole("GET", "/users/u1/preferences").get_json()
    assert (shown["report"]["wanted"], shown["news"]["wanted"]) == (True, False)
    assert count(app, Consent) == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"news": {"wanted": False}}, "#/evidence"),
        ({"news": {"wanted": False}, "evidence": {"source": "", "time": "2026-01-01T00:00:00Z"}}, "#/evidence/source"),
        ({"news": {"wanted": False}, "evidence": {"source": "x", "time": "2026-01-01"}}, "#/evidence/time"),
        ({"news": {"wanted": False}, "evidence": {"source": "x", "time": "2126-01-01T00:00:00Z"}}, "#/evidence/time"),
        ({"news": {"wanted": "no"}, "evidence": {"source": "x", "time": "2026-01-01T00:00:00Z"}}, "#/news/wanted"),
        ({"security": {"wanted": False}, "evidence": {"source": "x", "time": "2026-01-01T00:00:00Z"}}, "#/security"),
        (
            {
                "digest": {"wanted": True, "frequency": "never"},
                "evidence": {"source": "x", "time": "2026-01-01T00:00:00Z"},
            },
            "#/digest/frequency",
        ),
    ],
)
def test_a_decision_with_a_mistake_stores_nothing(whole: Api, app: Flask, body: Any, place: str) -> None:
    assert set(mistakes_of(whole("PUT", "/users/u1/preferences", body))) == {place}
    assert count(app, Consent) == 0


def test_why_tells_campaigns_and_single_emails(whole: Api, app: Flask) -> None:
    whole.send("r:1", to="u1", kind="verification")
    with app.app_context():
        make_campaign(name="spring")
        make_campaign(name="winter")
    whole("PUT", "/users/u1/preferences", {"news": {"wanted": False}, "evidence": evidence()})
    found = whole("GET", "/users/u1/why").get_json()["data"]
    assert [(each["campaign"], each["outcome"], each["kind"]) for each in found] == [
        ("spring", "excluded", "announcement"),
        ("winter", "excluded", "announcement"),
        (None, "will_be_sent", "verification"),
    ]
    assert found[2]["notification"] == "1"
    assert all(each["code"] and each["reason"] for each in found)
    (only,) = whole("GET", "/users/u1/why?campaign=winter").get_json()["data"]
    assert only == found[1]
    assert set(mistakes_of(whole("GET", "/users/u1/why?campaign=summer"))) == {"campaign"}
