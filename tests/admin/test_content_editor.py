"""Templates: words that are edited, compared, taken back, looked at and tried out."""

import email
import email.policy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from markupsafe import escape
from sqlalchemy import func, select

from notifier.content import Content
from notifier.extensions import db
from notifier.models import AuditEntry, Campaign, ContentVersion, Notification, Role
from notifier.services import services_of
from notifier.smtp.session import Endpoint
from notifier.testing.operators import Desk
from notifier.testing.smtp_server import SmtpServer
from tests.support.applications import NOON, make_user
from tests.support.campaigns import SLOT, make_campaign
from tests.support.kinds import happened

pytestmark = pytest.mark.usefixtures("frozen")

HTML = json.loads((Path(__file__).parent.parent / "data" / "template_html.json").read_text())
TEXTS = {"subject": "Hello {{ user.name }}", "heading": "What is new", "body": "First.\n\nSecond.", "note": "shorter"}


@pytest.fixture
def pk(app: Flask) -> int:
    """The key of a campaign of announcements."""
    with app.app_context():
        return make_campaign(title="The news").id


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller, pk: int) -> Desk:
    return desk(Role.editor)


def save(here: Desk, pk: int, seen: int = 0, **fields: Any) -> Any:
    return here.send(f"/admin/content/{pk}/save", TEXTS | {"seen": seen} | fields)


def stored(app: Flask) -> list[tuple[int, Content, str]]:
    with app.app_context():
        rows = db.session.scalars(select(ContentVersion).order_by(ContentVersion.id)).all()
        return [(row.number, Content(row.subject, row.heading, row.body), row.note) for row in rows]


def content_id(app: Flask, pk: int) -> int | None:
    with app.app_context():
        return db.session.get_one(Campaign, pk).content_id


