"""What keeps the API apart from the pages: no cookie, no CORS, no CSRF token; and no key opens a page."""

import pytest
from flask import Flask

from notifier.app import ready
from notifier.extensions import db
from notifier.models import Role
from notifier.operators import roster
from notifier.page_extensions import csrf
from notifier.testing.operators import PASSWORD, Desk
from tests.api.conftest import Api
from tests.support.one_database import database_url

__all__ = ["database_url"]


def test_the_api_sets_no_cookie_and_reads_none(api: Api, app: Flask) -> None:
    answer = Api(app, None)("GET", "/users", Cookie=f"notifier={api.key}; session=x")
    assert answer.status_code == 401
    for path in ("/users", "/docs", "/openapi.json", "/nothing"):
        assert "Set-Cookie" not in api("GET", path).headers


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT"])
def test_no_other_site_may_read_an_answer(api: Api, method: str) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    answer = api(method, "/users/u1", {} if method == "PUT" else None, **asked)
    assert [name for name, _ in answer.headers if name.lower().startswith("access-control")] == []


def test_answers_are_kept_by_no_cache(api: Api) -> None:
    for path in ("/users", "/nothing"):
        assert api("GET", path).headers["Cache-Control"] == "no-store"


def test_pages_take_no_key(api: Api, app: Flask) -> None:
    answer = app.test_client().get("/admin/", headers={"Authorization": f"Bearer {api.key}"})
    assert answer.status_code == 302
    assert "sign-in" in answer.headers["Location"]


def test_an_operators_session_opens_nothing_here(app: Flask) -> None:
    with app.app_context():
        roster.create(db.session(), email="admin@example.com", password=PASSWORD, role=Role.admin)
        db.session.commit()
    desk = Desk(app)
    desk.sign_in()
    assert desk.get("/admin/").status_code == 200
    assert desk.get("/v1/users").status_code == 401


def test_webhooks_stay_where_they_were(app: Flask) -> None:
    answer = app.test_client().post("/v1/inbound/nothing")
    assert (answer.status_code, answer.get_json()) == (404, {"message": "This webhook is not configured."})


def test_three_things_need_no_csrf_token(app: Flask) -> None:
    """One-click unsubscribing, webhooks, and the API, which is another application without any cookie."""
    assert csrf._exempt_views == {"notifier.web.consent.unsubscribe", "notifier.web.inbound.receive"}
    assert csrf._exempt_blueprints == set()
    below = {rule.endpoint for rule in ready(app).url_map.iter_rules() if rule.rule.startswith("/v1")}
    assert below == {"inbound.receive"}
