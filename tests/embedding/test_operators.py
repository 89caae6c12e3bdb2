"""Operators whom the host names: its own people, for one request each, in our mounted admin."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask, request
from sqlalchemy import select
from werkzeug.test import TestResponse

from notifier import OperatorIdentity
from notifier.cli.main import build
from notifier.extensions import db
from notifier.models import AuditEntry, Campaign, ContentVersion, OperatorSession, Role, Suppression
from notifier.operators import roster
from notifier.services import services_of
from notifier.testing import mail_server
from notifier.testing.forms import csrf_token, fields_of
from notifier.testing.operators import PASSWORD
from tests.admin.test_authz import one_of_everything, rows
from tests.admin.test_every_rule import ANSWERED, METHODS, OPENED, TRACES, addresses
from tests.embedding.conftest import Host, form_of
from tests.embedding.office import ADMIN, SUPPRESSIONS, Office, Person
from tests.support.authz import EDITORS, MAY_OPEN, OF_OUR_OPERATORS, OF_OUR_SIGN_UP
from tests.support.campaigns import make_campaign

Make = Callable[..., Host]
EDIT = "/mail/admin/campaigns/1/edit"

#: For what databases do not differ in.
one = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def office(make_host: Make) -> Office:
    return Office(make_host())


def suppressed(office: Office) -> list[str]:
    return office.stored(select(Suppression.identity_key))


def test_an_operator_of_the_host_works_without_an_account_of_ours(office: Office) -> None:
    editor = office.person("editor")
    page = editor.get(ADMIN)
    assert page.status_code == 200
    assert "Signed in as editor@shop.example (editor)" in page.text
    assert editor.suppress("stop@example.com").status_code == 303
    assert suppressed(office) == ["stop@example.com"]
    [entry] = office.stored(select(AuditEntry).where(AuditEntry.action == "suppression.added"))
    assert (entry.actor, entry.operator_id, entry.ip) == (f"host:{editor.key}", None, "127.0.0.1")
    for table in (AuditEntry, OperatorSession):
        stored = office.stored(select(table))
        assert "shop.example" not in str([vars(row) for row in stored])
    assert office.stored(select(OperatorSession)) == []


def test_each_request_asks_the_host_once(office: Office) -> None:
    editor = office.person("editor")
    token = csrf_token(editor.get(SUPPRESSIONS).text)
    for expected, ask in (
        (200, lambda: editor.get(SUPPRESSIONS)),
        (
            303,
            lambda: editor.client.post(
                f"{SUPPRESSIONS}add", data={"csrf_token": token, "email": "a@example.com", "note": "x"}
            ),
        ),
        (404, lambda: editor.get("/mail/admin/people/999/")),
        (400, lambda: editor.client.post(f"{SUPPRESSIONS}add", data={"email": "b@example.com"})),
    ):
        office.asked = 0
        assert (ask().status_code, office.asked) == (expected, 1)
    with office.ours.app_context():
        # An application context may outlive requests.
        office.asked = 0
        assert [editor.get(ADMIN).status_code for _ in range(2)] == [200, 200]
        assert office.asked == 2


def test_signed_out_at_the_host_is_signed_out_here_with_the_next_request(office: Office) -> None:
    editor = office.person("editor")
    token = csrf_token(editor.get(SUPPRESSIONS).text)
    editor.sign_out()
    answer = editor.client.post(
        f"{SUPPRESSIONS}add", data={"csrf_token": token, "email": "stop@example.com", "note": "x"}
    )
    assert answer.status_code == 401
    assert "You are no longer signed in as an operator. Nothing was saved." in answer.text
    assert suppressed(office) == []
    assert editor.get(ADMIN).status_code == 401
    editor.sign_in()
    assert editor.get(ADMIN).status_code == 200


@one
@pytest.mark.parametrize("path", ["", "people/", "suppressions/", "account/", "sign-in"])
def test_a_person_who_is_no_operator_is_sent_to_the_host(office: Office, path: str) -> None:
    for person in (Person(office.host), office.person("a customer")):
        answer = person.get(ADMIN + path)
        if path in {"account/", "sign-in"}:
            assert answer.status_code == 404
            continue
        assert answer.status_code == 401
        assert "<h1>Sign in to the application</h1>" in answer.text
        assert 'href="/"' in answer.text
        assert "password" not in answer.text.lower()


@one
def test_there_is_no_second_door(office: Office) -> None:
    with office.ours.app_context():
        roster.create(db.session(), email="admin@example.com", password=PASSWORD, role=Role.admin)
        db.session.commit()
    stranger = Person(office.host)
    token = csrf_token(stranger.get(form_of(office.host)).text)
    fields = {"csrf_token": token, "email": "admin@example.com", "password": PASSWORD}
    assert stranger.client.post("/mail/admin/sign-in", data=fields).status_code == 404
    assert stranger.get(ADMIN).status_code == 401
    endpoints = {rule.endpoint for rule in office.ours.url_map.iter_rules()}
    assert endpoints == MAY_OPEN[Role.admin] - OF_OUR_OPERATORS - OF_OUR_SIGN_UP


@one
def test_the_address_of_an_operator_of_ours_gives_nothing_more(office: Office) -> None:
    with office.ours.app_context():
        roster.create(db.session(), email="same@example.com", password=PASSWORD, role=Role.admin)
        db.session.commit()
    viewer = office.person("viewer", "same@example.com")
    viewer.get(ADMIN)
    answer = viewer.send(f"{SUPPRESSIONS}add", {"email": "stop@example.com", "note": "x"}, form_of(office.host))
    assert answer.status_code == 403
    viewer.get("/mail/admin/people/")
    entries = office.stored(select(AuditEntry).where(AuditEntry.action == "addresses.shown"))
    assert {(entry.actor, entry.operator_id) for entry in entries} == {(f"host:{viewer.key}", None)}


@one
@pytest.mark.parametrize(
    ("answer", "logged"),
    [
        (None, ""), (False, ""), (0, ""), ("", ""),
        (True, "operator_is_none"), ("host:1", "operator_is_none"), (7, "operator_is_none"),
        (lambda: OperatorIdentity("host 1"), "operator_failed"),
        (lambda: OperatorIdentity("ada@example.com"), "operator_failed"),
        (lambda: OperatorIdentity("host:1", role="root"), "operator_failed"),  # type: ignore[arg-type]
        (lambda: request.args["missing"], "operator_failed"),
    ],
)  # fmt: skip
def test_every_other_answer_denies(make_host: Make, caplog: pytest.LogCaptureFixture, answer: Any, logged: str) -> None:
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail", operator=lambda: answer() if callable(answer) else answer)
    assert Person(host).get(ADMIN).status_code == 401
    assert re.findall(r"embedding\.(operator_\w+)", caplog.text) == ([logged] if logged else [])


@one
def test_the_host_sees_a_get_without_a_body(make_host: Make) -> None:
    host, seen = make_host(), []
    host.app.testing = True

    def operator() -> OperatorIdentity:
        seen.append((request.method, request.path, request.script_root, request.get_data(), dict(request.form)))
        return OperatorIdentity("host:1", role="admin")

    host.start(mount="/mail", operator=operator)
    person = Person(host)
    assert person.suppress("stop@example.com").status_code == 303
    assert seen[-1] == ("GET", f"{SUPPRESSIONS}add", "", b"", {})
    assert host.stored(select(Suppression.identity_key)) == ["stop@example.com"]


@one
def test_a_post_needs_the_token_of_this_operator(office: Office) -> None:
    editor, other = office.person("editor"), office.person("admin")
    foreign = csrf_token(other.get(SUPPRESSIONS).text)
    editor.get(SUPPRESSIONS)
    for fields in ({}, {"csrf_token": foreign}, {"csrf_token": "x"}):
        answer = editor.client.post(f"{SUPPRESSIONS}add", data={"email": "stop@example.com", "note": "x", **fields})
        assert answer.status_code == 400
    assert suppressed(office) == []


@one
def test_a_cookie_that_a_stranger_planted_is_of_no_use(office: Office) -> None:
    """A neighbour on the same domain can set a cookie of ours, with a token that they know."""
    stranger, editor = office.person("viewer"), office.person("editor")
    stranger.get(ADMIN)
    token = csrf_token(stranger.get(form_of(office.host)).text)
    name = office.ours.config["SESSION_COOKIE_NAME"]
    planted = stranger.client.get_cookie(name, path="/mail")
    assert planted is not None
    editor.client.set_cookie(name, planted.value, path="/mail")
    answer = editor.client.post(
        f"{SUPPRESSIONS}add", data={"csrf_token": token, "email": "stop@example.com", "note": "x"}
    )
    assert answer.status_code == 400
    assert suppressed(office) == []
    assert editor.suppress("stop@example.com").status_code == 303


@pytest.fixture
def _campaign(office: Office) -> None:
    with office.ours.app_context():
        make_campaign()


@one
@pytest.mark.usefixtures("_campaign")
def test_what_was_typed_survives_the_hosts_sign_out(office: Office) -> None:
    editor = office.person("editor")
    fields = fields_of(editor.get(EDIT).text, '<form class="sheet"')
    fields["title"] = "Long to find"
    editor.sign_out()
    page = editor.client.post(EDIT, data=fields.to_dict(flat=False))
    assert page.status_code == 401
    assert "What you typed is kept on this page" in page.text
    again = fields_of(page.text, "<form")
    # Still signed out: nothing is lost, nothing is saved.
    again = fields_of(editor.client.post(EDIT, data=again.to_dict(flat=False)).text, "<form")
    assert office.stored(select(Campaign.title)) == ["news"]
    editor.sign_in()
    assert editor.client.post(EDIT, data=again.to_dict(flat=False)).status_code == 303
    assert office.stored(select(Campaign.title)) == ["Long to find"]


@one
@pytest.mark.usefixtures("_campaign")
def test_only_a_form_of_the_operators_own_browser_is_shown_again(office: Office) -> None:
    editor, stranger = office.person("editor"), Person(office.host)
    fields = fields_of(editor.get(EDIT).text, '<form class="sheet"').to_dict(flat=False)
    editor.sign_out()
    elsewhere = editor.client.post(EDIT, data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert (elsewhere.status_code, "Send it again" in elsewhere.text) == (401, False)
    token = csrf_token(stranger.get(form_of(office.host)).text)
    answer = stranger.client.post(EDIT, data=fields | {"csrf_token": token})
    assert (answer.status_code, "Send it again" in answer.text) == (401, False)


@one
@pytest.mark.usefixtures("_campaign")
def test_another_operator_in_the_same_browser_saves_nothing_by_accident(office: Office) -> None:
    editor, admin = office.person("editor"), office.person("admin")
    fields = fields_of(editor.get(EDIT).text, '<form class="sheet"')
    fields["title"] = "By the editor"
    editor.key = admin.key
    editor.sign_in()
    answer = editor.client.post(EDIT, data=fields.to_dict(flat=False))
    assert answer.status_code == 400
    assert "This page was too old to be saved" in answer.text
    assert office.stored(select(Campaign.title)) == ["news"]


@one
def test_each_operator_leaves_their_own_traces(office: Office) -> None:
    """Their entries have no key of an operator of ours, by which one could be taken for the other."""
    office.person("a customer")
    people = [office.person("viewer"), office.person("viewer")]
    for person in (*people, people[0]):
        assert person.get("/mail/admin/people/").status_code == 200
    query = select(AuditEntry.actor).where(AuditEntry.action == "addresses.shown")
    assert office.stored(query) == [f"host:{person.key}" for person in people]
    [shown] = re.findall(
        r"host:\d+", people[0].get(f"/mail/admin/audit/?who=host:{people[1].key}").text.partition("<tbody>")[2]
    )
    assert shown == f"host:{people[1].key}"


@one
@pytest.mark.usefixtures("_campaign")
def test_content_names_its_author_and_a_test_goes_to_the_label(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    editor, handed = office.person("editor"), []
    monkeypatch.setattr(
        services_of(office.ours).drafts, "_hand_over", lambda message: handed.append(message) or mail_server.ACCEPTED
    )
    page = editor.get("/mail/admin/content/1/")
    assert "Send a test to editor@shop.example" in page.text
    fields = fields_of(page.text, '<form class="w-desk"')
    fields["subject"] = "Hello"
    sent = editor.client.post("/mail/admin/content/1/test", data=fields.to_dict(flat=False))
    assert "Sent to editor@shop.example." in sent.text
    assert [(email.recipient, email.subject) for email in handed] == [("editor@shop.example", "[Test] Hello")]
    assert editor.client.post("/mail/admin/content/1/save", data=fields.to_dict(flat=False)).status_code == 303
    assert office.stored(select(ContentVersion.author)) == [f"host:{editor.key}"]
    assert f"host:{editor.key}" in editor.get("/mail/admin/content/1/versions").text


@one
@pytest.mark.usefixtures("_campaign")
def test_a_label_that_is_no_address_gets_no_test(make_host: Make, office: Office) -> None:
    editor = office.person("editor", "The editor")
    page = editor.get("/mail/admin/content/1/")
    assert "Send a test" not in page.text
    fields = fields_of(page.text, '<form class="w-desk"')
    refused = editor.client.post("/mail/admin/content/1/test", data=fields.to_dict(flat=False))
    assert refused.status_code == 400
    assert "A test needs your email address" in refused.text


@one
def test_neither_application_changes_who_is_signed_in_to_the_other(office: Office) -> None:
    editor = office.person("editor")
    before = editor.client.get_cookie("session")
    assert editor.suppress("stop@example.com").status_code == 303
    assert editor.client.get_cookie("session") == before
    assert editor.get("/me").text == str(editor.key)


@one
def test_commands_for_operators_say_whose_they_are(office: Office) -> None:
    for words in (("list",), ("create", "a@example.com"), ("role", "a@example.com", "viewer")):
        answer = CliRunner().invoke(build(lambda: office.ours), ["operator", *words])
        assert answer.exit_code == 1
        assert "the operators are those of the application that embeds notifier" in answer.output


def test_without_operator_our_own_sign_in_works_in_the_mount(make_host: Make) -> None:
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail")
    with host.notifier.app.app_context():
        roster.create(db.session(), email="admin@example.com", password=PASSWORD, role=Role.admin)
        db.session.commit()
    person = Person(host)
    assert person.get("/mail/admin/people/").location == "/mail/admin/sign-in?next=/mail/admin/people/"
    fields = {"email": "admin@example.com", "password": PASSWORD, "next": "/mail/admin/people/"}
    answer = person.send("/mail/admin/sign-in", fields, "/mail/admin/sign-in")
    assert answer.location == "/mail/admin/people/"
    assert person.get("/mail/admin/account/").status_code == 200


class Anyone:
    """The host says who makes each request; requests go straight to our application."""

    def __init__(self, host: Host, role: Role | None) -> None:
        host.app.testing = True
        who = None if role is None else OperatorIdentity("host:1", role=role.value, label="Ada")
        host.start(mount="/mail", operator=lambda: who)
        self.app: Flask = one_of_everything(host.notifier.app)
        self.client = self.app.test_client()
        self.form = form_of(host)
        self.open("/admin/", "GET")

    def open(self, path: str, method: str, **options: Any) -> TestResponse:
        return self.client.open(f"/mail{path}", method=method, **options)

    def post(self, path: str) -> TestResponse:
        token = csrf_token(self.client.get(self.form).text)
        return self.open(path, "POST", data={"csrf_token": token, "note": "x", "email": "user1@example.com"})


@pytest.fixture(params=[None, *Role], ids=lambda role: str(role or "visitor"))
def anyone(make_host: Make, request: pytest.FixtureRequest) -> tuple[Anyone, Role | None]:
    return Anyone(make_host(), request.param), request.param


@one
def test_looking_opens_what_is_meant_and_changes_nothing(anyone: tuple[Anyone, Role | None]) -> None:
    here, role = anyone
    before = {name: found for name, found in rows(here.app).items() if name not in TRACES}
    for path, endpoints in addresses(here.app):
        for method in METHODS:
            endpoint = endpoints.get(method)
            with here.open(path, method) as answer:
                if endpoint is None:
                    expected = {405}
                elif method == "OPTIONS" or endpoint in MAY_OPEN[role]:
                    expected = {200} if method == "OPTIONS" else OPENED
                else:
                    expected = {401} if role is None else {403}
                assert answer.status_code in expected, (method, path, answer.status_code)
    assert {name: found for name, found in rows(here.app).items() if name not in TRACES} == before


@one
def test_a_post_does_something_for_those_alone_for_whom_it_is(anyone: tuple[Anyone, Role | None]) -> None:
    here, role = anyone
    posts = [(path, found["POST"]) for path, found in addresses(here.app) if "POST" in found]
    assert len({endpoint for _, endpoint in posts} & EDITORS) > 10
    before = rows(here.app)
    for path, endpoint in posts:
        if endpoint not in MAY_OPEN[role]:
            assert here.post(path).status_code == (401 if role is None else 403), endpoint
    assert rows(here.app) == before
    for path, endpoint in sorted(posts, key=lambda post: post[1] == "admin_people.erase"):
        if endpoint in MAY_OPEN[role]:
            assert here.post(path).status_code in ANSWERED, endpoint
