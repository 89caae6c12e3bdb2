"""Roles, rules and methods: each rule of the whole URL map, by every method, for a visitor and for each role."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.exceptions import MethodNotAllowed

from notifier.app import ready
from notifier.models import Role
from notifier.testing.operators import Desk
from tests.admin.test_authz import rows, world
from tests.support.authz import ADMINS, ARGUMENTS, EDITORS, EVERYONE, MAY_OPEN, VIEWERS

__all__ = ["world"]

#: What differs between databases is tried in test_authz.py.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
#: These refuse a password or code that is wrong, whoever asks.
ASK_AGAIN = {
    "sign_in.check", "sign_in.check_code", "admin_account.recovery_codes", "admin_account.enable",
    "admin_account.disable", "admin_account.password",
}  # fmt: skip
#: Answers of posts that say nothing, so that most are told what is missing.
ANSWERED = {200, 302, 303, 400, 404, 409, 410, 422}
#: Answers of pages to people who may open them: a made-up token or file is a 404, a link that has ended a 410.
OPENED = {200, 302, 404, 410}
#: Kept by looking: when a session was last used, and who took an export along.
TRACES = {"notifier_operator_sessions", "notifier_audit_entries"}
#: After these the session is over, or the person is gone: last.
ENDS = (
    "admin_people.erase", "admin_account.password", "admin_operators.disable", "admin_operators.role",
    "sign_in.sign_out",
)  # fmt: skip


def addresses(app: Flask) -> Iterator[tuple[str, dict[str, str]]]:
    """Each address of the map, with the endpoint that answers each method there."""
    with ready(app).test_request_context():
        adapter = app.url_map.bind("notifier.test")
        paths = {
            adapter.build(rule.endpoint, {name: ARGUMENTS[name] for name in rule.arguments}, method)
            for rule in app.url_map.iter_rules()
            for method in rule.methods or ()
        }
        for path in sorted(paths):
            found = {}
            for method in (*METHODS, "POST"):
                try:
                    found[method] = adapter.match(path, method)[0]
                except MethodNotAllowed:
                    continue
            yield path, found


def sitting(app: Flask, desk: Callable[..., Desk], role: Role | None) -> Desk:
    return Desk(app) if role is None else desk(role)


each_role = pytest.mark.parametrize("role", [None, *Role], ids=lambda role: str(role or "visitor"))


def test_every_rule_says_here_for_whom_it_is(app: Flask) -> None:
    declared = [*EVERYONE, *VIEWERS, *EDITORS, *ADMINS]
    assert len(declared) == len(set(declared))
    assert {rule.endpoint for rule in ready(app).url_map.iter_rules()} == set(declared)


@each_role
def test_looking_by_any_method_opens_what_is_meant_and_changes_nothing(
    world: Flask, desk: Callable[..., Desk], role: Role | None
) -> None:
    here = sitting(world, desk, role)
    before = {name: found for name, found in rows(world).items() if name not in TRACES}
    for path, endpoints in addresses(world):
        # GET as an operator is tried in test_authz.py, on both databases; HEAD runs the same page.
        for method in METHODS if role is None else METHODS[1:]:
            with here.client.open(
                path, method=method, base_url=f"http://{here.host}", environ_base=here.environ
            ) as answer:
                _judge(answer.status_code, f"{method} {path}", endpoints.get(method), method, role)
                assert method != "HEAD" or answer.data == b""
    assert {name: found for name, found in rows(world).items() if name not in TRACES} == before


def _judge(status: int, what: str, endpoint: str | None, method: str, role: Role | None) -> None:
    if endpoint is None:
        assert status == 405, what
    elif method == "OPTIONS":
        # Flask's own: the methods of the address, which say nothing about what is there.
        assert status == 200, what
    elif endpoint in MAY_OPEN[role]:
        assert status in OPENED, what
    elif role is None:
        assert status in {302, 401}, what
    else:
        assert status == 403, what


@each_role
def test_a_post_does_something_for_those_alone_for_whom_it_is(
    world: Flask, desk: Callable[..., Desk], role: Role | None
) -> None:
    here = sitting(world, desk, role)
    posts = [(path, found["POST"]) for path, found in addresses(world) if "POST" in found]
    token = here.token("/signup")
    forbidden = [(path, endpoint) for path, endpoint in posts if endpoint not in MAY_OPEN[role]]
    before = rows(world)
    for path, endpoint in forbidden:
        answer = here.post(path, {"csrf_token": token, "note": "x", "email": "user1@example.com"})
        assert answer.status_code in ({401} if role is None else {403}), endpoint
    kept = {name: found for name, found in before.items() if name != "notifier_operator_sessions"}
    assert {name: found for name, found in rows(world).items() if name != "notifier_operator_sessions"} == kept
    last = {endpoint: place for place, endpoint in enumerate(ENDS, 1)}
    for path, endpoint in sorted(set(posts) - set(forbidden), key=lambda pair: (last.get(pair[1], 0), pair)):
        answer = here.post(path, {"csrf_token": here.token("/signup"), "note": "x", "email": "user1@example.com"})
        allowed = ANSWERED | ({401, 403} if endpoint in ASK_AGAIN else set())
        assert answer.status_code in allowed, (endpoint, answer.status_code)
