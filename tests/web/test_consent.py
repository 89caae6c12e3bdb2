"""Unsubscribe and preferences: looking changes nothing, a click counts once, and no link tells a stranger anything."""

import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, select

from notifier.app import create_app
from notifier.consent import preferences
from notifier.consent.preferences import REFUSABLE
from notifier.extensions import db
from notifier.models import Consent, User
from notifier.security.links import Links
from notifier.services import services_of
from notifier.testing.browse import Visitor
from tests.support.applications import NOON, make_settings, make_user

pytestmark = pytest.mark.usefixtures("frozen")

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
MAIL = 4711


@pytest.fixture
def app(sqlite_app: Flask) -> Flask:
    """What databases differ in is tested with `preferences`."""
    return sqlite_app


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def user(app: Flask) -> int:
    with app.app_context():
        return make_user(created_at=NOON).id


def links(app: Flask) -> Links:
    return services_of(app).links


def unsubscribe_path(app: Flask, user: int, category: str = "news", *, issued_at: datetime = NOON, **who: Any) -> str:
    who = {"identity_key": "ada@example.com", "notification_id": MAIL} | who
    url = links(app).unsubscribe(user_id=user, category=category, issued_at=issued_at, **who)
    return url.removeprefix("http://notifier.test")


def preferences_path(app: Flask, user: int, **who: Any) -> str:
    who = {"identity_key": "ada@example.com", "notification_id": MAIL} | who
    return links(app).preferences(user_id=user, issued_at=NOON, **who).removeprefix("http://notifier.test")


def wanted(app: Flask, user: int) -> dict[str, str | bool]:
    """What this user gets, by category: the digest by its frequency."""
    with app.app_context():
        found = preferences.of(db.session(), user)
        return {category: wish.frequency or wish.wanted for category, wish in found.items()}


def evidence(app: Flask) -> list[tuple[str, bool, str, int | None]]:
    with app.app_context():
        rows = db.session.scalars(select(Consent).order_by(Consent.id))
        return [(row.category, row.wanted, row.how, row.notification_id) for row in rows]


def text_of(page: bytes) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.decode().partition("<main")[2])).split())


DEFAULT = {"report": True, "digest": "weekly", "news": True}


# --- the unsubscribe link -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_changes_nothing(app: Flask, visitor: Visitor, user: int, method: str) -> None:
    path = unsubscribe_path(app, user)
    assert visitor.client.open(path, method=method, base_url="http://notifier.test").status_code == 200
    assert wanted(app, user) == DEFAULT
    assert evidence(app) == []


@pytest.mark.parametrize(
    ("category", "name"), [("report", "monthly reports"), ("digest", "activity digests"), ("news", "news")]
)
def test_the_page_names_the_mails_and_shows_the_address_to_nobody_else(
    app: Flask, visitor: Visitor, user: int, category: str, name: str
) -> None:
    page = visitor.get(unsubscribe_path(app, user, category)).data
    assert f"Unsubscribe from {name}?" in text_of(page)
    assert "a•••@example.com" in text_of(page)
    assert b"ada@" not in page


@pytest.mark.parametrize("category", REFUSABLE)
def test_one_click_needs_nothing_but_its_body(app: Flask, user: int, category: str) -> None:
    answer = Visitor(app).post(unsubscribe_path(app, user, category), ONE_CLICK)
    assert answer.status_code == 200
    assert "You\u2019re unsubscribed" in text_of(answer.data)
    assert wanted(app, user) == DEFAULT | {category: "never" if category == "digest" else False}
    assert evidence(app) == [(category, False, "one_click", MAIL)]


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (ONE_CLICK, {"content_type": "multipart/form-data"}),
        (b"List-Unsubscribe=One-Click\r\n", {"content_type": "application/x-www-form-urlencoded"}),
        (b"List-Unsubscribe=One-Click", {"content_type": "application/x-www-form-urlencoded; charset=UTF-8"}),
        (ONE_CLICK, {"headers": {"Origin": "https://mail.example", "Cookie": "notifier=forged"}}),
    ],
)
def test_one_click_in_the_ways_in_which_it_is_sent(app: Flask, user: int, data: Any, options: dict[str, Any]) -> None:
    assert Visitor(app).post(unsubscribe_path(app, user), data, **options).status_code == 200
    assert not wanted(app, user)["news"]