def entries(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        rows = db.session.scalars(
            select(AuditEntry).where(AuditEntry.action.startswith("content.")).order_by(AuditEntry.id)
        )
        return [(row.action, row.actor) for row in rows]


def test_a_version_is_saved(here: Desk, app: Flask, pk: int) -> None:
    assert save(here, pk).status_code == 303
    assert "Hello Ada" in here.get(f"/admin/content/{pk}/frame?view=text").text
    assert len(stored(app)) == 1


def test_it_begins_with_what_the_mail_says_and_saves_versions(here: Desk, app: Flask, pk: int) -> None:
    listed = here.get("/admin/content/").text
    assert "The news" in listed
    assert "default text" in listed
    page = here.get(f"/admin/content/{pk}/").text
    assert '<p class="lead">Default text</p>' in page
    assert 'value="News"' in page
    assert "Another thing." in page
    answer = save(here, pk)
    assert (answer.status_code, answer.location) == (303, f"/admin/content/{pk}/")
    assert "Saved as version 1" in here.get(f"/admin/content/{pk}/").text
    assert stored(app) == [(1, Content("Hello {{ user.name }}", "What is new", "First.\n\nSecond."), "shorter")]
    save(here, pk, seen=content_id(app, pk), body="First.\r\n\r\nThird.")
    assert stored(app)[1][1].body == "First.\n\nThird."
    assert "version 2" in here.get("/admin/content/").text
    assert entries(app) == [("content.saved", "operator 1")] * 2
    again = save(here, pk, seen=0, body="First.\n\nThird.")
    assert again.status_code == 303
    assert "nothing to save" in here.get(f"/admin/content/{pk}/").text
    assert len(stored(app)) == 2


def test_a_mistake_shows_its_line_and_keeps_what_was_typed(here: Desk, app: Flask, pk: int) -> None:
    answer = save(here, pk, body="First <b>.\n\nHello {{ user.nme }}", subject="Mine {{ product }}")
    assert answer.status_code == 400
    assert "Body, line 3: `user` has no part `nme`. Did you mean `name`?" in answer.text
    assert "<code>Hello {{ user.nme }}</code>" in answer.text
    assert "First &lt;b&gt;.\n\nHello {{ user.nme }}</textarea>" in answer.text
    assert 'value="Mine {{ product }}"' in answer.text
    assert 'href="#body"' in answer.text
    assert answer.text.count("<h1") == 1
    for field, value, words in (
        ("subject", " ", "Subject: An email needs a subject."),
        ("heading", "{{ 1/0 }}", "Heading, line 1: Calculations are not supported"),
        ("body", "a\x00b", "Body, line 1: This line contains a character"),
        ("body", "[x]( javascript:alert(1))", "Body, line 1: An address starts with https://"),
        ("body", "[x]({{ user.name }})", "Body: The link “x” needs an address"),
    ):
        answer = save(here, pk, **{field: value})
        assert answer.status_code == 400, value
        assert words in answer.text, value
    assert stored(app) == []
    assert content_id(app, pk) is None


def test_the_second_editor_is_told_and_nothing_is_lost(here: Desk, app: Flask, pk: int) -> None:
    save(here, pk)
    first = content_id(app, pk)
    answer = save(here, pk, seen=0, body="Mine.\n\nSecond.")
    assert answer.status_code == 409
    assert "editor@example.com saved version 1 meanwhile, at 12:00 UTC." in answer.text
    assert "Mine.\n\nSecond.</textarea>" in answer.text
    assert "<del>First.</del>" in answer.text
    assert "<ins>Mine.</ins>" in answer.text
    assert f'name="seen" value="{first}"' in answer.text
    assert [number for number, _, _ in stored(app)] == [1]
    save(here, pk, seen=first, body="Mine.\n\nSecond.")
    assert [number for number, _, _ in stored(app)] == [1, 2]


def test_versions_are_compared_and_taken_back(here: Desk, app: Flask, pk: int) -> None:
    assert "No versions yet" in here.get(f"/admin/content/{pk}/versions").text
    save(here, pk)
    save(here, pk, seen=content_id(app, pk), body="Third <i>.\n\nSecond.", note="third")
    page = here.get(f"/admin/content/{pk}/versions").text
    assert "From version 1 to version 2" in page
    assert "<del>First.</del>" in page
    assert "<ins>Third &lt;i&gt;.</ins>" in page
    assert "editor@example.com" in page
    assert "There are no differences" in here.get(f"/admin/content/{pk}/versions?old=2&new=2").text
    assert "<del>One thing.</del>" in here.get(f"/admin/content/{pk}/versions?old=0&new=2").text
    two = content_id(app, pk)
    assert "Go back to version 1?" in here.get(f"/admin/content/{pk}/back?version=1").text
    late = here.send(f"/admin/content/{pk}/back", {"version": 1, "seen": 1_000})
    assert late.status_code == 303
    assert content_id(app, pk) == two
    here.send(f"/admin/content/{pk}/back", {"version": 1, "seen": two})
    numbers = [(number, words.body, note) for number, words, note in stored(app)]
    assert numbers[2] == (3, "First.\n\nSecond.", "back to version 1")
    here.send(f"/admin/content/{pk}/back", {"version": 0, "seen": content_id(app, pk)})
    assert content_id(app, pk) is None
    assert len(stored(app)) == 3
    assert [action for action, _ in entries(app)] == ["content.saved"] * 3 + ["content.dropped"]


def test_an_editor_can_type_in_every_field(here: Desk, pk: int) -> None:
    assert "readonly" not in here.get(f"/admin/content/{pk}/").text.partition("<main")[2]


def test_a_viewer_reads_and_an_editor_writes(desk: Callable[..., Desk], app: Flask, pk: int) -> None:
    viewer = desk(Role.viewer)
    page = viewer.get(f"/admin/content/{pk}/")
    assert page.status_code == 200
    assert "Editors can change it" in page.text
    assert "Save as a new version" not in page.text
    for path in ("save", "frame", "test", "back"):
        assert viewer.send(f"/admin/content/{pk}/{path}", TEXTS | {"version": 0}).status_code == 403
    assert viewer.get(f"/admin/content/{pk}/back?version=0").status_code == 403
    for path in ("versions", "frame"):
        assert viewer.get(f"/admin/content/{pk}/{path}").status_code == 200
    assert stored(app) == []


def test_what_leads_nowhere_is_answered(here: Desk, pk: int) -> None:
    for path in ("99/", "99/frame", "99/versions", f"{pk}/versions?new=7", f"{pk}/frame?version=999999999",
                 f"{pk}/back?version=3", f"{pk}/versions?old=x&new=99999999999999", "x/"):  # fmt: skip
        assert here.get(f"/admin/content/{path}").status_code in {200, 404}, path
    assert here.get(f"/admin/content/{pk}/frame?view=nonsense").status_code == 400
    assert here.send(f"/admin/content/{pk}/back", {"version": "abc"}).status_code == 404
    assert save(here, pk, seen="abc").status_code == 303


@pytest.mark.parametrize("view", ["desktop", "phone", "dark", "text", "images", "source"])
def test_the_frame_shows_what_is_typed(here: Desk, app: Flask, pk: int, view: str) -> None:
    typed = TEXTS | {"view": view, "body": "Hello {{ user.name }} & [here](https://a.example/?b=c&d)"}
    answer = here.send(f"/admin/content/{pk}/frame", typed)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src ")
    assert policy.endswith("sandbox")
    assert ("img-src 'none'" in policy) is (view == "images")
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Hello Ada" in answer.text
    assert ("prefers-color-scheme: dark)" in answer.text) is (view == "source")
    assert ("@media all" in answer.text) is (view == "dark")
    shown = {"text": "Hello Ada &amp; here &lt;https://a.example/?b=c&amp;d&gt;", "source": "Subject: Hello Ada"}
    assert shown.get(view, 'href="https://a.example/?b=c&amp;d"') in answer.text
    assert stored(app) == []


def test_the_frame_shows_versions_and_mistakes(here: Desk, app: Flask, pk: int) -> None:
    save(here, pk)
    save(here, pk, seen=content_id(app, pk), heading="Newer")
    assert "Newer" in here.get(f"/admin/content/{pk}/frame").text
    assert "What is new" in here.get(f"/admin/content/{pk}/frame?version=1").text
    assert "One thing." in here.get(f"/admin/content/{pk}/frame?version=0").text
    wrong = here.send(f"/admin/content/{pk}/frame", TEXTS | {"body": "{{ <nme> }}"})
    assert 'role="alert"' in wrong.text
    assert "Body, line 1" in wrong.text
    assert "<nme>" not in wrong.text


def test_a_person_sees_their_own_mail(here: Desk, app: Flask) -> None:
    with app.app_context():
        pk = make_campaign("report", kind="monthly_report").id
        user = make_user(
            "ada@example.com", display_name="Ada Lovelace", verified_at=NOON, created_at=NOON - timedelta(days=300)
        )
        happened(user.id, SLOT - timedelta(days=31), object_title="Night train")
        make_user("bob@example.com", created_at=NOON - timedelta(days=300))
    page = here.get(f"/admin/content/{pk}/?person=ada@example.com").text
    assert "{{ month }}" in page
    assert "{content}" in page
    path = f"/admin/content/{pk}/frame"
    mail = here.get(f"{path}?person=ADA@example.com").text
    assert "Hello Ada Lovelace," in mail
    assert "Night train" in mail
    assert "Here stands what differs" in here.get(path).text
    assert "No account has this address" in here.get(f"{path}?person=nobody@example.com").text
    for_bob = here.get(f"{path}?person=bob@example.com").text
    assert "would not get this email now: there is no activity left to report" in for_bob
    assert 'role="alert"' in here.get(f"{path}?person=x").text
    link = re.search(r'href="http://notifier\.test(/u/[^"]+)"', mail)
    assert link
    assert "does not work" in here.get(link.group(1)).text or here.get(link.group(1)).status_code >= 400


@pytest.fixture
def mailbox(app: Flask) -> Iterator[SmtpServer]:
    """A mail server that the application sends to."""
    with SmtpServer() as server:
        app.extensions["mail"].suppress = False
        transport, settings = services_of(app).transports.primary, services_of(app).settings
        values = {"mail_server": server.host, "mail_port": server.port}
        transport.endpoint = replace(Endpoint.from_settings(settings.model_copy(update=values)), total=10)
        yield server
        transport.close()


def test_a_test_arrives_marked_and_is_in_nobodys_count(here: Desk, app: Flask, pk: int, mailbox: SmtpServer) -> None:
    answer = here.send(f"/admin/content/{pk}/test", TEXTS | {"body": "Not saved {{ user.email }}"})
    assert answer.status_code == 200
    assert "Sent to editor@example.com" in answer.text
    assert "Not saved {{ user.email }}</textarea>" in answer.text
    (taken,) = mailbox.accepted
    assert taken.rcpt_to == ("editor@example.com",)
    mail = email.message_from_bytes(taken.data, policy=email.policy.default)
    assert mail["Subject"] == "[Test] Hello Ada"
    assert mail["To"] == "editor@example.com"
    # What comes back of it counts for no email.
    assert mail["X-Notifier-Id"] is None
    assert mail["Message-ID"].startswith("<t")
    assert taken.mail_from == "b@notifier.example"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "Not saved ada@example.com" in body.get_content()
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Notification)) == 0
    assert entries(app) == [("content.tested", "operator 1")]
    assert stored(app) == []


