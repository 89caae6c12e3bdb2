"""Manage endpoints: add, rotate, disable, enable, remove, test, replay. Every change is in the audit log."""

import base64
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier import clock
from notifier.events import TYPES, EventType, record
from notifier.models import DeliveryState, Event, WebhookDelivery, WebhookEndpoint
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor
from notifier.security.sealing import Sealer
from notifier.security.standard_webhooks import PREFIX
from notifier.webhooks.addresses import BadUrl, checked_url

#: Bytes of a secret.
_SECRET_BYTES = 32

#: How long the secret before the present one still signs after a rotation.
BOTH_SIGN = timedelta(hours=24)

#: Endpoints at most: each event is stored once for each of them.
MOST = 50

_D = WebhookDelivery


class EndpointError(ValueError):
    """The change is not possible; the message says why."""


class Endpoints:
    """The endpoints of one application. The caller commits."""

    def __init__(self, sealer: Sealer, *, loopback: bool = False) -> None:
        """Seal secrets with `sealer`. `loopback`: this machine may be an endpoint; for development."""
        self._sealer = sealer
        self._loopback = loopback

    def add(
        self, session: Session, url: str, types: Collection[str], *, by: Actor, secret: str = ""
    ) -> tuple[WebhookEndpoint, str]:
        """Add an endpoint for events of `types`. Return it and its secret, which is shown once. Raise EndpointError."""
        try:
            checked_url(url, loopback=self._loopback)
        except BadUrl as error:
            raise EndpointError(str(error)) from None
        wanted = checked_types(types)
        if session.scalars(select(func.count()).select_from(WebhookEndpoint)).one() >= MOST:
            raise EndpointError(f"there are {MOST} endpoints already: remove one first")
        secret = secret or new_secret()
        endpoint = WebhookEndpoint(url=url, types=wanted, secret=self._sealer.seal(secret))
        session.add(endpoint)
        session.flush()
        _record(session, by, "webhook.added", endpoint, after={"types": wanted})
        return endpoint, secret

    def change(self, session: Session, endpoint: WebhookEndpoint, types: Collection[str], *, by: Actor) -> None:
        """Let an endpoint have events of these types from now on. Raise EndpointError."""
        wanted = checked_types(types)
        _record(session, by, "webhook.changed", endpoint, before={"types": endpoint.types}, after={"types": wanted})
        endpoint.types = wanted
        session.flush()

    def rotate(self, session: Session, endpoint: WebhookEndpoint, *, by: Actor) -> str:
        """Give an endpoint a new secret, and return it. The present one signs as well, for BOTH_SIGN."""
        secret = new_secret()
        endpoint.previous_secret, endpoint.secret = endpoint.secret, self._sealer.seal(secret)
        endpoint.previous_until = clock.now() + BOTH_SIGN
        session.flush()
        _record(session, by, "webhook.secret_rotated", endpoint)
        return secret

    def secrets_of(self, endpoint: WebhookEndpoint, now: datetime) -> list[str]:
        """Return the secrets that sign at `now`, the present one first. Raise SealError."""
        sealed = [endpoint.secret]
        if endpoint.previous_secret and endpoint.previous_until and endpoint.previous_until > now:
            sealed.append(endpoint.previous_secret)
        return [self._sealer.open(each) for each in sealed]


