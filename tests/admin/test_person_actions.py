"""What an operator does for a person: the link again, the address, preferences, suppression, export, erasure."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier import clock
from notifier.accounts.export import everything_about
from notifier.api.resources.export_shapes import ExportAnswer
from notifier.consent import preferences, suppressions
from notifier.consent.preferences import How
from notifier.explain.person_export import document_of
from notifier.extensions import db
from notifier.models import AuditEntry, Consent, Notification, Role, Status, Suppression, SuppressionReason, User
from notifier.services import services
from notifier.testing.factories import make_campaign, make_notification, make_user
from notifier.testing.operators import Desk


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    return desk(Role.editor)


@pytest.fixture
def ada(app: Flask) -> int:
    """An account that was never confirmed."""
    with app.app_context():
        return make_user("ada@example.com", display_name="Ada").id


def person(pk: int = 1) -> User:
    return db.session.scalars(select(User).where(User.id == pk)).one()


def emails(kind: str) -> list[Notification]:
    return list(db.session.scalars(select(Notification).where(Notification.kind == kind).order_by(Notification.id)))


def entry(action: str) -> AuditEntry:
    return db.session.scalars(select(AuditEntry).where(AuditEntry.action == action)).one()


def test_the_verification_email_is_sent_again_but_not_twice(app: Flask, here: Desk, ada: int) -> None:
    page = f"/admin/people/{ada}/"
    assert "Send verification email again" in here.get(page).text
    assert here.send(f"{page}verification").status_code == 303
    assert "Verification email queued" in here.get(page).text
    here.send(f"{page}verification")
    assert "Wait two minutes" in here.get(page).text
    with app.app_context():
        (row,) = emails("verification")
        assert (row.recipient, row.status, row.user_id) == ("ada@example.com", Status.pending, ada)
        assert entry("person.verification_resent").after["notification"] == row.id


@pytest.mark.parametrize("why", ["confirmed", "suppressed", "by the application"])
def test_no_link_is_sent_that_would_not_count(app: Flask, here: Desk, ada: int, why: str) -> None:
    with app.app_context():
        if why == "confirmed":
            person().verified_at = clock.now()
        elif why == "suppressed":
            suppressions.add(
                db.session(), "ada@example.com", reason=SuppressionReason.manual, source="operator", evidence="x"
            )
        else:
            person().external_id, person().confirms_here = "user-1", False
        db.session.commit()
    page = f"/admin/people/{ada}/"
    assert "Send verification email again" not in here.get(page).text
    here.send(f"{page}verification")
    said = {"confirmed": "confirmed already", "suppressed": "is suppressed"}.get(why, "application confirms")
    assert said in here.get(page).text
    with app.app_context():
        assert emails("verification") == []


@pytest.mark.parametrize("external_id", [None, "user-17"])
def test_a_corrected_address_is_confirmed_again_and_the_old_one_is_told(
    app: Flask, here: Desk, ada: int, external_id: str | None
) -> None:
    with app.app_context():
        person().verified_at, person().external_id, person().attributes = clock.now(), external_id, {"plan": "pro"}
        make_notification(person(), key="old", kind="verification")
        db.session.commit()
    page = f"/admin/people/{ada}/"
    answer = here.send(f"{page}address", {"email": "Ada@Example.org", "note": "typo, by phone", "send": "yes"})
    assert answer.status_code == 303
    assert "Address corrected, and verification email" in here.get(page).text
    with app.app_context():
        user = person()
        assert (user.email, user.identity_key, user.abuse_key) == (
            "Ada@example.org",
            "ada@example.org",
            "ada@example.org",
        )
        assert (user.verified_at, user.address_changed_at) == (None, clock.now())
        assert (user.external_id, user.attributes, user.display_name) == (external_id, {"plan": "pro"}, "Ada")
        assert [(row.recipient, row.status) for row in emails("address_changed")] == [("ada@example.com", "pending")]
        old, new = emails("verification")
        assert (old.status, old.reason_code) == (Status.cancelled, "address_corrected")
        assert (new.recipient, new.status) == ("Ada@example.org", Status.pending)
        assert entry("person.address_corrected").after == {"confirmed": False, "note": "typo, by phone"}
        assert "example" not in json.dumps(entry("person.address_corrected").after)
    # By the former address the person is still found.
    assert f"/admin/people/{ada}/" in here.get("/admin/search/?q=ada@example.com").text


def test_an_unconfirmed_address_is_corrected_without_a_notice(app: Flask, here: Desk, ada: int) -> None:
    here.send(f"/admin/people/{ada}/address", {"email": "ada@example.org", "note": "typo"})
    with app.app_context():
        assert person().email == "ada@example.org"
        assert db.session.scalars(select(Notification)).all() == []


@pytest.mark.parametrize(
    ("email", "note", "words"),
    [
        ("bo@example.com", "typo", "Another account has this address: person #2."),
        ("ada@example.com", "typo", "This is the address that is stored already."),
        ("ada", "typo", "This address has no @."),
        ("ada@example.org", "", "Enter a reason for your colleagues."),
    ],
)
def test_a_refused_address_stands_beside_its_reason(
    app: Flask, here: Desk, ada: int, email: str, note: str, words: str
) -> None:
    with app.app_context():
        make_user("bo@example.com")
    answer = here.send(f"/admin/people/{ada}/address", {"email": email, "note": note})
    assert answer.status_code == 400
    assert words in answer.text
    assert f'value="{email}"' in answer.text
    with app.app_context():
        assert person().email == "ada@example.com"
        assert db.session.scalars(select(AuditEntry).where(AuditEntry.action == "person.address_corrected")).all() == []


def test_preferences_change_with_the_operator_and_the_note_as_evidence(app: Flask, here: Desk, ada: int) -> None:
    path = f"/admin/people/{ada}/preferences"
    same = {"report": "yes", "digest": "weekly", "news": "yes"}
    assert "Nothing is different" in here.send(path, same | {"note": "by phone"}).text
    assert "Enter how and when" in here.send(path, same | {"news": "no"}).text
    assert here.send(path, same | {"news": "often", "note": "x"}).status_code == 400
    assert here.send(path, same | {"news": "no", "digest": "daily", "note": "by phone"}).status_code == 303
    with app.app_context():
        wishes = preferences.of(db.session(), ada)
        assert (wishes["news"].wanted, wishes["digest"].frequency, wishes["report"].decided_at) == (
            False,
            "daily",
            None,
        )
        rows = db.session.scalars(select(Consent).order_by(Consent.id)).all()
        assert [(row.category, row.how, row.basis) for row in rows] == [
            ("digest", "operator", "operator 1: by phone"), ("news", "operator", "operator 1: by phone"),
        ]  # fmt: skip
        changed = entry("preferences.changed")
        assert changed.before == {"digest": "weekly", "news": "yes"}
        assert changed.after == {"digest": "daily", "news": "no", "note": "by phone"}
    assert "operator 1: by phone" in here.get(f"/admin/people/{ada}/").text


def test_what_a_complaint_turned_off_only_the_person_turns_on(app: Flask, here: Desk, ada: int) -> None:
    with app.app_context():
        preferences.decide_all(db.session(), ada, False, how=How.complaint)
        db.session.commit()
    path = f"/admin/people/{ada}/preferences"
    assert "only they can turn this on again" in here.get(path).text
    here.send(path, {"report": "yes", "digest": "weekly", "news": "yes", "note": "by phone"})
    with app.app_context():
        assert not any(wish.wanted for wish in preferences.of(db.session(), ada).values())


def test_an_address_is_suppressed_and_lifted_from_the_page_of_its_person(app: Flask, here: Desk, ada: int) -> None:
    page = f"/admin/people/{ada}/"
    assert "Enter a reason" in here.send(f"{page}suppress", {"note": ""}).text
    assert here.send(f"{page}suppress", {"note": "asked by phone"}).location == page
    assert "This address receives no email" in here.get(page).text
    assert 'name="for" value="1"' in here.get("/admin/suppressions/1/lift?for=1").text
    answer = here.send("/admin/suppressions/1/lift", {"note": "asked again", "for": "1"})
    assert answer.location == page
    with app.app_context():
        assert db.session.scalars(select(Suppression)).all() == []
        assert (entry("suppression.added").after["note"], entry("suppression.lifted").after["note"]) == (
            "asked by phone", "asked again",
        )  # fmt: skip


def test_an_export_is_the_same_as_over_http_and_readable_too(app: Flask, here: Desk, ada: int) -> None:
    with app.app_context():
        make_notification(person(), kind="security_message", params={"sealed": "a-sealed-text"})
        preferences.decide(db.session(), ada, "news", False, how=How.page)
        suppressions.add(
            db.session(), "ada@example.com", reason=SuppressionReason.manual, source="operator", evidence="asked"
        )
        db.session.commit()
        found = everything_about(db.session(), person())
        over_http = ExportAnswer.of(found).model_dump(mode="json")
        document = document_of(found)
        shared = {name: document[name] for name in over_http}
        shared["person"] = {name: value for name, value in shared["person"].items() if name != "number"}
        over_http["person"]["id"] = None
        assert shared == over_http
    answer = here.get(f"/admin/people/{ada}/export.json")
    assert answer.get_json() == json.loads(json.dumps(document))
    assert "attachment" in answer.headers["Content-Disposition"]
    page = here.get(f"/admin/people/{ada}/export.html").text
    assert "ada@example.com" in page
    assert "Activity digest" in page
    assert "a-sealed-text" not in page + answer.text
    assert here.get(f"/admin/people/{ada}/export.xml").status_code == 404
    with app.app_context():
        query = select(AuditEntry).where(AuditEntry.action == "person.exported").order_by(AuditEntry.id)
        assert [row.after["form"] for row in db.session.scalars(query)] == ["json", "html"]


def test_an_erasure_leaves_a_receipt_that_names_no_person(app: Flask, desk: Callable[..., Desk], ada: int) -> None:
    here = desk(Role.admin)
    with app.app_context():
        make_notification(person())
        make_notification(person(), status=Status.sent, sent_at=clock.now())
        preferences.decide(db.session(), ada, "news", False, how=How.page)
        db.session.commit()
    path = f"/admin/people/{ada}/erase"
    wrong = here.send(path, {"email": "ada@example.com", "reference": "bo@example.com"})
    assert (wrong.status_code, "must name no person" in wrong.text) == (400, True)
    answer = here.send(path, {"email": "ada@example.com", "reference": "ticket 4711"})
    assert answer.location == f"/admin/people/{ada}/erased"
    page, text = here.get(f"/admin/people/{ada}/erased").text, here.get(f"/admin/people/{ada}/erased.txt").text
    for shown in (page, text):
        assert "ticket 4711" in shown
        assert "ada@" not in shown
        assert "Ada" not in shown
    assert "1 account, 0 activities, 1 preference, 1 consent record" in page
    assert "2 kept without address, data and replies; 1 of them waited and were cancelled" in page
    assert "By:           operator 1\n" in text
    assert "See the receipt" in here.get("/admin/search/?q=ada@example.com").text
    by_reference = here.get("/admin/search/?q=ticket+4711").text
    assert f'href="{path}d"' in by_reference
    assert "with the reference <bdi>ticket 4711</bdi>" in by_reference
    assert here.get(f"/admin/people/{ada}/").status_code == 404


def test_lists_show_subject_campaign_and_when_it_is_due(app: Flask, here: Desk, ada: int) -> None:
    with app.app_context():
        campaign = make_campaign(title="Winter news")
        later = clock.now().replace(hour=18)
        values: dict[str, Any] = {"campaign_id": campaign.id, "next_attempt_at": later}
        make_notification(person(), kind="announcement", **values)
        make_notification(person(), kind="security_message", params={"sealed": "x"})
    for path in ("/admin/notifications/", f"/admin/people/{ada}/"):
        page = here.get(path).text
        assert "<bdi>News</bdi>" in page
        assert ">Winter news</a>" in page
        assert "will be sent at" in page
        assert "18:00 UTC" in page


def test_an_email_is_shown_as_it_was_sent_or_says_why_not(app: Flask, here: Desk, ada: int) -> None:
    with app.app_context():
        campaign = make_campaign(title="Winter news")
        version = (
            services()
            .previews.of(db.session(), make_notification(person(), kind="announcement", campaign_id=campaign.id))
            .template_version
        )
        sent = {"status": Status.sent, "sent_at": clock.now(), "campaign_id": campaign.id}
        make_notification(person(), kind="announcement", template_version=version, **sent)
        make_notification(person(), kind="announcement", template_version="older", **sent)
        make_notification(person(), kind="security_message", params={"sealed": "x"}, template_version="x")
        make_notification(person(), kind="announcement", template_version=version, **sent | {"recipient": "erased"})
    words = [
        "The email, as it would be sent now", "The email as it was sent",
        "be rebuilt as it was sent, because its templates have changed", "holds secrets of its recipient",
        "The person was erased",
    ]  # fmt: skip
    for pk, text in enumerate(words, 1):
        assert text in here.get(f"/admin/notifications/{pk}/").text, pk
