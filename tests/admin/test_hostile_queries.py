"""Every GET of the URL map, with names and values in its query that no page of ours ever makes."""

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Flask

from notifier.admin.kit.listing import link
from notifier.app import ready
from notifier.testing.operators import Desk
from tests.support.applications import make_owed
from tests.support.campaigns import make_campaign, start_run

#: Names that Flask's `url_for`, Werkzeug's adapter or a view of ours gives to its own arguments.
TAKEN = (
    "endpoint", "_external", "_anchor", "_method", "_scheme", "values", "self", "cls", "name", "args", "kwargs",
    "query_args", "force_external", "append_unknown", "url_scheme", "filename", "pk", "token", "job", "decision",
    "changes",
)  # fmt: skip
#: Names that lists and exports read.
READ = (
    "email", "id", "status", "state", "kind", "campaign", "run", "name", "object", "object_id", "action", "operator",
    "host", "reason", "provider", "which", "before", "after", "page", "page_size", "days",
)  # fmt: skip
NUL, ODD = "\0", "\x1b]0;t\x07\u202e\ufffe\U0010ffff"
BROKEN = ("%ff=%ff&email=%ed%a0%80&%=%&%zz", "%00=%00", "&&==&a[]=1&a[]=2")
ARGUMENTS = {"pk": 1, "job": "sweep", "decision": "again", "token": "x", "filename": "x", "form": "json"}

#: Its page is made by a process of its own, which takes a second each time.
DEAR = "admin_content.look"


def named(value: str) -> str:
    """Return a query with every name that is taken. Pages of a list link to the one before, because of the key."""
    return "before=99&" + "&".join(f"{name}={quote(value, safe='')}" for name in TAKEN)


def queries(endpoint: str) -> Iterator[str]:
    """Yield what the page of `endpoint` is asked with."""
    yield named("x")
    if endpoint == DEAR:
        return
    yield from (named(ODD), named("9" * 30), *BROKEN)
    if endpoint.startswith("admin_") and endpoint.endswith((".index", ".export")):
        # One at a time: a page ends at the first argument that it refuses.
        yield from (f"{name}={quote(value, safe='')}" for name in READ for value in (NUL, ODD))


@pytest.fixture
def world(app: Flask) -> Flask:
    """One of everything, with the key 1."""
    with app.app_context():
        make_owed(1)
        start_run(make_campaign())
    return app


def pages(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield (endpoint, path) of each GET."""
    with ready(app).test_request_context():
        adapter = app.url_map.bind("notifier.test")
        for rule in app.url_map.iter_rules():
            if "GET" in (rule.methods or ()):
                yield rule.endpoint, adapter.build(rule.endpoint, {name: ARGUMENTS[name] for name in rule.arguments})


def test_no_query_is_a_fault(world: Flask, desk: Callable[..., Desk]) -> None:
    here, asked = desk(), 0
    for endpoint, path in pages(world):
        for query in queries(endpoint):
            answer = here.get(f"{path}?{query}", buffered=True)
            answer.close()
            asked += 1
            assert answer.status_code < 500, (path, query)
    assert asked > 500


def test_a_link_keeps_every_argument_of_its_page(sqlite_app: Flask) -> None:
    with ready(sqlite_app).test_request_context(f"/admin/notifications/?{named('x')}"):
        found = urlsplit(link(before=None, after=7))
    assert (found.scheme, found.netloc, found.path, found.fragment) == ("", "", "/admin/notifications/", "")
    assert parse_qs(found.query) == {name: ["x"] for name in TAKEN} | {"after": ["7"]}
