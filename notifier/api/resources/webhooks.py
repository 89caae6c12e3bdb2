"""Webhooks: endpoints of other applications, what they were sent, and sending it again."""

from datetime import timedelta
from typing import Annotated, ClassVar

from flask import Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.api.answers import answer
from notifier.api.cursors import PageQuery, page
from notifier.api.links import Names
from notifier.api.operation import Resource
from notifier.api.problems import ENDPOINT_DISABLED, NOT_FOUND, Problem, in_body, invalid
from notifier.api.requests import caller
from notifier.api.resources.events import Type
from notifier.api.shapes import Answer, Body, Path, RowId, ShownMoment
from notifier.database.transaction import transaction
from notifier.events import TYPES
from notifier.extensions import db
from notifier.models import WebhookDelivery, WebhookEndpoint
from notifier.operators.audit_log import Actor
from notifier.operators.scopes import Scope
from notifier.services import services
from notifier.webhooks import endpoints
from notifier.webhooks.addresses import LONGEST_URL
from notifier.webhooks.endpoints import EndpointError

resource = Resource("webhooks", "Endpoints that are told what happened, by Standard Webhooks.")


class WebhookPath(Path):
    """The endpoint."""

    id: RowId


class WebhookBody(Body):
    """A new endpoint."""

    url: Annotated[str, Field(max_length=LONGEST_URL, examples=["https://app.example.com/hooks"])]
    types: Annotated[list[Type] | None, Field(min_length=1, description="the events that it gets; null: all")] = None


class TypesBody(Body):
    """What an endpoint gets from now on."""

    types: Annotated[list[Type] | None, Field(min_length=1, description="the events that it gets; null: all")]


class ReplayBody(Body):
    """What is sent again."""

    event: Annotated[RowId | None, Field(description="this event only; null: what failed or was missed")] = None
    hours: Annotated[int, Field(ge=1, le=720, description="how far back to go, without `event`")] = 48
    delivered: Annotated[bool, Field(strict=True, description="also what was delivered, without `event`")] = False


class WebhookAnswer(Answer):
    """An endpoint."""

    names: ClassVar = Names("/webhooks/{id}", "id")

    id: str
    url: str
    types: list[str]
    created_at: ShownMoment
    disabled_at: ShownMoment | None
    disabled_reason: str | None
    last_success_at: ShownMoment | None
    failing_since: ShownMoment | None

    @classmethod
    def of(cls, row: WebhookEndpoint) -> "WebhookAnswer":
        """Return the endpoint of this row."""
        return cls(**_facts(row))


class WebhookSecretAnswer(WebhookAnswer):
    """An endpoint with its secret, which is answered once."""

    secret: str


class WebhookList(Answer):
    """All endpoints."""

    data: list[WebhookAnswer]


class ReplayAnswer(Answer):
    """What is sent again."""

    events: int


class DeliveryAnswer(Answer):
    """What became of one event at one endpoint."""

    event: str
    state: str
    attempts: int
    next_attempt_at: ShownMoment | None
    last_attempt_at: ShownMoment | None
    last_status: int | None
    last_error: str | None

    @classmethod
    def of(cls, row: WebhookDelivery) -> "DeliveryAnswer":
        """Return the delivery of this row."""
        return cls(
            event=str(row.event_id),
            state=row.state,
            attempts=row.attempts,
            next_attempt_at=row.next_attempt_at if row.state == "waiting" else None,
            last_attempt_at=row.last_attempt_at,
            last_status=row.last_status,
            last_error=row.last_error,
        )


class DeliveryPage(Answer):
    """A page of deliveries."""

    data: list[DeliveryAnswer]
    next: str | None


@resource.operation("GET", "/webhooks", scope=Scope.webhooks_write, answers={200: WebhookList})
def list_webhooks() -> Response:
    """List all endpoints, at most 50."""
    return answer(WebhookList(data=[WebhookAnswer.of(each) for each in endpoints.listed(db.session())]))


@resource.operation("POST", "/webhooks", scope=Scope.webhooks_write, answers={201: WebhookSecretAnswer})
def add_webhook(body: WebhookBody) -> Response:
    """Add an endpoint. Its secret is answered this once."""
    try:
        with transaction(db.session) as session:
            row, secret = services().endpoints.add(session, body.url, body.types or TYPES, by=_actor())
            shown = WebhookSecretAnswer(**_facts(row), secret=secret)
    except EndpointError as error:
        raise invalid(in_body("/url", "url", f"{error}")) from None
    return answer(shown, 201)


@resource.operation("GET", "/webhooks/<row:id>", scope=Scope.webhooks_write, answers={200: WebhookAnswer})
def get_webhook(path: WebhookPath) -> Response:
    """Read an endpoint."""
    row = db.session.get(WebhookEndpoint, int(path.id))
    if row is None:
        raise Problem(NOT_FOUND)
    return answer(WebhookAnswer.of(row))


