"""The links of the document reach real objects: each is followed, and every answer is one that the document has."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
import schemathesis
from flask import Flask

from notifier.extensions import db
from notifier.models import Suppression, User
from notifier.operators.scopes import Scope
from notifier.testing.factories import make_campaign, make_people
from tests.api.conftest import count, make_key, operations
from tests.support.campaigns import expand

BEFORE = "2026-01-01T00:00:00Z"
ADA = {"email": "ada@example.com", "name": "Ada", "verified_at": BEFORE}
DECIDED = {"news": {"wanted": False}, "evidence": {"source": "settings", "time": BEFORE}}


class Step(NamedTuple):
    """A request, and what its answer must be."""

    operation: str
    status: int
    body: Any = None
    headers: Mapping[str, str] = {}
    query: Mapping[str, Any] = {}
    media: str = "application/json"


#: Each begins with a request that makes or lists something; the others follow the links of its answer.
WALKS = {
    "users": [
        Step("put_user", 201, ADA), Step("get_user", 200), Step("put_user", 200, ADA | {"name": "Ada L."}),
        Step("get_preferences", 200), Step("put_preferences", 200, DECIDED), Step("why_user", 200),
        Step("export_user", 200), Step("delete_user", 204), Step("get_user", 404), Step("put_user", 409, ADA),
        Step("delete_user", 204),
    ],
    "notifications": [
        Step(
            "send_notification", 201, {"to": ADA | {"id": "ada"}, "kind": "security_message", "data": {"subject": "s"}},
            {"Idempotency-Key": "a"},
        ),
        Step("get_notification", 200), Step("cancel_notification", 200), Step("cancel_notification", 200),
    ],
    "suppressions": [
        Step("add_suppression", 201, {"email": "bo@example.com", "note": "asked"}),
        Step("lift_suppression", 204), Step("lift_suppression", 404),
    ],
    "webhooks": [
        Step("add_webhook", 201, {"url": "https://hooks.example.com/"}), Step("get_webhook", 200),
        Step("change_webhook", 200, {"types": ["run.paused"]}),
        Step("send_test_event", 200), Step("replay_events", 200, {"hours": 1}), Step("list_deliveries", 200),
        Step("rotate_webhook", 200), Step("disable_webhook", 200), Step("send_test_event", 409),
        Step("replay_events", 409, {}), Step("enable_webhook", 200), Step("remove_webhook", 204),
        Step("get_webhook", 404), Step("remove_webhook", 404),
    ],
    "campaigns": [Step("list_campaigns", 200), Step("get_campaign", 200), Step("plan_campaign", 200)],
    "runs": [
        Step("plan_campaign", 200), Step("run_campaign", 201), Step("get_run", 200), Step("audit_run", 200),
        Step("pause_run", 200), Step("resume_run", 200), Step("cancel_run", 200), Step("resume_run", 409),
        Step("get_run", 200), Step("audit_run", 200),
    ],
    "activities": [
        Step("record_activity", 201, {"to": "ben", "kind": "like", "id": "1"}), Step("get_user", 200),
    ],
    "imports": [Step("import_file", 200, "external_id,email\nada,a@example.com\n", {}, {"kind": "people"}, "text/csv")],
}  # fmt: skip


class Walker:
    """Follows links of the document, and checks every answer by it."""

    def __init__(self, app: Flask) -> None:
        key = make_key(app, *Scope)
        self.schema: Any = schemathesis.openapi.from_wsgi("/v1/openapi.json", app)
        self.headers = {"Authorization": f"Bearer {key}"}
        #: What the newest answers lead to: by operation, the values for its path and its body.
        self.open: dict[str, tuple[dict[str, str], dict[str, Any]]] = {}
        self.followed: set[str] = set()

    def take(self, step: Step) -> None:
        operation = self.schema.find_operation_by_id(step.operation)
        path, linked = self.open.get(step.operation, (FIRST.get(step.operation, {}), {}))
        if step.operation in self.open:
            self.followed.add(step.operation)
        body = schemathesis.core.NOT_SET if step.body is None else step.body
        if linked:
            body = {**linked, **(step.body or {})}
        case = operation.Case(
            path_parameters=path, body=body, headers={**self.headers, **step.headers}, query=dict(step.query),
            media_type=step.media,
        )  # fmt: skip
        answer = case.call()
        case.validate_response(answer)
        assert answer.status_code == step.status, (step, answer.text)
        if step.status < 300:
            documented = operation.definition.raw["responses"][str(step.status)].get("links", {})
            found = dict(self._targets(documented, answer))
            self.open |= found

    def _targets(self, links: Mapping[str, Any], answer: Any) -> Iterator[tuple[str, Any]]:
        for link in links.values():
            values = {name.removeprefix("path."): self._value(at, answer) for name, at in link["parameters"].items()}
            body = {name: self._value(at, answer) for name, at in link.get("requestBody", {}).items()}
            yield link["operationId"], (values, body)

    def _value(self, expression: str, answer: Any) -> Any:
        found = answer.json()
        for step in expression.removeprefix("$response.body#/").split("/"):
            found = found[int(step) if isinstance(found, list) else step]
        return found


#: Ids of the caller's own choice.
FIRST = {"put_user": {"external_id": "ada"}, "plan_campaign": {"name": "news"}}


@pytest.mark.parametrize("name", WALKS)
def test_links_lead_to_what_exists(app: Flask, name: str) -> None:
    with app.app_context():
        make_people(3)
        make_campaign("news")
        db.session.add(User(email="ben@example.com", identity_key="ben@example.com", external_id="ben"))
        db.session.commit()
    walker = Walker(app)
    for step in WALKS[name]:
        walker.take(step)
        if step.operation == "run_campaign":
            with app.app_context():
                expand(int(walker.open["get_run"][0]["id"]))
    assert {step.operation for step in WALKS[name][1:]} <= walker.followed
    assert count(app, Suppression) == 0


def test_every_operation_on_one_object_is_reached_by_a_link(spec: Mapping[str, Any]) -> None:
    """Activities and imports end where they begin."""
    linked = {
        link["operationId"]
        for _, _, each in operations(spec)
        for answer in each["responses"].values()
        for link in answer.get("links", {}).values()
    }
    assert linked == {each["operationId"] for _, path, each in operations(spec) if "{" in path}
    walked = {step.operation for walk in WALKS.values() for step in walk}
    assert linked <= walked
