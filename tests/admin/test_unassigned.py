"""The operators' tray in the admin: what names no email waits until an operator names one, or dismisses it."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier import clock
from notifier.bounces.reasons import Reason
from notifier.extensions import db
from notifier.mail.message_ids import Ids
from notifier.models import AuditEntry, Role, Status
from notifier.services import services_of
from notifier.testing.operators import Desk
from tests.support.applications import NOON, make_owed
from tests.support.feedback import event, feedback, row, suppression, take

LIST = "/admin/unassigned/"


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    return desk(Role.editor)


def email(app: Flask, number: int = 1, status: Status = Status.sent) -> str:
    """An email to user<number>@example.com. Return its Message-ID."""
    with app.app_context():
        ids = Ids(services_of(app).settings.secret_keys)
        named = ids.make(number, f"test:{number}")
        sent = {"sent_at": NOON, "settled_at": NOON} if status is not Status.pending else {}
        message_id = f"<n{named}@notifier.example>"
        assert make_owed(number, status=status, message_id=message_id, **sent) == number
        return message_id


def wait(app: Flask, **values: object) -> None:
    """Let an event come that names no email for certain."""
    with app.app_context():
        take(app, event(**{"recipient": "user1@example.com"} | values))


def effects(app: Flask) -> list[str]:
    with app.app_context():
        return [each.effect for each in feedback()]


def audited(app: Flask) -> list[tuple[str, str, dict[str, object]]]:
    """The entries of the audit log about feedback."""
    with app.app_context():
        query = select(AuditEntry).where(AuditEntry.action.startswith("feedback.")).order_by(AuditEntry.id)
        return [(each.action, each.actor, each.after) for each in db.session.scalars(query)]


def test_the_list_says_what_waits(app: Flask, here: Desk) -> None:
    assert "Nothing is waiting" in here.get(LIST).text
    wait(app, source="mailgun")
    page = here.get(LIST).text
    for words in (
        "Waiting for you: 1 event could",
        "Hard bounce",
        "knows no such mailbox",
        "user1@example.com",
        "Mailgun",
    ):
        assert words in page


def test_the_list_has_pages(app: Flask, here: Desk) -> None:
    for _ in range(26):
        wait(app)
    page = here.get(f"{LIST}?page_size=25").text
    assert page.count("Dismiss…") == 25
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older is not None
    assert here.get(older[1].replace("&amp;", "&")).text.count("Dismiss…") == 1


@pytest.mark.parametrize("named", ["1", "#1", "message-id"])
def test_the_email_is_shown_before_anything_follows(app: Flask, here: Desk, named: str) -> None:
    message_id = email(app)
    wait(app)
    page = here.get(f"{LIST}1/assign", query_string={"which": message_id if named == "message-id" else named}).text
    assert "Is it about email #1?" in page
    assert "user1@example.com is suppressed at once and receives no email." in page
    assert effects(app) == ["waiting"]


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("2", "There is no such email"),
        ("9" * 18, "There is no such email"),
        ("9" * 30, "Enter the number of an email"),
        ("the first one", "Enter the number of an email"),
        ("<n1.aaaaaaaaaaaaaaaa@x>", "has another Message-ID"),
    ],
)
def test_what_names_no_email_is_explained(app: Flask, here: Desk, which: str, words: str) -> None:
    email(app)
    wait(app)
    page = here.get(f"{LIST}1/assign", query_string={"which": which}).text
    assert words in page
    assert 'id="which-wrong"' in page


def test_newest_emails_to_the_named_recipient_are_offered(app: Flask, here: Desk) -> None:
    email(app)
    email(app, 2)
    wait(app, recipient="USER2@example.com")
    page = here.get(f"{LIST}1/assign").text
    assert "Choose #2" in page
    assert "Choose #1" not in page


def test_doubts_are_said(app: Flask, here: Desk) -> None:
    email(app, 1)
    wait(app, recipient="other@example.com")
    assert "names another address than this email" in here.get(f"{LIST}1/assign?which=1").text


@pytest.mark.parametrize(
    ("reason", "status", "effect"),
    [
        (Reason.USER_UNKNOWN, "bounced", "suppressed"),
        (Reason.MAILBOX_FULL, "bounced", "scored"),
        (Reason.AUTHENTICATION, "bounced", "counted"),
        (Reason.ABUSE, "complained", "complained"),
    ],
)
def test_an_assigned_event_takes_effect(app: Flask, here: Desk, reason: Reason, status: str, effect: str) -> None:
    email(app)
    wait(app, reason=reason)
    answer = here.send(f"{LIST}1/assign", {"email_no": "1"})
    assert (answer.status_code, answer.location) == (303, "/admin/notifications/1/")
    with app.app_context():
        assert row(1).status == status
        assert bool(suppression("user1@example.com")) is (effect in {"suppressed", "complained"})
        assert feedback()[0].provider == "example.com"
    assert effects(app) == [effect]
    assert audited(app) == [("feedback.assigned", "operator 1", {"effect": effect, "notification": 1})]


def test_an_email_that_has_not_left_is_none(app: Flask, here: Desk) -> None:
    email(app, status=Status.pending)
    wait(app)
    assert "has not been sent (pending)" in here.get(f"{LIST}1/assign?which=1").text
    assert here.send(f"{LIST}1/assign", {"email_no": "1"}).status_code == 400
    assert effects(app) == ["waiting"]
    assert audited(app) == []


def test_a_lost_race_is_told_and_changes_nothing(app: Flask, here: Desk) -> None:
    email(app)
    email(app, 2)
    wait(app)
    assert here.send(f"{LIST}1/assign", {"email_no": "1"}).status_code == 303
    for path, fields in (("assign", {"email_no": "2"}), ("dismiss", {})):
        assert here.send(f"{LIST}1/{path}", fields).location == LIST
        assert "Another operator decided about this event first" in here.get(LIST).text
        assert here.get(f"{LIST}1/{path}").status_code == 302
    with app.app_context():
        assert row(2).status == Status.sent
    assert [action for action, *_ in audited(app)] == ["feedback.assigned"]


def test_a_dismissed_event_has_no_effect(app: Flask, here: Desk) -> None:
    wait(app)
    wait(app)
    assert "Dismiss this event?" in here.get(f"{LIST}1/dismiss").text
    assert here.send(f"{LIST}1/dismiss").status_code == 303
    assert effects(app) == ["none", "waiting"]
    assert audited(app) == [("feedback.dismissed", "operator 1", {"effect": "none"})]


def test_old_events_are_dismissed_together(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    wait(app)
    wait(app)
    frozen.shift(timedelta(days=8))
    here.sign_in("editor@example.com")
    wait(app)
    question = here.get(f"{LIST}dismiss-older?days=7").text
    assert "Dismiss 2" in question
    before = re.search(r'name="before" value="([^"]+)"', question)
    assert before is not None
    wait(app)  # while the question is read
    fields = {"before": before[1].replace("&#43;", "+")}
    assert here.send(f"{LIST}dismiss-older", fields).status_code == 303
    assert effects(app) == ["none", "none", "waiting", "waiting"]
    assert "Dismissed: 2 events." in here.get(LIST).text
    assert [(action, after["events"]) for action, _, after in audited(app)] == [("feedback.dismissed_older", 2)]
    here.send(f"{LIST}dismiss-older", fields)
    assert "Another operator decided first" in here.get(LIST).text


@pytest.mark.parametrize("before", ["", "yesterday", "2026-11-20T12:00:00+99:00"])
def test_nonsense_dismisses_nothing(app: Flask, here: Desk, before: str) -> None:
    wait(app)
    assert here.send(f"{LIST}dismiss-older", {"before": before}).status_code == 400
    assert effects(app) == ["waiting"]


def test_all_that_waits_can_be_dismissed(app: Flask, here: Desk) -> None:
    wait(app)
    before = (clock.now() + timedelta(seconds=1)).isoformat()
    assert here.send(f"{LIST}dismiss-older", {"before": before}).status_code == 303
    assert effects(app) == ["none"]


def test_a_viewer_sees_and_does_not_decide(
    app: Flask, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    wait(app)
    page = desk(Role.viewer).get(LIST).text
    assert "user1@example.com" in page
    assert "Dismiss" not in page