def test_two_clicks_are_one_decision(app: Flask, user: int) -> None:
    for _ in range(2):
        assert Visitor(app).post(unsubscribe_path(app, user), ONE_CLICK).status_code == 200
    assert len(evidence(app)) == 1


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": ""}, {"List-Unsubscribe": "yes"}, {"csrf_token": "forged"}])
def test_another_body_is_asked_to_confirm(app: Flask, visitor: Visitor, user: int, body: dict[str, str]) -> None:
    answer = visitor.post(unsubscribe_path(app, user), body)
    assert answer.status_code == 400
    assert "Unsubscribe from news?" in text_of(answer.data)
    assert wanted(app, user) == DEFAULT
    assert evidence(app) == []


def test_the_pages_token_is_enough_too(app: Flask, visitor: Visitor, user: int) -> None:
    path = unsubscribe_path(app, user)
    assert visitor.post(path, {"csrf_token": visitor.token(path)}).status_code == 200
    assert evidence(app) == [("news", False, "page", MAIL)]


def fields_of(page: bytes, path: str) -> dict[str, str]:
    """The hidden fields of the form that goes to `path`."""
    form = re.search(rf'<form method="post" action="{re.escape(path)}".*?</form>', page.decode(), re.DOTALL)
    assert form, page.decode()
    hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]+)"', form.group())
    assert len(hidden) == form.group().count("<input")
    return dict(hidden)


def test_the_button_works_with_cookies_and_without(app: Flask, visitor: Visitor, user: int) -> None:
    with_cookies, without = unsubscribe_path(app, user, "news"), unsubscribe_path(app, user, "report")
    assert visitor.post(with_cookies, fields_of(visitor.get(with_cookies).data, with_cookies)).status_code == 200
    fields = fields_of(visitor.get(without).data, without)
    assert Visitor(app).post(without, fields).status_code == 200
    assert wanted(app, user) == {"report": False, "digest": "weekly", "news": False}
    assert [row[2] for row in evidence(app)] == ["page", "one_click"]


def test_looking_again_shows_that_it_worked(app: Flask, visitor: Visitor, user: int) -> None:
    path = unsubscribe_path(app, user)
    visitor.post(path, ONE_CLICK)
    assert "You\u2019re unsubscribed" in text_of(visitor.get(path).data)


def test_a_link_works_years_later(app: Flask, user: int, frozen: time_machine.Traveller) -> None:
    path = unsubscribe_path(app, user)
    frozen.shift(timedelta(days=3 * 366))
    assert Visitor(app).post(path, ONE_CLICK).status_code == 200
    assert not wanted(app, user)["news"]


def test_a_link_outlives_a_new_verification_link(app: Flask, user: int) -> None:
    path = unsubscribe_path(app, user)
    with app.app_context():
        db.session.get_one(User, user).link_nonce = "renewed"
        db.session.commit()
    assert Visitor(app).post(path, ONE_CLICK).status_code == 200


# --- undo ---------------------------------------------------------------------------------------------


def test_undo_brings_back_what_was_there(app: Flask, visitor: Visitor, user: int) -> None:
    with app.app_context():
        preferences.decide(db.session(), user, "digest", True, "monthly", how=preferences.How.page)
        db.session.commit()
    path = unsubscribe_path(app, user, "digest")
    page = visitor.post(path, ONE_CLICK).data
    assert wanted(app, user)["digest"] == "never"
    answer = visitor.post(f"{path}/undo", fields_of(page, f"{path}/undo"))
    assert answer.status_code == 200
    assert "activity digests" in text_of(answer.data)
    assert wanted(app, user)["digest"] == "monthly"
    assert evidence(app)[-1] == ("digest", True, "undo", MAIL)


@pytest.mark.parametrize("body", [{}, ONE_CLICK])
def test_undo_needs_its_page(app: Flask, visitor: Visitor, user: int, body: dict[str, str]) -> None:
    path = unsubscribe_path(app, user)
    visitor.post(path, ONE_CLICK)
    assert visitor.post(f"{path}/undo", body).status_code == 400
    assert visitor.get(f"{path}/undo").status_code == 405
    assert not wanted(app, user)["news"]


# --- the preferences ----------------------------------------------------------------------------------


def choose(visitor: Visitor, path: str, **fields: str) -> str:
    """Send the form, follow the redirect, and return what the page says."""
    answer = visitor.post(path, {"csrf_token": visitor.token(path), **fields})
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    assert answer.headers["Cache-Control"] == "no-store"
    return text_of(visitor.get(path).data)


def chosen(page: bytes) -> set[str]:
    """What is ticked on the page: names of boxes, and the value of the radio button."""
    ticked = re.findall(r"<input [^>]*\bchecked\b[^>]*>", page.decode())
    found = [re.search(r'(?=.*name="(\w+)")(?=.*value="(\w+)")', field) for field in ticked]
    return {match.group(2) if match.group(1) == "digest" else match.group(1) for match in found if match}


