"""The feed of events, and endpoints over HTTP."""

from collections.abc import Callable
from typing import get_args

import pytest
from flask import Flask

from notifier.api.resources.events import Type
from notifier.events import TYPES, EventType, record
from notifier.extensions import db
from notifier.services import services_of
from notifier.testing.clocks import NOON
from tests.api.conftest import Api, code_of, mistakes_of
from tests.support.one_database import database_url

__all__ = ["database_url"]

pytestmark = pytest.mark.usefixtures("frozen")

URL = "https://hooks.example/in"


def paused(app: Flask, number: int) -> None:
    """Write down that runs were paused, and publish it."""
    with app.app_context():
        record(db.session(), [(EventType.run_paused, {"id": each}) for each in range(number)], at=NOON)
        db.session.commit()
        services_of(app).publishing.run()


def test_the_types_of_the_document_are_those_that_there_are() -> None:
    assert get_args(Type) == TYPES


def test_a_key_that_may_read_the_feed_is_reason_enough_to_keep_it(app: Flask, client_with: Callable[..., Api]) -> None:
    paused(app, 1)
    api = client_with("events:read")
    assert api("GET", "/events").get_json() == {"data": [], "next": "0"}
    paused(app, 3)
    first = api("GET", "/events?limit=2").get_json()
    assert [each["data"]["id"] for each in first["data"]] == [0, 1]
    assert first["data"][0] | {"webhook_id": ""} == {
        "id": "1", "webhook_id": "", "type": "run.paused", "timestamp": "2026-11-20T12:00:00Z", "data": {"id": 0},
    }  # fmt: skip
    rest = api("GET", f"/events?after={first['next']}").get_json()
    assert ([each["id"] for each in rest["data"]], rest["next"]) == (["3"], "3")
    assert api("GET", f"/events?after={rest['next']}").get_json() == {"data": [], "next": "3"}
    # No other request looks through these events again.
    assert api("GET", "/events?type=run.finished").get_json() == {"data": [], "next": "3"}
    assert api("GET", "/events?after=7&type=run.finished").get_json() == {"data": [], "next": "7"}
    assert list(mistakes_of(api("GET", "/events?after=-1"))) == ["after"]


def test_an_endpoint_over_http(app: Flask, client_with: Callable[..., Api]) -> None:
    api = client_with("webhooks:write")
    made = api("POST", "/webhooks", {"url": URL, "types": ["run.paused"]})
    assert made.status_code == 201
    assert made.get_json()["secret"].startswith("whsec_")
    (shown,) = api("GET", "/webhooks").get_json()["data"]
    assert "secret" not in shown
    assert shown == api("GET", f"/webhooks/{shown['id']}").get_json()
    assert (shown["url"], shown["types"]) == (URL, ["run.paused"])
    here = f"/webhooks/{shown['id']}"
    assert api("POST", f"{here}/rotate").get_json()["secret"] != made.get_json()["secret"]
    assert api("POST", f"{here}/test").status_code == 200
    paused(app, 3)
    pages = api("GET", f"{here}/deliveries?limit=3").get_json()
    assert [each["event"] for each in pages["data"]] == ["4", "3", "2"]
    rest = api("GET", f"{here}/deliveries?cursor={pages['next']}").get_json()
    assert [each["event"] for each in rest["data"]] == ["1"]
    assert api("POST", f"{here}/replay", {}).get_json() == {"events": 3}
    assert api("POST", f"{here}/replay", {"event": "1"}).get_json() == {"events": 1}
    changed = api("PUT", here, {"types": ["run.finished"]}).get_json()
    assert (changed["types"], changed["url"]) == (["run.finished"], URL)
    paused(app, 1)
    assert len(api("GET", f"{here}/deliveries").get_json()["data"]) == 4
    assert set(api("PUT", here, {"types": None}).get_json()["types"]) == set(TYPES)
    assert api("POST", f"{here}/disable").get_json()["disabled_reason"] == "a program disabled it over HTTP"
    for path in ("test", "replay"):
        refused = api("POST", f"{here}/{path}", {} if path == "replay" else None)
        assert (refused.status_code, code_of(refused)) == (409, "endpoint-disabled")
    assert api("POST", f"{here}/enable").get_json()["disabled_at"] is None
    assert api("DELETE", here).status_code == 204
    assert {api(method, here).status_code for method in ("GET", "DELETE")} == {404}
    assert api("PUT", here, {"types": ["run.paused"]}).status_code == 404


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"url": "http://hooks.example/"}, "#/url"),
        ({"url": "https://169.254.169.254/"}, "#/url"),
        ({"url": URL, "types": ["x"]}, "#/types/0"),
        ({"url": URL, "types": []}, "#/types"),
    ],
)  # fmt: skip
def test_mistakes_have_a_place(client_with: Callable[..., Api], body: dict[str, object], place: str) -> None:
    assert list(mistakes_of(client_with("webhooks:write")("POST", "/webhooks", body))) == [place]
