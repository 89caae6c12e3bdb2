"""This wasn't me: what the link shows and does, for whom, and what is left of the person afterwards."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier import ledger
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.models import AuditEntry, Notification, Suppression, SuppressionReason, User
from notifier.retention import purge
from notifier.security.tokens import Signer
from notifier.services import services_of
from notifier.testing.browse import Visitor
from tests.support.applications import NOON, make_user

pytestmark = pytest.mark.usefixtures("frozen")

EMAIL = "ada@example.com"


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


def signed_up(app: Flask, visitor: Visitor) -> str:
    """An account that waits, with a reminder; the path of its link."""
    visitor.sign_up(EMAIL, "Ada")
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        ledger.add(
            db.session(), kind="verification_reminder", user=user, dedupe_key="reminder", now=NOON, grace=timedelta(0)
        )
        db.session.commit()
        return path_of(app, user)


def path_of(app: Flask, user: User) -> str:
    links = services_of(app).links
    url = links.not_me(user_id=user.id, identity_key=user.identity_key, nonce=user.link_nonce, issued_at=NOON)
    return url.removeprefix("http://notifier.test")


def press(visitor: Visitor, path: str, at: str = "") -> tuple[int, str]:
    answer = visitor.post(at or path, {"csrf_token": visitor.token(path)})
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.text


def test_the_person_of_another_application_is_kept_and_may_correct_the_address(app: Flask, visitor: Visitor) -> None:
    with app.app_context():
        user = make_user(EMAIL, external_id="7", verified_at=None)
        path = path_of(app, user)
    assert "delete" not in visitor.get(path).text
    for text in (press(visitor, path)[1], visitor.get(path).text):
        assert ("Emails to you have been stopped" in text, "until 20 December 2026" in text) == (True, True)
        assert "deleted" not in text
    with app.app_context():
        kept = db.session.scalars(select(User)).one()
        assert (kept.external_id, kept.email, kept.erased_at) == ("7", EMAIL, None)
        assert db.session.scalars(select(Suppression)).one().identity_key == EMAIL


def test_looking_changes_nothing(app: Flask, visitor: Visitor) -> None:
    path = signed_up(app, visitor)
    for method in ("get", "head", "options"):
        assert getattr(visitor.client, method)(path, base_url="http://notifier.test").status_code == 200
    with app.app_context():
        assert db.session.scalars(select(Notification.status)).all() == ["pending", "pending"]
        assert db.session.scalars(select(Suppression)).all() == []


def test_without_the_token_of_the_page_nothing_happens(app: Flask, visitor: Visitor) -> None:
    path = signed_up(app, visitor)
    assert visitor.post(path, {}).status_code == 400
    with app.app_context():
        assert db.session.scalars(select(User)).one()


def test_the_button_ends_the_account_and_its_reminders_and_leaves_no_address(app: Flask, visitor: Visitor) -> None:
    path = signed_up(app, visitor)
    status, text = press(visitor, path)
    assert (status, "until 20 December 2026" in text) == (200, True)
    with app.app_context():
        assert db.session.scalars(select(User)).all() == []
        rows = db.session.scalars(select(Notification)).all()
        assert {(row.status, row.reason_code, row.recipient) for row in rows} == {("cancelled", "erased", "erased")}
        stop = db.session.scalars(select(Suppression)).one()
        assert (stop.reason, stop.source, stop.until) == ("not_me", "recipient", NOON + timedelta(days=30))
        assert stop.identity_key.startswith("erased:")
        entry = db.session.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.actor) == ("person.erased", "the recipient")


def test_pressing_twice_is_as_good_as_once(app: Flask, visitor: Visitor) -> None:
    path = signed_up(app, visitor)
    token = visitor.token(path)
    answers = [visitor.post(path, {"csrf_token": token}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert all("The account has been deleted" in answer.text for answer in answers)


def test_a_sign_up_meanwhile_is_suppressed(app: Flask, visitor: Visitor) -> None:
    press(visitor, signed_up(app, visitor))
    visitor.sign_up(EMAIL)
    with app.app_context():
        user = db.session.scalars(select(User)).one()
        found = suppressions.find(db.session(), user.identity_key)
        assert found is not None
        assert found.reason == SuppressionReason.not_me


def test_the_same_link_takes_it_back(app: Flask, visitor: Visitor) -> None:
    path = signed_up(app, visitor)
    press(visitor, path)
    visitor.sign_up(EMAIL)  # whoever does: the link still finds it
    status, text = press(visitor, path, f"{path}/undo")
    assert (status, "Emails are allowed again" in text) == (200, True)
    with app.app_context():
        assert db.session.scalars(select(Suppression)).all() == []
    assert visitor.get(path).status_code == 404


def test_it_ends_by_itself_and_is_forgotten(app: Flask, visitor: Visitor, frozen: time_machine.Traveller) -> None:
    path = signed_up(app, visitor)
    press(visitor, path)
    frozen.shift(timedelta(days=30, seconds=1))
    assert visitor.get(path).status_code == 404
    with app.app_context():
        assert purge(db.session)["suppressions"] == 1
        assert db.session.scalars(select(Suppression)).all() == []


def test_other_suppressions_are_never_purged(context: Flask, frozen: time_machine.Traveller) -> None:
    suppressions.add(db.session(), EMAIL, reason=SuppressionReason.complaint, source="report", evidence="")
    db.session.commit()
    frozen.shift(timedelta(days=1000))
    assert purge(db.session)["suppressions"] == 0


def test_a_suppression_that_lasts_takes_the_place_of_one_that_ends(app: Flask, visitor: Visitor) -> None:
    path = signed_up(app, visitor)
    press(visitor, path)
    visitor.sign_up(EMAIL)
    with app.app_context():
        for new in (True, False):
            made = suppressions.add(
                db.session(), EMAIL, reason=SuppressionReason.hard_bounce, source="smtp", evidence="550"
            )
            assert made is new
        db.session.commit()
        found = suppressions.find(db.session(), EMAIL)
        assert found is not None
        assert (found.reason, found.until, found.evidence) == ("hard_bounce", None, "550")
    assert visitor.get(path).status_code == 404


def test_a_confirmed_account_is_not_ended_by_it(app: Flask, visitor: Visitor) -> None:
    path = signed_up(app, visitor)
    token = visitor.token(path)
    with app.app_context():
        db.session.scalars(select(User)).one().verified_at = NOON
        db.session.commit()
    answer = visitor.post(path, {"csrf_token": token})
    assert (answer.status_code, "This account is confirmed" in answer.text) == (409, True)
    with app.app_context():
        assert db.session.scalars(select(User)).one()
        assert db.session.scalars(select(Suppression)).all() == []


def test_while_an_email_is_being_sent_it_asks_for_patience(app: Flask, visitor: Visitor) -> None:
    path = signed_up(app, visitor)
    with app.app_context():
        pk = db.session.scalars(select(Notification.id).order_by(Notification.id)).first()
        ledger.claim(db.session(), [pk or 0], now=NOON, lease=timedelta(minutes=8), owner="a worker")
        db.session.commit()
    status, text = press(visitor, path)
    assert (status, "Please wait a minute" in text) == (409, True)
    with app.app_context():
        assert db.session.scalars(select(User)).one()


def test_links_for_another_purpose_or_account_open_nothing(app: Flask, visitor: Visitor) -> None:
    with app.app_context():
        user = make_user(EMAIL)
        signer = services_of(app).links.signer
        about = (user.id, user.identity_key, user.link_nonce, NOON)
        tokens = [
            signer.issue_verification(*about),
            Signer(["a-key-of-another-system-that-is-long"]).issue_not_me(*about),
            signer.issue_not_me(user.id, user.identity_key, "an older nonce", NOON),
            signer.issue_not_me(user.id + 1, user.identity_key, user.link_nonce, NOON),
            "x",
        ]
        good = signer.issue_not_me(*about)
    token = visitor.token("/signup")
    for path in tokens:
        assert visitor.get(f"/not-me/{path}").status_code == 404
        assert visitor.post(f"/not-me/{path}", {"csrf_token": token}).status_code == 404
        assert visitor.post(f"/not-me/{path}/undo", {"csrf_token": token}).status_code == 404
    assert visitor.get(f"/verify/{good}").status_code == 404
    with app.app_context():
        assert db.session.scalars(select(User)).one()
