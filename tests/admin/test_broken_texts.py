"""Characters that no text has, in every form: the mistake stands beside its input, and all that was typed stays."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from flask import Flask
from markupsafe import escape
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.routing import Rule

from notifier.admin.kit.fields import LONGEST, Form, Typed
from notifier.app import ready
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.mail.characters import broken_in
from notifier.models import AuditEntry, Campaign, Role, Suppression, SuppressionReason, User
from notifier.testing.operators import Desk
from tests.support.applications import make_owed
from tests.support.campaigns import make_campaign, start_run
from tests.support.feedback import event, take

NEW = "/admin/campaigns/new"

#: An announcement, as a person fills it in.
TYPED = {
    "kind": "announcement", "name": "winter", "title": "Winter news", "repeat": "cron", "cron": "0 9 * * 1",
    "zone": "Europe/London", "locales": "de, en", "settings-subject": "It is cold", "settings-heading": "Winter",
    "settings-paragraphs": "One.\n\nTwo.", "quiet_from": "22:00", "quiet_to": "07:00", "rate": "2.5",
    "misfire": "run_late", "on_unknown": "ask",
}  # fmt: skip

NUL, ESC, C1 = "\0", "\x1b]0;title\x07", "\x9b31m"


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    return desk(Role.admin)


@pytest.mark.parametrize("broken", [NUL, ESC, C1, "\ufffd"])
def test_the_form_of_a_campaign_keeps_all_that_was_typed(app: Flask, here: Desk, broken: str) -> None:
    for name in ("title", "name", "cron", "zone", "locales", "settings-subject", "settings-paragraphs", "quiet_from"):
        answer = here.send(NEW, TYPED | {name: f"{TYPED[name]}{broken}tail"})
        assert answer.status_code == 400
        assert f'id="{name}-wrong"' in answer.text, name
        assert "holds a character that cannot be shown (U+" in answer.text
        for text in (TYPED | {name: f"{TYPED[name]}\ufffd"}).values():
            assert escape(text) in answer.text, name
        assert not broken_in(answer.text.replace("\ufffd", ""))
    with app.app_context():
        assert db.session.scalars(select(Campaign)).all() == []


def test_previews_of_a_broken_form_are_answered(here: Desk) -> None:
    for path in ("/admin/campaigns/preview/schedule", "/admin/campaigns/preview/audience"):
        for name in TYPED.keys() - {"kind"}:
            assert here.send(path, TYPED | {name: f"{TYPED[name]}{NUL}"}).status_code == 200, name


def test_a_text_that_is_too_long_is_kept_too(here: Desk) -> None:
    answer = here.send(NEW, TYPED | {"title": "x" * (LONGEST + 1)})
    assert answer.status_code == 400
    assert 'id="title-wrong"' in answer.text
    assert "It is cold" in answer.text


def test_a_form_says_what_is_wrong_by_the_code_of_the_character() -> None:
    class Three(Form):
        title, name, zone = Typed("Title"), Typed("Name"), Typed("Zone")

    form = Three(MultiDict([("title", "a\tb\r\nc"), ("name", "\ud800"), ("zone", "a"), ("zone", "\x1b")]))
    assert not form.validate()
    assert {name: words[0].partition("(")[2][:6] for name, words in form.errors.items()} == {
        "name": "U+D800", "zone": "U+001B",
    }  # fmt: skip


def test_the_editor_of_content_keeps_all_that_was_typed(app: Flask, here: Desk) -> None:
    with app.app_context():
        pk = make_campaign(title="The news").id
    typed = {
        "subject": "Hello", "heading": "What is new", "body": "First.\n\nSecond.", "language": "en", "note": "shorter",
        "person": "a@example.com",
    }  # fmt: skip
    for action, name in [*(("save", name) for name in typed), ("test", "note"), ("test", "person")]:
        answer = here.send(f"/admin/content/{pk}/{action}", typed | {name: f"{typed[name]}{NUL}"})
        assert answer.status_code == 400, (action, name)
        assert f'id="{name}-wrong"' in answer.text, (action, name)
        assert all(text in answer.text for text in typed.values())


def test_a_suppression_keeps_the_address_and_the_note(app: Flask, here: Desk) -> None:
    for email, note in (("ada@example.com", f"asked{NUL}"), (f"ada@example.com{ESC}", "asked")):
        answer = here.send("/admin/suppressions/add", {"email": email, "note": note})
        assert answer.status_code == 400
        assert ('id="add-note-wrong"' in answer.text) is (NUL in note)
        assert "ada@example.com" in answer.text
        assert "asked" in answer.text
    with app.app_context():
        assert db.session.scalars(select(Suppression)).all() == []


def test_a_note_on_lifting_is_kept(app: Flask, here: Desk) -> None:
    with app.app_context():
        suppressions.add(
            db.session(), "ada@example.com", reason=SuppressionReason.manual, source="operator", evidence="test"
        )
        db.session.commit()
    answer = here.send("/admin/suppressions/1/lift", {"note": f"asked for it{NUL}"})
    assert answer.status_code == 400
    assert 'id="note-wrong"' in answer.text
    assert "asked for it\ufffd" in answer.text


def test_signing_up_says_what_is_wrong_and_keeps_the_rest(app: Flask) -> None:
    for email, name in (("ada@example.com", f"Ada{NUL}"), (f"ada@example.com{NUL}", "Ada")):
        answer = Desk(app).sign_up(email, name, locale=NUL, timezone=NUL)
        assert answer.status_code == 400
        assert f'id="{"email" if NUL in email else "display_name"}-error"' in answer.text
        assert "ada@example.com" in answer.text
        assert 'value="Ada' in answer.text
    with app.app_context():
        assert db.session.scalars(select(User)).all() == []


#: What forms and pages send beside the texts above.
NAMES = (
    "email", "password", "new_password", "code", "next", "note", "reason", "host", "run", "campaign", "before", "for",
    "slot", "plan", "count", "seen", "version", "move", "change", "example", "person", "view", "subject", "heading",
    "body", "language", "display_name", "locale", "timezone", "digest", "report", "news", "stop", "back", "do", "start",
    "List-Unsubscribe", "email_no", "confirmed", "which", "url", "types", "principal", "scopes", "expires", "what",
    "encoding", "confirmed_at", "basis", "digest", *TYPED,
)  # fmt: skip
CHOSEN = {"for": "now", "move": "yes", "email": "user1@example.com"}
ARGUMENTS = {"pk": 1, "job": "sweep", "decision": "again", "token": "x", "provider": "mailgun", "event": 1}


def posts(app: Flask) -> Iterator[tuple[Rule, str]]:
    with ready(app).test_request_context():
        adapter = app.url_map.bind("notifier.test")
        for rule in app.url_map.iter_rules():
            if "POST" in (rule.methods or ()) and rule.endpoint not in {"sign_in.sign_out", "admin_account.elsewhere"}:
                values = {name: ARGUMENTS[name] for name in rule.arguments}
                yield rule, adapter.build(rule.endpoint, values, "POST")


def test_no_form_is_a_fault_whatever_it_holds(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_owed(1)
        start_run(make_campaign())
        take(app, event())
    broken: dict[str, Any] = dict.fromkeys(NAMES, f"x{NUL}{ESC}")
    token = {"csrf_token": here.token("/admin/account/")}
    asked = 0
    for rule, path in posts(app):
        # All at once; and one at a time beside what is right: a page that refuses one sees nothing of the rest.
        right = TYPED if "/campaigns/new" in path else CHOSEN
        for name in ("", *right):
            fields = broken | (right | {name: f"{right[name]}{NUL}"} if name else {}) | token
            answer = here.post(path, fields)
            asked += 1
            assert answer.status_code < 500, (rule.rule, name)
    assert asked > 100
    with app.app_context():
        assert db.session.scalars(select(Campaign.title)).all() == ["news"]
        said = db.session.scalars(select(AuditEntry.action)).all()
    assert "campaign.created" not in said


@pytest.mark.parametrize("name", ["subject", "heading", "paragraphs", "button_text"])
def test_placeholders_are_refused_beside_the_input_and_kept(app: Flask, here: Desk, name: str) -> None:
    typed = TYPED | {"settings-button_text": "Go", "settings-button_url": "https://a.example/"}
    page = here.send(NEW, typed | {f"settings-{name}": "Hello {{ user.name }}"})
    assert page.status_code == 400
    assert f'id="settings-{name}-wrong"' in page.text
    assert "Placeholders such as {{ user.name }} work in the content editor only. Save the campaign" in page.text
    assert page.text.count("Hello {{ user.name }}") == 1
    with app.app_context():
        assert db.session.scalars(select(Campaign)).all() == []


@pytest.mark.parametrize(
    ("place", "typed", "words"),
    [
        ("share", {"share": "101"}, "Enter at most 100 %."),
        ("share", {"share": "0"}, "Enter more than 0 %."),
        ("rate", {"rate": "0"}, "Enter more than 0."),
        ("name", {"name": "x" * 65}, "Enter at most 64 characters."),
        ("title", {"title": "x" * 201}, "Enter at most 200 characters."),
        ("title", {"title": "a\u202eb"}, "Holds an invisible character that reorders the text around it (U+202E)"),
        ("quiet_to", {"quiet_to": ""}, "Quiet from and quiet until belong together: fill in both or neither."),
        (
            "settings-button_text",
            {"settings-button_text": "Go"},
            "Button label and button link belong together: fill in both or neither.",
        ),
        (
            "settings-button_url",
            {"settings-button_text": "Go", "settings-button_url": "https://[::1"},
            "The host “[:” is not an IP address.",
        ),
        ("lifetime-number", {"lifetime-number": "5", "lifetime-unit": "seconds"}, "Enter at least 60 seconds."),
        ("settings-paragraphs", {"settings-paragraphs": "x" * 2001}, "Enter at most 2,000 characters."),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mistake_is_a_plain_sentence_beside_its_input(
    here: Desk, place: str, typed: dict[str, str], words: str
) -> None:
    page = here.send(NEW, TYPED | typed).text
    assert f'<a href="#{place}"' in page
    beside = page.partition(f'id="{place}-wrong"')[2].partition("</p>")[0]
    assert words in beside
