"""The verification link: looking changes nothing, pressing the button does, once."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier.extensions import db
from notifier.models import User
from notifier.security.tokens import Signer
from notifier.testing.browse import Visitor
from tests.support.applications import NOON, make_user

KEY = "test-key-that-is-long-enough-for-everything"

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def link(app: Flask) -> str:
    with app.app_context():
        user = make_user(created_at=NOON)
        return "/verify/" + Signer([KEY]).issue_verification(user.id, user.identity_key, user.link_nonce, NOON)


def verified(app: Flask) -> bool:
    with app.app_context():
        return db.session.scalars(select(User.verified_at)).one() is not None


def press(visitor: Visitor, link: str) -> int:
    return visitor.post(link, {"csrf_token": visitor.token(link)}).status_code


def test_five_scanners_and_then_the_person(app: Flask, visitor: Visitor, link: str) -> None:
    for _ in range(5):
        assert Visitor(app).get(link).status_code == 200
    assert not verified(app)
    assert press(visitor, link) == 200
    assert verified(app)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "GET"])
def test_methods_that_only_look_change_nothing(app: Flask, visitor: Visitor, link: str, method: str) -> None:
    assert visitor.client.open(link, method=method, base_url="http://notifier.test").status_code == 200
    assert not verified(app)


def test_pressing_without_the_pages_token_changes_nothing(app: Flask, visitor: Visitor, link: str) -> None:
    assert visitor.post(link, {}).status_code == 400
    assert not verified(app)


def test_twice_is_a_success(app: Flask, visitor: Visitor, link: str) -> None:
    token = visitor.token(link)
    assert visitor.post(link, {"csrf_token": token}).status_code == 200
    answer = visitor.post(link, {"csrf_token": token})
    assert answer.status_code == 200
    assert b"confirmed" in answer.data
    assert b"confirmed" in visitor.get(link).data


def test_an_expired_link_offers_a_new_one(
    app: Flask, visitor: Visitor, link: str, frozen: time_machine.Traveller
) -> None:
    frozen.shift(timedelta(hours=25))
    answer = visitor.get(link)
    assert answer.status_code == 410
    assert b'action="/resend"' in answer.data
    assert not verified(app)


@pytest.mark.parametrize("token", ["x", "a.b.c", "%00", "é", "a" * 20_000, "..", "%ff%fe", "=" * 10])
def test_rubbish_is_a_friendly_404(visitor: Visitor, token: str) -> None:
    assert visitor.get(f"/verify/{token}").status_code == 404


def test_token_pages_leave_no_trace(app: Flask, visitor: Visitor, link: str) -> None:
    headers = visitor.get(link).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_token_is_in_no_log_line(
    visitor: Visitor, link: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    visitor.get(link)
    press(visitor, link)
    printed = capsys.readouterr()
    assert link.rpartition("/")[2] not in caplog.text + printed.out + printed.err