def test_the_form_shows_what_holds(app: Flask, visitor: Visitor, user: int) -> None:
    path = preferences_path(app, user)
    assert chosen(visitor.get(path).data) == {"report", "weekly", "news"}
    visitor.post(unsubscribe_path(app, user, "digest"), ONE_CLICK)
    visitor.post(unsubscribe_path(app, user, "news"), ONE_CLICK)
    assert chosen(visitor.get(path).data) == {"report", "never"}
    assert wanted(app, user) == {"report": True, "digest": "never", "news": False}


def test_what_is_chosen_is_saved_and_said(app: Flask, visitor: Visitor, user: int) -> None:
    path = preferences_path(app, user)
    page = choose(visitor, path, report="y", digest="monthly")
    assert "Saved. You'll get monthly reports, activity digests (once a month)." in page
    assert wanted(app, user) == {"report": True, "digest": "monthly", "news": False}
    assert evidence(app) == [("digest", True, "page", MAIL), ("news", False, "page", MAIL)]
    assert chosen(visitor.get(path).data) == {"report", "monthly"}
    assert "Saved" not in text_of(visitor.get(path).data)


def test_saving_what_holds_stores_nothing(app: Flask, visitor: Visitor, user: int) -> None:
    choose(visitor, preferences_path(app, user), report="y", digest="weekly", news="y")
    assert evidence(app) == []


def test_all_can_be_stopped_at_once(app: Flask, visitor: Visitor, user: int) -> None:
    page = choose(visitor, preferences_path(app, user), stop="yes")
    assert "Saved. You'll no longer get any of these emails." in page
    assert wanted(app, user) == {"report": False, "digest": "never", "news": False}
    assert evidence(app) == [(category, False, "page", MAIL) for category in REFUSABLE]


@pytest.mark.parametrize("digest", ["", "hourly", "weekly "])
def test_a_frequency_that_is_none_is_asked_for_again(app: Flask, visitor: Visitor, user: int, digest: str) -> None:
    path = preferences_path(app, user)
    answer = visitor.post(path, {"csrf_token": visitor.token(path), "report": "y", "digest": digest})
    assert answer.status_code == 400
    assert "Choose how often you want activity digests." in text_of(answer.data)
    assert b'href="#digest"' in answer.data
    assert b'id="digest"' in answer.data
    assert wanted(app, user) == DEFAULT


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_at_preferences_changes_nothing(app: Flask, visitor: Visitor, user: int, method: str) -> None:
    path = preferences_path(app, user)
    assert visitor.client.open(path, method=method, base_url="http://notifier.test").status_code == 200
    assert evidence(app) == []


@pytest.mark.parametrize("body", [{"stop": "yes"}, {"stop": "yes", "csrf_token": "x"}, {"stop": "yes"} | ONE_CLICK])
def test_saving_needs_the_pages_token(app: Flask, visitor: Visitor, user: int, body: dict[str, str]) -> None:
    assert visitor.post(preferences_path(app, user), body).status_code == 400
    assert wanted(app, user) == DEFAULT


def test_each_page_leads_to_the_preferences_of_the_same_mail(app: Flask, visitor: Visitor, user: int) -> None:
    path = unsubscribe_path(app, user)
    pages = [visitor.get(path).data, visitor.post(path, ONE_CLICK).data]
    pages.append(visitor.post(f"{path}/undo", {"csrf_token": visitor.token(path)}).data)
    for page in pages:
        assert f'href="{preferences_path(app, user)}"'.encode() in page


# --- links that are of no use -------------------------------------------------------------------------


def bad_paths(app: Flask, user: int) -> Iterator[str]:
    """Everything that can be wrong with a link of either kind."""
    other_key = Links("http://notifier.test", type(links(app).signer)(["another-key-that-is-long-enough-for-it"]))
    who: dict[str, Any] = {"identity_key": "ada@example.com", "notification_id": MAIL, "issued_at": NOON}
    unsubscribe, choose = unsubscribe_path(app, user), preferences_path(app, user)
    for token in ("x", "a.b.c", "%00", "é", "a" * 20_000, "%ff%fe", choose.rpartition("/")[2]):
        yield f"/u/{token}"
    for path in (unsubscribe, choose):
        yield path[:-1] + ("A" if path[-1] != "A" else "E")
        yield path + "="
    yield other_key.unsubscribe(user_id=user, category="news", **who).removeprefix("http://notifier.test")
    yield other_key.preferences(user_id=user, **who).removeprefix("http://notifier.test")
    yield unsubscribe_path(app, user, "security")
    yield unsubscribe_path(app, user, "account")
    yield unsubscribe_path(app, user + 1)
    yield preferences_path(app, user + 1)
    yield unsubscribe_path(app, user, identity_key="before@example.com")
    yield preferences_path(app, user, identity_key="before@example.com")


