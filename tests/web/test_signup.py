"""The signup door: the same answer for everybody, limits, bad input."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from sqlalchemy import select

from notifier import ledger
from notifier.extensions import db
from notifier.models import Notification, SignupEmail, User
from notifier.testing.browse import Visitor
from tests.support.applications import NOON, make_user
from tests.support.services import replace_services

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


def users(app: Flask) -> list[User]:
    with app.app_context():
        return list(db.session.scalars(select(User)))


def test_a_signup_leads_to_the_inbox_page_and_rings_the_bell(app: Flask, visitor: Visitor, enqueued: list[int]) -> None:
    answer = visitor.sign_up("ada@example.com", "Ada", locale="de-AT", timezone="Europe/Vienna")
    assert (answer.status_code, answer.location) == (303, "/check-inbox")
    assert b"ada@example.com" in visitor.get("/check-inbox").data
    (user,) = users(app)
    assert (user.display_name, user.locale, user.timezone) == ("Ada", "de-AT", "Europe/Vienna")
    assert len(enqueued) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"locale": "'; --", "timezone": "Mars/Olympus"},
        {"locale": "abc-12345678-12345678"},
        {"timezone": "\x00"},
        {},
    ],
)
def test_what_a_browser_guessed_wrong_refuses_nobody(app: Flask, visitor: Visitor, fields: dict[str, str]) -> None:
    assert visitor.sign_up("ada@example.com", **fields).status_code == 303
    (user,) = users(app)
    assert (user.locale, user.timezone) == ("en", "UTC")


def test_a_mistake_keeps_what_was_typed_and_says_what_to_do(app: Flask, visitor: Visitor) -> None:
    answer = visitor.sign_up("not an address", "Ada")
    assert answer.status_code == 400
    assert b'value="not an address"' in answer.data
    assert b'value="Ada"' in answer.data
    assert b'aria-invalid="true"' in answer.data
    assert users(app) == []


def test_a_name_that_is_an_advertisement_is_refused(app: Flask, visitor: Visitor) -> None:
    assert visitor.sign_up("ada@example.com", "Win at https://casino.example").status_code == 400
    assert users(app) == []


def test_without_a_csrf_token_nothing_happens(app: Flask, visitor: Visitor) -> None:
    assert visitor.post("/signup", {"email": "ada@example.com"}).status_code == 400
    assert visitor.post("/resend", {"email": "ada@example.com"}).status_code == 400
    assert users(app) == []


@pytest.mark.usefixtures("frozen")  # a window that ends in the middle would let more in
def test_a_client_that_asks_too_often_is_told_when_to_come_back(make_app: Callable[..., Flask]) -> None:
    visitor = Visitor(make_app(publish=lambda keys, bulk: None, ratelimit_enabled=True))
    token = visitor.token("/signup")
    answers = [
        visitor.post("/signup", {"csrf_token": token, "email": f"user{number}@example.com"}) for number in range(61)
    ]
    assert [answer.status_code for answer in answers[:60]] == [303] * 60
    assert answers[60].status_code == 429
    assert 0 < int(answers[60].headers["Retry-After"]) <= 61
    assert b"try again in" in answers[60].data


def test_one_address_gets_few_mails_however_many_clients_ask(make_app: Callable[..., Flask]) -> None:
    app = make_app(publish=lambda keys, bulk: None, ratelimit_enabled=True)
    for number in range(30):
        Visitor(app, f"203.0.{number}.9").sign_up("ada@example.com")
    with app.app_context():
        assert len(db.session.scalars(select(Notification)).all()) == 1


@pytest.mark.usefixtures("frozen")  # a window that ends in the middle would let more in
def test_the_limits_hold_without_redis(make_app: Callable[..., Flask]) -> None:
    app = make_app(publish=lambda keys, bulk: None, ratelimit_enabled=True, redis_url="redis://127.0.0.1:1/0")
    visitor = Visitor(app)
    token = visitor.token("/signup")
    codes = {
        visitor.post("/signup", {"csrf_token": token, "email": f"user{number}@example.com"}).status_code
        for number in range(65)
    }
    assert codes == {303, 429}


#: White space of every kind, what is invisible, and both.
NOTHING_TO_SEE = (
    " ", "\t" * 64, "\r\n \x0b\x0c", "\u3000\u2003\u00a0", "\u200b\u200d\ufeff", " \u2066\t\u2069 ", "\u3164\u2800",
    "\u200b" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("name", NOTHING_TO_SEE)
def test_a_name_that_shows_nothing_is_no_name(app: Flask, visitor: Visitor, name: str) -> None:
    assert visitor.sign_up("ada@example.com", name).status_code == 303
    assert users(app)[0].display_name == ""


def too_many_bounced(app: Flask) -> None:
    """More than a fifth of the last hundred first emails bounced, at a domain of no known provider."""
    with app.app_context():
        for number in range(21):
            user = make_user(f"nobody{number}@flood.example")
            row = ledger.add(
                db.session(), kind="verification", user=user, dedupe_key=f"n{number}", now=NOON, grace=timedelta(0)
            )
            row.status, row.reason_code = "failed", "address_refused"
            db.session.flush()
            facts = {"mailbox": "m", "network": "n", "source": "s", "first": True}
            db.session.add(SignupEmail(notification_id=row.id, at=NOON, due=NOON, **facts))
        db.session.commit()


@pytest.mark.usefixtures("frozen")
def test_while_first_emails_are_slowed_a_challenge_is_asked_for_unknown_domains(make_app: Callable[..., Flask]) -> None:
    app = make_app(publish=lambda keys, bulk: None, ratelimit_enabled=True)
    asked: list[str] = []

    def challenge() -> tuple[str, int] | None:
        asked.append(request.form["email"])
        return None if request.form.get("answer") == "42" else ("How much is 6 * 7?", 403)

    replace_services(app, challenge=challenge)
    visitor = Visitor(app)
    assert visitor.sign_up("ada@example.com").status_code == 303
    assert asked == []
    too_many_bounced(app)
    assert visitor.sign_up("bo@example.com").status_code == 403
    assert visitor.sign_up("ada@gmail.com").status_code == 303
    again = {"csrf_token": visitor.token("/signup"), "email": "ada@example.com"}
    assert visitor.post("/resend", again).status_code == 403
    assert visitor.sign_up("bo@example.com", answer="42").status_code == 303
    assert asked == ["bo@example.com", "ada@example.com", "bo@example.com"]
    with app.app_context():
        assert len(db.session.scalars(select(User).where(User.email == "bo@example.com")).all()) == 1


def test_a_form_that_is_too_large_is_refused(visitor: Visitor) -> None:
    answer = visitor.post("/signup", {"email": "a" * 300_000})
    assert answer.status_code == 413


@pytest.mark.parametrize("case", json.loads((DATA / "email_address.json").read_text()), ids=lambda case: case["id"])
def test_addresses_through_the_form(request: pytest.FixtureRequest, case: dict[str, Any]) -> None:
    app = request.getfixturevalue("sqlite_app")
    visitor = Visitor(app)
    text = case["input"].encode("utf-8", "surrogatepass")
    answer = visitor.post("/signup", {"csrf_token": visitor.token("/signup"), "email": text})
    accepted = answer.status_code == 303
    assert accepted or answer.status_code == 400
    if case["expect"] in {"accept", "reject"}:
        assert accepted is (case["expect"] == "accept")
    with app.app_context():
        stored = db.session.scalars(select(User)).all()
        assert len(stored) == accepted
        if accepted and case.get("envelope"):
            assert (stored[0].email, stored[0].identity_key) == (case["envelope"], case["identity_key"])
        if case["expect"] == "trim_or_reject" and accepted:
            assert stored[0].identity_key == "user@example.com"


def test_a_typo_of_a_well_known_domain_is_asked_about_and_blocks_no_one(
    app: Flask, visitor: Visitor, enqueued: list[int]
) -> None:
    visitor.sign_up("ada@gmial.com")
    page = visitor.get("/check-inbox").text
    assert 'Did you mean <bdi class="address">ada@gmail.com</bdi>?' in page
    assert [row.email for row in users(app)] == ["ada@gmial.com"]
    visitor.sign_up("ada@gmail.com")
    assert "Did you mean" not in visitor.get("/check-inbox").text
