"""What was typed when the session ended: kept for its operator, shown after the next sign-in, never saved by itself."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, func, select
from werkzeug.test import TestResponse

from notifier import retention
from notifier.extensions import db
from notifier.models import Campaign, ContentVersion, KeptForm, OperatorSession, Role
from notifier.operators import kept_forms
from notifier.services import services
from notifier.testing.forms import fields_of
from notifier.testing.operators import PASSWORD, SIGN_IN, Desk
from tests.admin.test_signin import set_up_totp
from tests.support.campaigns import make_campaign

NEW, EDIT, CONTENT = "/admin/campaigns/new", "/admin/campaigns/1/edit", "/admin/content/1/"

TYPED = "A title that took long to find"

#: For what databases do not differ in.
one = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    """The desk of an editor, at NOON."""
    return desk(Role.editor)


@pytest.fixture(autouse=True)
def _campaign(app: Flask) -> None:
    with app.app_context():
        make_campaign()


def typed(here: Desk, path: str = EDIT, **texts: str) -> dict[str, Any]:
    """A form with something in it, as a browser would send it."""
    fields = fields_of(here.get(path).text, '<form class="w-desk"' if path == CONTENT else '<form class="sheet"')
    for name, value in (texts or {"title": TYPED}).items():
        fields[name] = value
    return fields.to_dict(flat=False)


def sign_in(here: Desk, page: TestResponse, email: str = "editor@example.com") -> TestResponse:
    """Fill in the form of this very page."""
    fields = fields_of(page.text, "<form")
    fields["email"], fields["password"] = email, PASSWORD
    return here.post(SIGN_IN, fields.to_dict(flat=False))


def titles(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(Campaign.title).order_by(Campaign.id)))


def kept(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(KeptForm)) or 0


def test_after_signing_in_again_the_form_is_there_with_what_was_typed(
    app: Flask, here: Desk, frozen: time_machine.Traveller
) -> None:
    fields = typed(here, title=TYPED, rate="1,5", cron="not used")
    frozen.shift(timedelta(minutes=31))
    over = here.post(EDIT, fields)
    assert over.status_code == 401
    assert "Your session has ended" in over.text
    assert "What you typed is kept" in over.text
    assert TYPED not in over.text
    back = sign_in(here, over)
    assert back.status_code == 303
    assert re.fullmatch(rf"{EDIT}\?kept=[\w-]{{20,}}", back.location)
    for _ in range(2):  # a reload shows it again
        page = here.get(back.location)
        assert "This is what you had typed when your session ended. It hasn\u2019t been saved yet." in page.text
        assert f'value="{TYPED}"' in page.text
        assert 'value="1,5"' in page.text
        assert titles(app) == ["news"]
    assert here.post(EDIT, fields_of(page.text).to_dict(flat=False)).status_code == 303
    assert titles(app) == [TYPED]


@one
def test_a_new_campaign_comes_back_with_its_kind(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    fields = typed(here, f"{NEW}?kind=activity_digest", title=TYPED)
    frozen.shift(timedelta(hours=13))
    back = sign_in(here, here.post(NEW, fields))
    assert back.location.startswith(f"{NEW}?kind=activity_digest&kept=")
    page = here.get(back.location).text
    assert f'value="{TYPED}"' in page
    assert here.post(NEW, fields_of(page).to_dict(flat=False)).status_code == 303
    assert titles(app) == ["news", TYPED]


@pytest.mark.parametrize("action", ["save", "test"])
def test_the_editor_of_content_keeps_its_texts(
    app: Flask, here: Desk, frozen: time_machine.Traveller, action: str
) -> None:
    body = "Hello {{ user.name }} & <all>\n\nSomething long."
    fields = typed(here, CONTENT, subject=TYPED, body=body, note="why")
    frozen.shift(timedelta(minutes=31))
    page = here.get(sign_in(here, here.post(f"{CONTENT}{action}", fields)).location)
    again = fields_of(page.text, '<form class="w-desk"')
    assert "It hasn\u2019t been saved yet" in page.text
    assert (again["subject"], again["body"], again["note"]) == (TYPED, body, "why")
    with app.app_context():
        assert db.session.scalars(select(ContentVersion)).all() == []
    assert here.post(f"{CONTENT}save", again.to_dict(flat=False)).status_code == 303
    with app.app_context():
        assert db.session.scalars(select(ContentVersion.body)).all() == [body]


@one
def test_the_second_factor_is_on_the_way(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    totp, _ = set_up_totp(here)
    fields = typed(here)
    frozen.shift(timedelta(minutes=31))
    assert sign_in(here, here.post(EDIT, fields)).location == "/admin/sign-in/code"
    # Too slow: the way begins anew, and still leads to the form.
    frozen.shift(timedelta(minutes=6))
    again = here.get("/admin/sign-in/code")
    assert sign_in(here, here.get(again.location)).location == "/admin/sign-in/code"
    back = here.send("/admin/sign-in/code", {"code": totp.now()}, "/admin/sign-in/code")
    assert back.location.startswith(f"{EDIT}?kept=")
    assert f'value="{TYPED}"' in here.get(back.location).text


def forget_session(app: Flask, here: Desk) -> None:
    """The session was ended elsewhere: its row is gone."""
    with app.app_context():
        db.session.execute(delete(OperatorSession))
        db.session.commit()


def close_browser(app: Flask, here: Desk) -> None:
    """The browser was closed, and shows its pages again: the cookie of the session is gone."""
    here.client.delete_cookie("notifier", domain=here.host)


def sign_in_beside(app: Flask, here: Desk) -> None:
    """In another tab the operator has signed out, and in again: the token of the form is of a session before."""
    here.send("/admin/sign-out")
    assert here.sign_in("editor@example.com").status_code == 303


@one
@pytest.mark.parametrize("how", [forget_session, close_browser])
def test_it_is_kept_however_the_session_ended(app: Flask, here: Desk, how: Callable[[Flask, Desk], None]) -> None:
    fields = typed(here)
    how(app, here)
    over = here.post(EDIT, fields)
    assert over.status_code == 401
    page = here.get(sign_in(here, over).location)
    assert f'value="{TYPED}"' in page.text
    assert titles(app) == ["news"]


@one
def test_a_token_of_a_session_before_keeps_what_was_typed(app: Flask, here: Desk) -> None:
    fields = typed(here)
    sign_in_beside(app, here)
    answer = here.post(EDIT, fields)
    assert answer.status_code == 400
    page = answer.text
    assert "This page was too old to be saved" in page
    assert f'value="{TYPED}"' in page
    assert (titles(app), kept(app)) == (["news"], 0)
    assert here.post(EDIT, fields_of(page).to_dict(flat=False)).status_code == 303
    assert titles(app) == [TYPED]


@one
def test_nobody_else_gets_at_it(
    app: Flask, here: Desk, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    other = desk(Role.admin)
    fields = typed(here)
    frozen.shift(timedelta(minutes=31))
    target = unescape(fields_of(here.post(EDIT, fields).text, "<form")["next"])
    assert TYPED not in Desk(app).get(target).text
    assert other.sign_in("admin@example.com").status_code == 303
    assert TYPED not in other.get(target).text
    with app.app_context():
        row = db.session.scalars(select(KeptForm)).one()
        assert TYPED not in row.sealed
        assert row.key_hash not in target
        assert "csrf" not in str(
            kept_forms.load(
                db.session(), row.operator_id, EDIT, target.rpartition("=")[2],
                sealer=services().sealer, now=row.created_at,
            )
        )  # fmt: skip
    # Signed in as another one on the same page: their own page, and nothing of it.
    assert sign_in(here, here.get(f"{SIGN_IN}?next={target}"), "admin@example.com").location == target
    assert TYPED not in here.get(target).text
    # The key is for this page alone.
    key = target.rpartition("=")[2]
    here.send("/admin/sign-out")
    here.sign_in("editor@example.com")
    assert TYPED in here.get(target).text
    assert TYPED not in here.get(f"{NEW}?kind=announcement&kept={key}").text
    assert TYPED not in here.get(f"{EDIT}?kept={key[:-1]}").text


@one
def test_it_expires_and_few_are_kept(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    fields = typed(here)
    frozen.shift(timedelta(minutes=31))
    targets = []
    for _ in range(kept_forms.MOST + 2):
        targets.append(fields_of(here.client.post(EDIT, **_as(here, fields)).text, "<form")["next"])
        close_browser(app, here)
    assert kept(app) == kept_forms.MOST
    here.sign_in("editor@example.com")
    assert TYPED not in here.get(targets[0]).text
    assert TYPED in here.get(targets[-1]).text
    frozen.shift(kept_forms.KEEP + timedelta(seconds=1))
    here.sign_in("editor@example.com")
    assert TYPED not in here.get(targets[-1]).text
    with app.app_context():
        assert retention.purge(db.session)["kept_forms"] == kept_forms.MOST


def _as(here: Desk, fields: dict[str, Any]) -> dict[str, Any]:
    return {"base_url": f"http://{here.host}", "environ_base": here.environ, "data": fields}


@one
def test_only_forms_of_the_operators_own_browser_are_kept(
    app: Flask, here: Desk, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    fields, stranger, viewer = typed(here), Desk(app), desk(Role.viewer)
    assert stranger.post(EDIT, fields).status_code == 400
    assert viewer.post(EDIT, fields).status_code == 400
    frozen.shift(timedelta(minutes=31))
    assert viewer.post(EDIT, fields).status_code == 401
    for site in ("cross-site", "same-site", "none"):
        answer = here.post(EDIT, fields, headers={"Sec-Fetch-Site": site})
        assert answer.status_code in {400, 401}
        assert "What you typed is kept" not in answer.text
    assert kept(app) == 0
    here.post(EDIT, fields, headers={"Sec-Fetch-Site": "same-origin"})
    assert kept(app) == 1


@one
def test_a_large_form_is_kept_and_a_change_by_another_is_still_told(
    app: Flask, here: Desk, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    body = "".join(f"{number} " for number in range(30_000))
    fields = typed(here, CONTENT, body=body)
    mine = typed(here)
    other = desk(Role.admin)
    frozen.shift(timedelta(minutes=31))
    other.sign_in("admin@example.com")
    assert other.post(EDIT, typed(other, title="Theirs")).status_code == 303
    page = here.get(sign_in(here, here.post(f"{CONTENT}save", fields)).location)
    assert fields_of(page.text, '<form class="w-desk"')["body"] == body.strip()
    frozen.shift(timedelta(minutes=31))
    page = here.get(sign_in(here, here.post(EDIT, mine)).location)
    answer = here.post(EDIT, fields_of(page.text).to_dict(flat=False))
    assert answer.status_code == 409
    assert titles(app) == ["Theirs"]