def test_a_link_that_is_of_no_use_gets_one_page_whatever_is_wrong(app: Flask, visitor: Visitor, user: int) -> None:
    token = visitor.token("/signup")
    pages = set()
    for path in bad_paths(app, user):
        looks, clicks = visitor.get(path), visitor.post(path, {"csrf_token": token, "stop": "yes"} | ONE_CLICK)
        for answer in (looks, clicks):
            assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store"), path
            pages.add(answer.data)
        assert visitor.post(f"{path}/undo", {"csrf_token": token}).status_code in {404, 405}
    assert len(pages) == 1
    assert "This link doesn\u2019t work" in text_of(pages.pop())
    assert wanted(app, user) == DEFAULT
    assert evidence(app) == []


def test_one_click_with_a_link_of_no_use_needs_no_cookie_either(app: Flask, user: int) -> None:
    for path in bad_paths(app, user):
        if path.startswith("/u/"):
            assert Visitor(app).post(path, ONE_CLICK).status_code == 404


def test_the_links_of_an_erased_account_are_of_no_use(app: Flask, visitor: Visitor, user: int) -> None:
    paths = [unsubscribe_path(app, user), preferences_path(app, user)]
    with app.app_context():
        db.session.execute(delete(User))
        db.session.commit()
    assert {visitor.get(path).status_code for path in paths} == {404}
    assert visitor.get(paths[0]).data == visitor.get("/u/x").data


# --- what all of these pages keep ---------------------------------------------------------------------


def test_token_pages_leave_no_trace(app: Flask, visitor: Visitor, user: int) -> None:
    for path in (unsubscribe_path(app, user), preferences_path(app, user), "/u/x"):
        answer = visitor.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert b"noindex" in answer.data
        assert b"http://" not in answer.data.replace(b"http://notifier.test", b"")


def test_tokens_are_in_no_log_line(
    app: Flask, user: int, visitor: Visitor, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    path, choice = unsubscribe_path(app, user), preferences_path(app, user)
    visitor.get(path)
    visitor.post(path, {})
    visitor.post(path, ONE_CLICK)
    visitor.post(f"{path}/undo", {"csrf_token": visitor.token(path)})
    choose(visitor, choice, stop="yes")
    printed = capsys.readouterr()
    said = caplog.text + printed.out + printed.err
    assert "rule" in said
    for token in (path.rpartition("/")[2], choice.rpartition("/")[2]):
        assert token not in said


@pytest.fixture
def limited(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Flask]:
    path = tmp_path / "limited.db"
    shutil.copy(migrated_sqlite, path)
    app = create_app(make_settings(database_url=f"sqlite:///{path}", ratelimit_enabled=True))
    yield app
    with app.app_context():
        db.engine.dispose()


def test_a_mail_providers_clicks_are_never_too_many(limited: Flask) -> None:
    with limited.app_context():
        people = [make_user(f"user{number}@example.com").id for number in range(1, 72)]
    provider = Visitor(limited)
    for number, pk in enumerate(people, start=1):
        for path in (unsubscribe_path(limited, pk, identity_key=f"user{number}@example.com"), "/u/forged"):
            assert provider.post(path, ONE_CLICK).status_code in {200, 404}
    assert len(evidence(limited)) == len(people)


def test_changing_ones_mind_all_the_time_is_too_much(limited: Flask) -> None:
    with limited.app_context():
        user = make_user().id
    path, visitor = unsubscribe_path(limited, user), Visitor(limited)
    token = visitor.token(path)
    codes = []
    for number in range(21):
        visitor.environ["REMOTE_ADDR"] = f"203.{number}.113.1"
        assert visitor.post(path, ONE_CLICK).status_code == 200
        codes.append(visitor.post(f"{path}/undo", {"csrf_token": token}).status_code)
    assert codes.index(429) == 20
    answer = visitor.post(f"{path}/undo", {"csrf_token": token})
    assert int(answer.headers["Retry-After"]) > 0
    assert visitor.post(path, ONE_CLICK).status_code == 200


def test_saving_counts_with_all_other_forms_of_a_client(limited: Flask) -> None:
    with limited.app_context():
        people = {make_user(f"user{number}@example.com").id: number for number in range(1, 63)}
    visitor = Visitor(limited)
    token = visitor.token("/signup")
    codes = [
        visitor.post(
            preferences_path(limited, pk, identity_key=f"user{number}@example.com"), {"csrf_token": token, "stop": "y"}
        ).status_code
        for pk, number in people.items()
    ]
    assert codes.index(429) == 60