def new_secret() -> str:
    """Return a random secret in the form of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def checked_types(types: Collection[str]) -> list[str]:
    """Return these types, sorted. Raise EndpointError if one is unknown, or if there are none."""
    unknown = sorted(set(types) - set(TYPES))
    if unknown:
        raise EndpointError(f"{unknown[0]} is not a type of event: choose of {', '.join(TYPES)}")
    if not types:
        raise EndpointError("choose one type of event or more")
    return sorted(set(types))


def listed(session: Session) -> Sequence[WebhookEndpoint]:
    """Return all endpoints, the oldest first."""
    return session.scalars(select(WebhookEndpoint).order_by(WebhookEndpoint.id)).all()


def find(session: Session, pk: int) -> WebhookEndpoint:
    """Return an endpoint, locked until the transaction ends. Raise EndpointError."""
    found = session.get(WebhookEndpoint, pk, with_for_update=True, populate_existing=True)
    if found is None:
        raise EndpointError(f"there is no endpoint {pk}: `notifier webhooks list` shows all")
    return found


def disable(session: Session, endpoint: WebhookEndpoint, reason: str, *, by: Actor) -> bool:
    """Send an endpoint nothing from now on. Return False if it is disabled already."""
    if endpoint.disabled_at is not None:
        return False
    endpoint.disabled_at, endpoint.disabled_reason = clock.now(), reason[:200]
    session.flush()
    _record(session, by, "webhook.disabled", endpoint, after={"reason": reason[:200]})
    return True


def enable(session: Session, endpoint: WebhookEndpoint, *, by: Actor) -> bool:
    """Send to an endpoint again: first what waited. Return False if it was not disabled.

    Events from the time when it was disabled are not sent by themselves: `replay` does that.
    """
    if endpoint.disabled_at is None:
        return False
    now = clock.now()
    _record(session, by, "webhook.enabled", endpoint, before={"reason": endpoint.disabled_reason})
    endpoint.disabled_at, endpoint.disabled_reason, endpoint.next_call_at = None, None, now
    endpoint.failures, endpoint.failing_since = 0, None
    waiting = update(_D).where(_D.endpoint_id == endpoint.id, _D.state == DeliveryState.waiting.value)
    session.execute(waiting.values(next_attempt_at=now).execution_options(synchronize_session=False))
    session.flush()
    return True


def remove(session: Session, endpoint: WebhookEndpoint, *, by: Actor) -> None:
    """Delete an endpoint and the record of what it was sent."""
    _record(session, by, "webhook.removed", endpoint, before={"types": endpoint.types})
    session.execute(delete(_D).where(_D.endpoint_id == endpoint.id).execution_options(synchronize_session=False))
    session.delete(endpoint)
    session.flush()


def send_test(session: Session, endpoint: WebhookEndpoint, *, by: Actor) -> None:
    """Let a `webhook.test` event be sent to this endpoint only, as every other event is."""
    record(session, [(EventType.webhook_test, {"endpoint": endpoint.id})], at=clock.now())
    _record(session, by, "webhook.tested", endpoint)


def replay(
    session: Session,
    endpoint: WebhookEndpoint,
    *,
    by: Actor,
    event_id: int | None = None,
    since: datetime | None = None,
    delivered: bool = False,
) -> int:
    """Send events again, with all tries. Return how many. Raise EndpointError if the endpoint is disabled.

    Args:
        by: Who asked for it.
        event_id: This event only, also if it was delivered.
        since: All events of the endpoint's types that were published since, also those that it was never sent.
        delivered: With `since`: those that were delivered, too.
    """
    if endpoint.disabled_at is not None:
        raise EndpointError("the endpoint is disabled: enable it first")
    chosen: tuple[ColumnElement[bool], ...]
    if event_id is not None:
        chosen, delivered = (Event.id == event_id,), True
    else:
        assert since is not None
        chosen = (Event.published_at >= since, Event.type.in_(endpoint.types))
    now = clock.now()
    begin = (literal(DeliveryState.waiting.value), literal(0), literal(now, _D.next_attempt_at.type))
    rows = select(literal(endpoint.id), Event.id, *begin).where(*chosen)
    again: dict[str, Any] = {"state": DeliveryState.waiting.value, "attempts": 0, "next_attempt_at": now}
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(_D).from_select(
        ["endpoint_id", "event_id", "state", "attempts", "next_attempt_at"], rows, include_defaults=False
    )
    only = None if delivered else _D.state != DeliveryState.delivered.value
    statement = statement.on_conflict_do_update(index_elements=["endpoint_id", "event_id"], set_=again, where=only)
    # Without it, psycopg counts no rows of an INSERT.
    result = session.connection().execute(statement, execution_options={"preserve_rowcount": True})
    endpoint.next_call_at = now
    _record(session, by, "webhook.replayed", endpoint, after={"events": result.rowcount})
    return int(result.rowcount)


def _record(session: Session, by: Actor, action: str, endpoint: WebhookEndpoint, **values: Any) -> None:
    audit_log.record(session, by, action, object_type="webhook", object_id=endpoint.id, **values)