def test_a_test_that_is_refused_says_what_the_server_said(here: Desk, app: Flask, pk: int, mailbox: SmtpServer) -> None:
    mailbox.script = {"rcpt": "550 5.1.1 No such mailbox"}
    answer = here.send(f"/admin/content/{pk}/test", TEXTS)
    assert answer.status_code == 400
    assert "No such mailbox" in answer.text
    assert "First.\n\nSecond.</textarea>" in answer.text
    wrong = here.send(f"/admin/content/{pk}/test", TEXTS | {"person": "nobody@example.com"})
    assert "No account has this address" in wrong.text
    assert "Body, line 1" in here.send(f"/admin/content/{pk}/test", TEXTS | {"body": "{{ x }}"}).text


def test_a_link_that_is_not_understood_is_told_with_its_line_and_all_is_kept(app: Flask, here: Desk, pk: int) -> None:
    body = "First.\n\nSee ![the logo](https://example.com/l.png)."
    answer = here.send(f"/admin/content/{pk}/save", TEXTS | {"body": body})
    assert answer.status_code == 400
    assert 'id="body-wrong"' in answer.text
    assert "Images cannot be shown. Write a link like this: [text](https://example.com/)." in answer.text
    assert escape(body) in answer.text
    with app.app_context():
        assert db.session.get_one(Campaign, pk).content_id is None


