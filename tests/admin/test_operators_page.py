"""The page of operators, and the links that it sends: they work once, for a while, and tell a stranger nothing."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest
import time_machine
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import select

from notifier import clock, retention
from notifier.admin.access import sign_in_limits
from notifier.cli.main import build
from notifier.emails.kind import SEALED
from notifier.extensions import db
from notifier.models import AuditEntry, Notification, Operator, OperatorLink, OperatorSession, Role
from notifier.operators import roster, second_factor
from notifier.operators.audit_log import COMMAND_LINE
from notifier.operators.links import LIVES
from notifier.services import services_of
from notifier.testing.mail_server import FakeMailServer
from notifier.testing.operators import PASSWORD, Desk

PAGE = "/admin/operators/"
NEW = "another password of five words"
EVE = "eve@example.com"


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    return desk(Role.admin)


def emails(app: Flask) -> list[Notification]:
    with app.app_context():
        return list(db.session.scalars(select(Notification).order_by(Notification.id)))


def token_in(app: Flask, row: Notification) -> str:
    """The token of an email, as its recipient finds it in the link."""
    with app.app_context():
        data = json.loads(services_of(app).sealer.open(row.params[SEALED]))
    return str(data["token"])


def newest_link(app: Flask) -> str:
    return f"/admin/join/{token_in(app, emails(app)[-1])}"


def operator(app: Flask, email: str = EVE) -> Operator:
    with app.app_context():
        return db.session.scalars(select(Operator).where(Operator.email == email)).one()


def actions(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def invite(here: Desk, role: str = "editor", email: str = EVE) -> Any:
    return here.send(f"{PAGE}invite", {"email": email, "role": role})


def use(app: Flask, path: str, password: str = NEW, ip: str = "203.0.113.9") -> Any:
    stranger = Desk(app, ip)
    page = stranger.get(path)
    if page.status_code != 200:
        return page
    return stranger.post(path, {"csrf_token": stranger.token(path), "password": password})


def test_an_invited_person_chooses_a_password_and_signs_in(app: Flask, here: Desk) -> None:
    assert invite(here).status_code == 303
    (email,) = emails(app)
    assert (email.kind, email.recipient, email.user_id) == ("operator_link", EVE, None)
    assert email.deadline is not None
    assert email.deadline - email.created_at == timedelta(days=3)
    assert "invited" in here.get(PAGE).text
    assert Desk(app).sign_in(EVE, NEW).status_code == 401
    path = newest_link(app)
    assert EVE in Desk(app).get(path).text
    done = use(app, path)
    assert (done.status_code, done.location) == (303, "/admin/sign-in")
    eve = Desk(app)
    assert eve.sign_in(EVE, NEW).status_code == 303
    assert eve.get(PAGE).status_code == 403
    row = operator(app)
    assert (row.role, row.invited, row.signed_in_at is not None) == ("editor", False, True)
    assert [each for each in actions(app) if each.startswith("operator.") and "sign" not in each] == [
        "operator.created", "operator.created", "operator.link_sent", "operator.invitation_accepted",
        "operator.password_changed",
    ]  # fmt: skip


def test_the_email_has_the_link_and_no_page_has_it(app: Flask, here: Desk, enqueued: list[int]) -> None:
    invite(here)
    (row,) = emails(app)
    token = token_in(app, row)
    assert enqueued == [row.id], "it goes out right after the commit"
    with app.app_context():
        server = FakeMailServer().attach(app)
        services_of(app).sender.deliver([row.id])
        (sent,) = server.sent
        assert (sent.recipient, sent.subject) == (EVE, "You're invited to the admin: Notifier")
        assert f"/admin/join/{token}" in sent.text
        assert "The link works once, for 3 days." in sent.text
        stored = [repr(each) for table in db.metadata.sorted_tables for each in db.session.execute(select(table))]
    assert not any(token in each for each in stored), "only a digest, and the sealed data, are stored"
    for path in (PAGE, f"{PAGE}2", f"/admin/notifications/{row.id}", "/admin/audit-log/"):
        assert token not in here.get(path).text


def test_a_link_works_once(app: Flask, here: Desk) -> None:
    invite(here)
    path = newest_link(app)
    for _ in range(3):
        assert Desk(app).get(path).status_code == 200, "looking uses nothing up"
    assert use(app, path).status_code == 303
    assert use(app, path, "a third password of six words").status_code == 404
    assert Desk(app).sign_in(EVE, NEW).status_code == 303


def test_a_link_ends(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    invite(here)
    path = newest_link(app)
    frozen.shift(timedelta(days=3) - timedelta(seconds=1))
    assert Desk(app).get(path).status_code == 200
    frozen.shift(timedelta(seconds=2))
    assert use(app, path).status_code == 404
    with app.app_context():
        assert retention.purge(db.session)["operator_links"] == 1


def test_a_newer_link_replaces_the_older_one(app: Flask, here: Desk) -> None:
    invite(here)
    first = newest_link(app)
    assert here.send(f"{PAGE}2/invitation").status_code == 303
    second = newest_link(app)
    assert first != second
    assert use(app, first).status_code == 404
    assert use(app, second).status_code == 303
    with app.app_context():
        assert db.session.scalars(select(OperatorLink)).all() == []


def test_a_short_password_leaves_the_link_as_it_is(app: Flask, here: Desk) -> None:
    invite(here)
    path = newest_link(app)
    refused = use(app, path, "short")
    assert (refused.status_code, "15 characters or more" in refused.text) == (400, True)
    assert use(app, path).status_code == 303


def test_a_revoked_invitation_is_gone(app: Flask, here: Desk) -> None:
    invite(here)
    path = newest_link(app)
    assert here.send(f"{PAGE}2/invitation/revoke").location == PAGE
    assert use(app, path).status_code == 404
    assert EVE not in here.get(PAGE).text.partition("<table")[2]
    assert invite(here).status_code == 303, "the same person can be invited again"
    assert here.send(f"{PAGE}1/invitation/revoke").location == f"{PAGE}1"
    assert operator(app, "admin@example.com").active


def test_unknown_used_and_old_links_are_answered_alike(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    invite(here)
    used = newest_link(app)
    use(app, used)
    invite(here, email="old@example.com")
    old = newest_link(app)
    frozen.shift(timedelta(days=4))
    answers = {Desk(app).get(path).text for path in (used, old, "/admin/join/x", f"/admin/join/{'A' * 43}")}
    assert len(answers) == 1
    assert "@example.com" not in answers.pop()
    assert Desk(app).get("/admin/join/x").status_code == 404


def test_an_open_invitation_looks_like_no_account(app: Flask, here: Desk) -> None:
    """To a stranger who signs in; and checking takes as long, because the row has a hash."""
    invite(here)
    answers = [Desk(app).sign_in(email, "a guess of four words") for email in (EVE, "none@example.com")]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert operator(app).password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("email", "says"),
    [("admin@example.com", "already exists"), ("no address", ""), ("", "")],
)
def test_what_cannot_be_invited_is_said(app: Flask, here: Desk, email: str, says: str) -> None:
    refused = invite(here, email=email)
    assert refused.status_code == 400
    assert 'id="email-wrong"' in refused.text
    assert says in refused.text
    assert emails(app) == []
    assert invite(here, role="owner").status_code == 400


def test_a_password_is_reset_by_a_link(app: Flask, here: Desk, make_operator: Callable[..., int]) -> None:
    make_operator(Role.editor)
    eve = Desk(app)
    eve.sign_in("editor@example.com")
    assert here.send(f"{PAGE}2/password-link").status_code == 303
    (email,) = emails(app)
    assert email.deadline is not None
    assert email.deadline - email.created_at == timedelta(hours=1)
    assert eve.get("/admin/").status_code == 200, "nothing changes before the link is used"
    assert use(app, newest_link(app)).status_code == 303
    assert eve.get("/admin/").status_code in {302, 401}
    assert Desk(app).sign_in("editor@example.com", PASSWORD).status_code == 401
    assert Desk(app).sign_in("editor@example.com", NEW).status_code == 303


def with_second_factor(app: Flask, pk: int) -> None:
    with app.app_context():
        row, secret, now = db.session.get_one(Operator, pk), second_factor.new_secret(), clock.now()
        assert second_factor.enable(
            db.session(), row, secret, pyotp.TOTP(secret).at(now), sealer=services_of(app).sealer, by=COMMAND_LINE,
            now=now,
        )  # fmt: skip
        db.session.commit()


def test_a_second_factor_is_turned_off_by_link_and_password(
    app: Flask, here: Desk, make_operator: Callable[..., int]
) -> None:
    with_second_factor(app, make_operator(Role.editor))
    assert Desk(app).sign_in("editor@example.com").location == "/admin/sign-in/code"
    assert here.send(f"{PAGE}2/second-factor-link").status_code == 303
    path = newest_link(app)
    wrong = use(app, path, "not the password")
    assert (wrong.status_code, "Wrong password" in wrong.text) == (401, True)
    assert operator(app, "editor@example.com").totp_secret is not None
    assert use(app, path, PASSWORD).status_code == 303
    assert operator(app, "editor@example.com").totp_secret is None
    assert Desk(app).sign_in("editor@example.com").location == "/admin/"
    assert "operator.second_factor_off" in actions(app)


def test_a_link_of_a_second_factor_sets_no_password(app: Flask, here: Desk, make_operator: Callable[..., int]) -> None:
    with_second_factor(app, make_operator(Role.editor))
    here.send(f"{PAGE}2/second-factor-link")
    assert use(app, newest_link(app), NEW).status_code == 401
    assert roster_accepts(app, "editor@example.com", PASSWORD)


def roster_accepts(app: Flask, email: str, password: str) -> bool:
    with app.app_context():
        return roster.authenticate(db.session(), email, password) is not None


@pytest.fixture
def limited(make_app: Callable[..., Flask], app: Flask) -> Flask:
    """Another application on the same database, with rate limits."""
    return make_app(publish=lambda keys, bulk: None, ratelimit_enabled=True)


def test_guesses_at_the_password_of_a_link_are_slowed(
    app: Flask, limited: Flask, here: Desk, make_operator: Callable[..., int]
) -> None:
    with_second_factor(app, make_operator(Role.editor))
    here.send(f"{PAGE}2/second-factor-link")
    path = newest_link(app)
    answers = [use(limited, path, f"guess {number}", ip=f"198.51.{number}.7").status_code for number in range(7)]
    assert answers[:5] == [401] * 5
    assert answers[-1] == 429


def test_one_operator_sends_few_emails(app: Flask, limited: Flask, make_operator: Callable[..., int]) -> None:
    make_operator()
    here = Desk(limited)
    here.sign_in()
    most = int(sign_in_limits.EMAILS.partition(" ")[0])
    answers = [invite(here, email=f"p{number}@example.com").status_code for number in range(most + 1)]
    assert answers == [303] * most + [429]
    assert len(emails(app)) == most


def test_disabling_ends_sessions_and_links_at_once(app: Flask, here: Desk, make_operator: Callable[..., int]) -> None:
    make_operator(Role.editor)
    eve = Desk(app)
    eve.sign_in("editor@example.com")
    here.send(f"{PAGE}2/password-link")
    path = newest_link(app)
    assert here.get(f"{PAGE}2/disable").status_code == 200
    assert here.send(f"{PAGE}2/disable").status_code == 303
    assert eve.get("/admin/").status_code in {302, 401}
    assert use(app, path).status_code == 404
    with app.app_context():
        assert db.session.scalars(select(OperatorSession.operator_id)).all() == [1]
    assert here.send(f"{PAGE}2/password-link").status_code == 303
    assert len(emails(app)) == 1, "a disabled operator gets none"
    assert here.send(f"{PAGE}2/enable").status_code == 303
    assert Desk(app).sign_in("editor@example.com").status_code == 303


def test_a_role_changes_and_sessions_end(app: Flask, here: Desk, make_operator: Callable[..., int]) -> None:
    make_operator(Role.editor)
    eve = Desk(app)
    eve.sign_in("editor@example.com")
    assert here.send(f"{PAGE}2/role", {"role": "viewer"}).status_code == 303
    assert operator(app, "editor@example.com").role == "viewer"
    assert eve.get("/admin/").status_code in {302, 401}
    assert here.send(f"{PAGE}2/role", {"role": "owner"}).status_code == 400


def test_the_last_admin_stays(app: Flask, here: Desk, make_operator: Callable[..., int]) -> None:
    """An admin who is invited, or disabled, cannot let the others in."""
    invite(here, role="admin", email="invited@example.com")
    disabled = make_operator(Role.admin, "disabled@example.com")
    assert here.send(f"{PAGE}{disabled}/disable").status_code == 303
    for path, fields in ((f"{PAGE}1/disable", {}), (f"{PAGE}1/role", {"role": "viewer"})):
        here.send(path, fields)
        assert "this is the last admin who can sign in" in here.get(f"{PAGE}1").text
        row = operator(app, "admin@example.com")
        assert (row.role, row.active) == ("admin", True)
    here.send(f"{PAGE}{disabled}/enable")
    assert here.send(f"{PAGE}1/role", {"role": "viewer"}).status_code == 303
    assert operator(app, "admin@example.com").role == "viewer"


@pytest.mark.parametrize("role", [Role.viewer, Role.editor])
def test_others_may_not_even_look(desk: Callable[..., Desk], role: Role) -> None:
    sitting = desk(role)
    assert sitting.get(PAGE).status_code == 403
    assert sitting.send(f"{PAGE}invite", {"email": EVE, "role": "admin"}).status_code == 403


def test_resets_live_shorter_than_invitations() -> None:
    assert {purpose.value: life for purpose, life in LIVES.items()} == {
        "invitation": timedelta(days=3), "password": timedelta(hours=1), "second_factor": timedelta(hours=1),
    }  # fmt: skip


def test_the_commands_do_the_same(app: Flask, make_operator: Callable[..., int]) -> None:
    def run(*words: str) -> Result:
        return CliRunner().invoke(build(lambda: app), list(words))

    make_operator()
    assert run("operator", "invite", EVE, "--role", "editor").exit_code == 0
    assert "invited" in run("operator", "list").output
    first = newest_link(app)
    assert run("operator", "send-link", EVE, "invitation").exit_code == 0
    assert use(app, first).status_code == 404
    assert run("operator", "send-link", EVE, "password").exit_code == 1
    assert use(app, newest_link(app)).status_code == 303
    assert run("operator", "revoke", EVE).exit_code == 1
    assert run("operator", "invite", "new@example.com").exit_code == 0
    assert run("operator", "revoke", "new@example.com").exit_code == 0
    assert run("operator", "send-link", EVE, "second_factor").exit_code == 1
    assert not re.search(r"[A-Za-z0-9_-]{43}", run("operator", "send-link", EVE, "password").output)
