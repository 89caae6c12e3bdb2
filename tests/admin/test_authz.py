"""Every rule of the URL map below /admin: signed out, as viewer, editor and admin; with and without a token."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from notifier.admin.kit.page import Page
from notifier.app import ready
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.models import Role, SuppressionReason, User
from notifier.operators import api_keys, roster
from notifier.operators.audit_log import SYSTEM
from notifier.services import services_of
from notifier.testing.operators import SIGN_IN, Desk
from tests.support.applications import make_owed
from tests.support.authz import ADMINS, ARGUMENTS, EDITORS
from tests.support.campaigns import make_campaign, start_run
from tests.support.feedback import event, take

DATA = Path(__file__).parent.parent / "data"
AUTHZ = {case["id"]: case for case in json.loads((DATA / "admin_authz.json").read_text())}
CSRF = json.loads((DATA / "csrf.json").read_text())

#: The way in is for everybody.
OPEN = {
    "sign_in.form", "sign_in.check", "sign_in.code_form", "sign_in.check_code", "sign_in.sign_out",
    "operator_link.form", "operator_link.use",
}  # fmt: skip


def rules(app: Flask, method: str) -> Iterator[tuple[Rule, str]]:
    with ready(app).test_request_context():
        adapter = app.url_map.bind("notifier.test")
        for rule in app.url_map.iter_rules():
            if rule.rule.startswith("/admin") and method in (rule.methods or ()) and rule.endpoint not in OPEN:
                yield rule, adapter.build(rule.endpoint, {name: ARGUMENTS[name] for name in rule.arguments}, method)


@pytest.fixture
def world(app: Flask) -> Flask:
    """One of everything, with the key 1."""
    return one_of_everything(app)


def one_of_everything(app: Flask) -> Flask:
    """Fill an empty database."""
    with app.app_context():
        pk = make_owed(1)
        suppressions.add(
            db.session(), "user1@example.com", reason=SuppressionReason.manual, source="operator", evidence="test"
        )
        take(app, event())
        services_of(app).endpoints.add(db.session(), "https://hooks.example/", ["run.paused"], by=SYSTEM)
        api_keys.create(db.session(), name="shop", wanted=["users:read"], kinds=(), by=SYSTEM)
        db.session.commit()
        assert pk == 1
        assert start_run(make_campaign()) == 1
    return app


def rows(app: Flask) -> dict[str, list[Any]]:
    """The whole database but for what looking leaves behind: sessions that were seen."""
    with app.app_context():
        tables = [table for table in db.metadata.sorted_tables if table.name != "notifier_operator_sessions"]
        return {table.name: sorted(map(repr, db.session.execute(select(table)))) for table in tables}


def test_nobody_gets_anything(world: Flask) -> None:
    """admin_authz-001"""
    before, desk = rows(world), Desk(world)
    token = desk.token(SIGN_IN)
    for method in ("GET", "POST"):
        for rule, path in rules(world, method):
            answer = desk.get(path) if method == "GET" else desk.post(path, {"csrf_token": token})
            assert answer.status_code in {302, 401, 403}, rule.rule
            if answer.status_code == 302:
                assert (answer.location or "").startswith("/admin/sign-in?next=/admin"), rule.rule
    assert rows(world) == before


# Who is admitted depends on no database; what is behind the doors is asked of both.
@pytest.mark.parametrize(
    ("role", "database_url"),
    [*((role, "sqlite") for role in Role), (Role.admin, "postgres")],
    indirect=["database_url"],
)
def test_each_role_gets_what_is_meant_for_it(world: Flask, desk: Callable[..., Desk], role: Role) -> None:
    here = desk(role)
    forbidden = {Role.viewer: EDITORS | ADMINS, Role.editor: ADMINS, Role.admin: set()}[role]
    before = rows(world)
    for method in ("GET", "POST"):
        for rule, path in rules(world, method):
            if rule.endpoint == "admin_account.elsewhere" or (method == "POST" and rule.endpoint not in forbidden):
                continue
            answer = here.get(path) if method == "GET" else here.send(path, {"note": "x", "email": "user1@example.com"})
            expected = {403} if rule.endpoint in forbidden else {200, 302}
            assert answer.status_code in expected, (rule.rule, answer.status_code)
    after = rows(world)
    # Every role leaves traces of the addresses that it saw.
    assert len(after.pop("notifier_audit_entries")) > len(before.pop("notifier_audit_entries"))
    assert after == before


def test_a_post_without_its_token_changes_nothing(world: Flask, desk: Callable[..., Desk]) -> None:
    """csrf.json over every POST of the map, for the highest role: no token, another session's, a strange origin."""
    here, stranger = desk(), Desk(world, "203.0.113.7")
    foreign = stranger.token(SIGN_IN)
    paths = [path for _, path in rules(world, "POST")] + [
        SIGN_IN,
        "/admin/sign-in/code",
        "/admin/sign-out",
        "/admin/join/x",
    ]
    paths += [case["path"].replace("<token>", "x") for case in CSRF if not case["path"].startswith("/admin")]
    assert len(paths) > 12
    before = rows(world)
    fields = {"email": "user1@example.com", "note": "x", "display_name": ""}
    for path in paths:
        answers = [
            here.post(path, fields),
            here.post(path, fields | {"csrf_token": foreign}),
            here.post(path, fields, headers={"Origin": "https://evil.example"}),
        ]
        assert {answer.status_code for answer in answers} <= {400, 403, 404}, path
    assert rows(world) == before
    assert here.get("/admin/").status_code == 200