@resource.operation("PUT", "/webhooks/<row:id>", scope=Scope.webhooks_write, answers={200: WebhookAnswer})
def change_webhook(path: WebhookPath, body: TypesBody) -> Response:
    """Change which events an endpoint gets. What it was sent, and what waits, stays."""
    with transaction(db.session) as session:
        row = _locked(session, path)
        services().endpoints.change(session, row, body.types or TYPES, by=_actor())
        return answer(WebhookAnswer.of(row))


@resource.operation("DELETE", "/webhooks/<row:id>", scope=Scope.webhooks_write, answers={204: None})
def remove_webhook(path: WebhookPath) -> Response:
    """Delete an endpoint and the record of what it was sent."""
    with transaction(db.session) as session:
        endpoints.remove(session, _locked(session, path), by=_actor())
    return Response(status=204)


@resource.operation("POST", "/webhooks/<row:id>/rotate", scope=Scope.webhooks_write, answers={200: WebhookSecretAnswer})
def rotate_webhook(path: WebhookPath) -> Response:
    """Make a new secret, which is answered this once. The old one signs as well for 24 hours."""
    with transaction(db.session) as session:
        row = _locked(session, path)
        secret = services().endpoints.rotate(session, row, by=_actor())
        return answer(WebhookSecretAnswer(**_facts(row), secret=secret))


@resource.operation("POST", "/webhooks/<row:id>/enable", scope=Scope.webhooks_write, answers={200: WebhookAnswer})
def enable_webhook(path: WebhookPath) -> Response:
    """Send to a disabled endpoint again, first what waited."""
    with transaction(db.session) as session:
        row = _locked(session, path)
        endpoints.enable(session, row, by=_actor())
        return answer(WebhookAnswer.of(row))


@resource.operation("POST", "/webhooks/<row:id>/disable", scope=Scope.webhooks_write, answers={200: WebhookAnswer})
def disable_webhook(path: WebhookPath) -> Response:
    """Send nothing to an endpoint from now on; the feed keeps what it misses."""
    with transaction(db.session) as session:
        row = _locked(session, path)
        endpoints.disable(session, row, "a program disabled it over HTTP", by=_actor())
        return answer(WebhookAnswer.of(row))


@resource.operation(
    "POST",
    "/webhooks/<row:id>/test",
    scope=Scope.webhooks_write,
    answers={200: WebhookAnswer},
    problems=[ENDPOINT_DISABLED],
)
def send_test_event(path: WebhookPath) -> Response:
    """Send a `webhook.test` event to this endpoint within seconds."""
    with transaction(db.session) as session:
        row = _locked(session, path)
        if row.disabled_at is not None:
            raise Problem(ENDPOINT_DISABLED)
        endpoints.send_test(session, row, by=_actor())
        return answer(WebhookAnswer.of(row))


@resource.operation(
    "POST",
    "/webhooks/<row:id>/replay",
    scope=Scope.webhooks_write,
    answers={200: ReplayAnswer},
    problems=[ENDPOINT_DISABLED],
)
def replay_events(path: WebhookPath, body: ReplayBody) -> Response:
    """Send events again: those that failed, and those that the endpoint missed while it was disabled."""
    since, event = clock.now() - timedelta(hours=body.hours), None if body.event is None else int(body.event)
    with transaction(db.session) as session:
        row = _locked(session, path)
        if row.disabled_at is not None:
            raise Problem(ENDPOINT_DISABLED)
        number = endpoints.replay(session, row, by=_actor(), event_id=event, since=since, delivered=body.delivered)
    return answer(ReplayAnswer(events=number))


@resource.operation("GET", "/webhooks/<row:id>/deliveries", scope=Scope.webhooks_write, answers={200: DeliveryPage})
def list_deliveries(path: WebhookPath, query: PageQuery) -> Response:
    """List what an endpoint was sent, the newest events first."""
    if db.session.get(WebhookEndpoint, int(path.id)) is None:
        raise Problem(NOT_FOUND)
    key = WebhookDelivery.event_id
    mine = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == int(path.id)).order_by(key.desc())
    if query.after is not None:
        mine = mine.where(key < query.after)
    rows, following = page(db.session(), mine, query, lambda row: int(row.event_id))
    return answer(DeliveryPage(data=[DeliveryAnswer.of(each) for each in rows], next=following))


def _locked(session: Session, path: WebhookPath) -> WebhookEndpoint:
    try:
        return endpoints.find(session, int(path.id))
    except EndpointError:
        raise Problem(NOT_FOUND) from None


def _actor() -> Actor:
    """Return who the audit log names: the key, of which operators know the rest."""
    return Actor(f"API key {caller().key_id}")


def _facts(row: WebhookEndpoint) -> dict[str, object]:
    names = (
        "url", "types", "created_at", "disabled_at", "disabled_reason", "last_success_at", "failing_since",
    )  # fmt: skip
    return {"id": str(row.id)} | {name: getattr(row, name) for name in names}