def test_tests_are_few_at_a_time(make_app: Callable[..., Flask], make_operator: Callable[..., int], pk: int) -> None:
    limited = make_app(publish=lambda keys, bulk: None, ratelimit_enabled=True)
    make_operator(Role.editor)
    here = Desk(limited)
    here.sign_in("editor@example.com")
    answers = [here.send(f"/admin/content/{pk}/test", TEXTS) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [400]
    assert "Wait a few minutes" in answers[5].text
    assert "First.\n\nSecond.</textarea>" in answers[5].text


def test_html_in_content_is_shown_or_refused_never_meant(here: Desk, pk: int) -> None:
    for case in HTML:
        answer = here.send(f"/admin/content/{pk}/frame", TEXTS | {"body": case["input"]})
        assert answer.status_code == 200
        assert case["input"] not in answer.text
        if case["input"].startswith(("<a ", "<img ")):
            assert "Body, line 1: HTML is not understood. Write a link like this" in answer.text
        else:
            assert str(escape(case["input"])) in answer.text


def test_the_page_of_the_campaign_leads_to_its_words(here: Desk, pk: int) -> None:
    page = here.get(f"/admin/campaigns/{pk}/").text
    assert f'href="/admin/content/{pk}/"' in page
    assert f'<iframe class="mail" sandbox src="/admin/content/{pk}/frame"' in page


def test_a_campaign_that_cannot_be_read_is_explained(here: Desk, app: Flask) -> None:
    with app.app_context():
        broken = make_campaign("broken", settings={}).id
        gone = make_campaign("gone", kind="letter", settings={}).id
    for pk in (broken, gone):
        answer = here.get(f"/admin/content/{pk}/")
        assert answer.status_code == 400
        assert "<h1>" in answer.text
    assert here.get("/admin/content/").status_code == 200
