"""Content in the admin: one editor for it, and what a new version means to people and to emails that wait."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier.admin.content.form import example
from notifier.campaigns import control
from notifier.extensions import db
from notifier.models import AuditEntry, Campaign, ContentVersion, Role
from notifier.testing.operators import Desk
from tests.support.campaigns import CONTENT, make_campaign, make_people
from tests.support.content import Outbox, rows, run_now, save, stop

TEXTS = {"subject": "Corrected", "heading": "What is new", "body": "Text.", "language": "", "note": ""}

#: For what databases do not differ in.
one = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    """The desk of an editor, at NOON."""
    return desk(Role.editor)


@pytest.fixture
def run_id(app: Flask, here: Desk) -> int:
    """A paused run of an announcement to six people, of which two have it."""
    with app.app_context():
        outbox = Outbox(app)
        make_people(6)
        campaign = make_campaign(title="The news", cron=None, next_slot=None, next_run_at=None)
        pk, keys = run_now(campaign)
        outbox.deliver(keys[:2])
        control.pause(db.session(), campaign, reason="a typo")
        db.session.commit()
        return pk


def stored(app: Flask) -> Campaign:
    with app.app_context():
        return db.session.get_one(Campaign, 1)


def content(app: Flask) -> list[int | None]:
    with app.app_context():
        return [row.content_id for row in rows()]


def versions(app: Flask) -> list[tuple[int, int, str]]:
    with app.app_context():
        found = db.session.scalars(select(ContentVersion).order_by(ContentVersion.id)).all()
        return [(each.number, each.edition, each.subject) for each in found]


def send(here: Desk, **fields: Any) -> Any:
    return here.send("/admin/content/1/save", TEXTS | {"seen": 0} | fields)


def text(page: str) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_page_asks_what_a_version_is_and_shows_who_has_which(here: Desk, run_id: int) -> None:
    page = here.get("/admin/content/1/").text
    assert "Correction or new message?" in page
    assert "2 have the original version." in page
    assert "4 wait with the original version and can move." in page
    assert re.search(r'name="change" value="correction" checked', page)
    assert re.search(r'name="move" value="yes" checked', page)


@one
def test_a_campaign_that_nobody_has_asks_nothing(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign()
    assert "Correction or new message?" not in here.get("/admin/content/1/").text


def test_a_correction_keeps_the_edition_and_moves_what_waits(app: Flask, here: Desk, run_id: int) -> None:
    assert send(here, change="correction", move="yes").status_code == 303
    page = text(here.get("/admin/content/1/").text)
    assert "Saved as version 1. It is used from the next run. People who already have it: 2." in page
    assert "Waiting emails moved: 4." in page
    assert (stored(app).edition, versions(app)) == (1, [(1, 1, "Corrected")])
    assert content(app) == [None, None, 1, 1, 1, 1]
    assert "2 have the original version. 4 wait with version 1." in text(here.get(f"/admin/runs/{run_id}/").text)
    with app.app_context():
        actions = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        assert actions[-2:] == ["content.saved", "run.moved"]


def test_a_correction_may_leave_what_waits(app: Flask, here: Desk, run_id: int) -> None:
    """As any form without the two says, too."""
    send(here)
    assert content(app) == [None] * 6
    assert stored(app).edition == 1
    assert "Waiting emails that keep their version: 4." in text(here.get("/admin/content/1/").text)


def test_a_new_message_is_the_next_edition_and_leaves_what_waits(app: Flask, here: Desk, run_id: int) -> None:
    send(here, change="new_message", move="yes")
    assert (stored(app).edition, versions(app)) == (2, [(1, 2, "Corrected")])
    assert content(app) == [None] * 6
    assert "Everyone in the audience gets it with the next run." in text(here.get("/admin/content/1/").text)
    assert "edition 2" in here.get("/admin/content/1/versions").text


def test_what_was_said_before_can_be_a_new_message_too(app: Flask, here: Desk, run_id: int) -> None:
    send(here)
    assert "nothing to save" in text(send(here, seen=1) and here.get("/admin/content/1/").text)
    send(here, seen=1, change="new_message")
    assert versions(app) == [(1, 1, "Corrected"), (2, 2, "Corrected")]


def test_resuming_asks_what_is_to_be_sent(app: Flask, here: Desk, run_id: int) -> None:
    send(here)
    for path, leave in ((f"/admin/runs/{run_id}/resume", "runs"), ("/admin/campaigns/1/resume", "campaigns")):
        asked = here.send(path, {})
        assert (asked.status_code, asked.location) == (303, path)
        page = text(here.get(path).text)
        assert "2 have the original version." in page
        assert "4 wait with the original version and can move." in page
        assert "Resume with version 1" in page
        assert leave in here.get(path).text
    assert stored(app).state == "paused"
    here.send("/admin/campaigns/1/resume", {"move": "yes"})
    assert stored(app).state == "active"
    assert content(app) == [None, None, 1, 1, 1, 1]


@pytest.mark.parametrize(("move", "moved"), [("yes", 1), ("no", None)])
def test_a_run_is_resumed_with_the_version_that_was_chosen(
    app: Flask, here: Desk, run_id: int, move: str, moved: int | None
) -> None:
    send(here)
    here.send(f"/admin/runs/{run_id}/resume", {"move": move})
    assert content(app) == [None, None, *[moved] * 4]
    with app.app_context():
        outbox = Outbox(app)
        outbox.deliver([row.id for row in rows()])
        assert len(outbox.sent) == 4


@one
def test_without_newer_content_resuming_asks_nothing(app: Flask, here: Desk, run_id: int) -> None:
    assert here.send(f"/admin/runs/{run_id}/resume", {}).location == f"/admin/runs/{run_id}/"
    assert "Run resumed." in text(here.get(f"/admin/runs/{run_id}/").text)


def test_what_waits_of_an_open_run_can_be_moved(app: Flask, here: Desk, run_id: int) -> None:
    send(here)
    assert "version 1 is current now" in text(here.get(f"/admin/runs/{run_id}/").text)
    assert "Move 4 to version 1" in text(here.get(f"/admin/runs/{run_id}/move").text)
    here.send(f"/admin/runs/{run_id}/move", {})
    assert "Waiting emails moved to the newest content: 4." in text(here.get(f"/admin/runs/{run_id}/").text)
    assert content(app) == [None, None, 1, 1, 1, 1]
    assert "already use version 1" in text(here.get(f"/admin/runs/{run_id}/move").text)


@one
def test_a_run_that_is_over_says_why_nothing_moves(app: Flask, here: Desk, run_id: int) -> None:
    with app.app_context():
        stop(app, run_id)
    send(here)
    here.send(f"/admin/runs/{run_id}/move", {})
    assert "No email of run 1 can move: it is cancelled." in text(here.get(f"/admin/runs/{run_id}/").text)


def test_the_plan_says_who_has_which_version(app: Flask, here: Desk, run_id: int) -> None:
    with app.app_context():
        stop(app, run_id)
        control.resume(db.session(), db.session.get_one(Campaign, 1))
        db.session.commit()
    send(here)
    page = text(here.get("/admin/campaigns/1/run").text)
    assert "4 people will get “Corrected”" in page
    assert "2 have the original version" in page


def test_the_form_of_a_campaign_shows_its_content_and_leads_to_the_editor(app: Flask, here: Desk, run_id: int) -> None:
    page = here.get("/admin/campaigns/1/edit").text
    assert 'href="/admin/content/1/"' in page
    assert "The original version" in page
    assert "One thing." in page
    for name in ("subject", "heading", "paragraphs", "button_text", "button_url"):
        assert f'name="settings-{name}"' not in page
    assert 'name="settings-again"' in page
    send(here)
    page = here.get("/admin/campaigns/1/edit").text
    assert "Corrected" in page
    assert "Version 1" in page


@one
def test_the_form_never_takes_content_and_says_so(app: Flask, here: Desk) -> None:
    """A form that was opened before, or by a program: nothing is stored, and nothing is ignored in silence."""
    with app.app_context():
        make_campaign()
    fields = {
        "version": 1, "campaign": 1, "kind": "announcement", "title": "Other title", "repeat": "manual", "zone": "UTC",
        "verified": "any", "misfire": "run_late", "on_unknown": "never", "settings-subject": "Typed here",
    }  # fmt: skip
    answer = here.send("/admin/campaigns/1/edit", fields)
    assert answer.status_code == 400
    assert "“Subject” is now part of the content. Edit the content, then save this form." in answer.text
    assert (stored(app).title, stored(app).settings) == ("news", CONTENT)
    assert here.send("/admin/campaigns/1/edit", fields | {"settings-subject": "News"}).status_code == 303
    assert (stored(app).title, stored(app).settings) == ("Other title", CONTENT)


@one
def test_a_new_announcement_is_written_in_its_form(app: Flask, here: Desk) -> None:
    page = here.get("/admin/campaigns/new?kind=announcement").text
    assert 'name="settings-subject"' in page
    made = here.send(
        "/admin/campaigns/new",
        {
            "kind": "announcement", "name": "winter", "title": "Winter", "repeat": "manual", "zone": "UTC",
            "verified": "any", "misfire": "run_late", "on_unknown": "never", "settings-subject": "Winter news",
            "settings-heading": "Winter", "settings-paragraphs": "It is cold.",
        },
    )  # fmt: skip
    assert made.status_code == 303
    assert "Winter news" in here.get("/admin/content/1/").text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"subject": "x" * 201}, "Subject: The subject has 201 characters; at most 200 are allowed. Shorten it."),
        ({"subject": "{{ user.name }}"}, "Subject: The subject is empty for a person without a name."),
        ({"subject": "{% if user.name == 'Ada' %}Hello{% endif %}"}, "is empty for a person with a long name."),
        ({"subject": "{{ user.name }}" + "x" * 150}, "For a person with a long name: The subject has 214 characters"),
        ({"heading": "", "body": "{{ user.name }}"}, "Body: The email is empty for a person without a name."),
        ({"language": "Hebrew!"}, "Language: Enter the language as a short code"),
    ],
    ids=["too long", "nameless", "example only", "too long for some", "empty", "language"],
)
@one
def test_what_some_people_could_not_get_is_refused(app: Flask, here: Desk, fields: dict[str, str], words: str) -> None:
    with app.app_context():
        make_campaign()
    answer = send(here, **fields)
    assert answer.status_code == 400
    assert words in text(answer.text)
    assert versions(app) == []


@one
def test_the_preview_shows_three_people(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign()
    page = here.get("/admin/content/1/").text
    assert re.findall(r'<option value="(\w+)"[^>]*>([^<]+)', page)[:3] == [
        ("usual", "A person with a usual name"),
        ("long", "A person with a long name"),
        ("nameless", "A person without a name"),
    ]
    typed = TEXTS | {"view": "text", "body": "Hello {{ user.name|default('friend') }}"}
    for key, name in (("usual", "Ada"), ("long", example("long").name), ("nameless", "friend")):
        assert f"Hello {name}" in " ".join(here.send("/admin/content/1/frame", typed | {"example": key}).text.split())
    assert "Hello" in here.get("/admin/content/1/frame?example=nonsense").text


@one
def test_content_has_a_language_and_a_direction(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign(audience={"locales": ["de"]})
    assert 'name="language" type="text" value="de"' in here.get("/admin/content/1/").text
    hebrew = {"subject": "חדשות", "heading": "", "body": "שלום לכולם"}
    assert (
        '<html lang="he" dir="rtl">' in here.send("/admin/content/1/frame", TEXTS | hebrew | {"view": "desktop"}).text
    )
    send(here, **hebrew)
    page = here.get("/admin/content/1/").text
    assert "here he." in text(page)
    assert 'dir="auto" id="body"' in page
    send(here, seen=1, **hebrew, language="yi")
    assert '<html lang="yi" dir="rtl">' in here.get("/admin/content/1/frame").text
    with app.app_context():
        assert db.session.scalars(select(ContentVersion.language).order_by(ContentVersion.id)).all() == ["", "yi"]


def test_going_back_is_a_correction_or_a_new_message_too(app: Flask, here: Desk, run_id: int) -> None:
    send(here, move="yes")
    send(here, seen=1, subject="Worse")
    page = here.get("/admin/content/1/back?version=1").text
    assert "4 wait with version 1 and can move." in text(page)
    here.send("/admin/content/1/back", {"version": 0, "seen": 2, "change": "correction", "move": "yes"})
    assert (stored(app).content_id, stored(app).edition) == (None, 1)
    assert content(app) == [None] * 6
    here.send("/admin/content/1/back", {"version": 1, "seen": 0, "change": "new_message"})
    assert versions(app)[-1] == (3, 2, "Corrected")


@one
def test_a_run_that_paused_itself_says_the_sentence_of_the_error(app: Flask, here: Desk) -> None:
    with app.app_context():
        outbox = Outbox(app)
        make_people(22)
        campaign = make_campaign()
        save(campaign, "{{ user.name }}")
        outbox.deliver(run_now(campaign)[1])
    page = text(here.get("/admin/runs/1/").text)
    assert (
        "Paused: its content could not be rendered for 20 of 20 people: Subject: The subject is empty for this" in page
    )