def test_every_method_says_for_whom_it_is() -> None:
    """A page that forgets it does not start."""
    with pytest.raises(TypeError, match="does not say for whom"):
        type("Careless", (Page,), {"title": "x", "slug": "careless", "index": _exposed()})()


def _exposed() -> Callable[..., str]:
    def index(self: object) -> str:
        return "open to everybody"

    index._urls = [("/", ("GET",))]  # type: ignore[attr-defined]
    return index


@pytest.mark.parametrize(
    "path", ["/admin/suppressions/delete/", "/admin/notifications/ajax/update/", "/admin/people/action/"]
)
def test_what_flask_admin_would_open_is_not_there(desk: Callable[..., Desk], path: str) -> None:
    """admin_authz-002, 004, 005"""
    here = desk(Role.viewer)
    assert here.get(path).status_code in {404, 405}
    assert here.send(path, {"list_form_pk": "1", "rowid": "1"}).status_code in {403, 404, 405}


def test_a_post_only_address_refuses_get(desk: Callable[..., Desk]) -> None:
    """admin_authz-005"""
    assert desk().get("/admin/jobs/sweep/run").status_code == 405


NONSENSE = (
    ("page=99999999999999999999", {400, 404}),
    ("page=-1", {400, 404}),
    ("page_size=1000000", {200}),
    ("email=" + "x" * 100_000, {400, 414}),
    ("id=1'%20OR%20'1'='1", {404}),
    ("id=abc", {404}),
    ("before=-5", {404}),
    ("before=99999999999999999999999", {404}),
    ("after=9223372036854775807", {404}),
    ("email=a%00b", {400}),
    ("status=nonsense&state=nonsense&kind=nonsense", {200, 400}),
    ("campaign=x&run=%00", {200, 400}),
    ("operator=abc", {200}),
    ("page=%EF%BC%91", {404}),
    ("flt0_0=1&sort=99&desc=x&search=%25", {200}),
)


def test_nonsense_in_the_address_is_answered(desk: Callable[..., Desk]) -> None:
    """admin_authz-009 to 012, pitfall 6"""
    here = desk()
    for name in ("notifications", "people", "suppressions", "unassigned", "tasks", "audit"):
        for query, allowed in NONSENSE:
            answer = here.get(f"/admin/{name}/?{query}")
            assert answer.status_code in allowed, (name, query[:50], answer.status_code)
            assert "<h1>" in answer.text


def test_a_key_that_leads_nowhere_is_a_404(desk: Callable[..., Desk]) -> None:
    """admin_authz-006, 007, 012"""
    here = desk()
    for path in (
        "notifications/{}/",
        "notifications/{}/mail",
        "people/{}/",
        "people/{}/erase",
        "suppressions/{}/lift",
        "unassigned/{}/assign",
        "unassigned/{}/dismiss",
    ):
        for pk in ("0", "99999999999999999999", "9223372036854775807", "-1", "x", "%00", "1e5"):
            assert here.get("/admin/" + path.format(pk)).status_code == 404, (path, pk)


def test_fields_that_nobody_asked_for_are_ignored(world: Flask, desk: Callable[..., Desk]) -> None:
    """admin_authz-008"""
    here = desk(Role.editor)
    extra = {"password_hash": "x", "is_admin": "1", "role": "admin", "verified_at": "2026-01-01", "reason": "complaint"}
    here.send("/admin/suppressions/add", {"email": "new@example.com", "note": "asked"} | extra)
    with world.app_context():
        found = suppressions.find(db.session(), "new@example.com")
        assert found is not None
        assert (found.reason, found.source) == ("manual", "operator")
        assert roster.find(db.session(), "editor@example.com").role == "editor"
        assert db.session.scalars(select(User.verified_at)).all() == [None]


def test_a_typeerror_of_a_page_is_what_the_log_says(
    world: Flask, desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 7"""
    here = desk()

    def broken(*_: object, **__: object) -> None:
        raise TypeError("the real reason")

    monkeypatch.setattr("notifier.admin.system.failures.failures", broken)
    with pytest.raises(TypeError, match="the real reason"):
        here.get("/admin/failures/")


def test_a_crash_shows_a_page_without_the_inside(
    world: Flask, desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = desk()
    world.config["PROPAGATE_EXCEPTIONS"] = False

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("notifier.admin.system.failures.failures", broken)
    answer = here.get("/admin/failures/")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "<h1>" in answer.text


def test_the_corpus_is_the_one_that_these_tests_know() -> None:
    assert len(AUTHZ) == 16
