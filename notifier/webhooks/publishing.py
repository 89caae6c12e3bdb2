"""Turn drafts into events of the feed, and into deliveries for the endpoints that want them.

An application that reads the feed asks for events `after` the last id that it knows. If the transactions of emails took
those ids, one that commits late would bring an id below what that application has already passed, and it would miss the
event. So they only leave drafts, and one publisher at a time gives the ids: it holds a lock until its transaction has
ended, so ids become visible in their order, and a gap between two of them never fills. Drafts that commit late get
later ids.
A horizon of transaction ids (`xmin`) would need no publisher, but it is not the same after a restore from a dump, and
any long transaction of the database, also of an application that embeds us, would hold up the feed.
"""

import json
import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import and_, delete, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.consent.suppressions import users_of
from notifier.database.keys import among
from notifier.database.listed import ROWS, as_text, rows_of
from notifier.database.transaction import transaction
from notifier.events import EventType, wanted_types
from notifier.models import (
    DeliveryState,
    Event,
    EventDraft,
    Notification,
    Suppression,
    User,
    WebhookDelivery,
    WebhookEndpoint,
)

#: Drafts published in one transaction: with settled batches in them, some 5,000 events.
DRAFTS = 20

#: The advisory lock of the publisher on Postgres. An arbitrary number. SQLite has one writer at a time.
PUBLISHER_LOCK = 7_308_613_709_902_001


class _Made(NamedTuple):
    """An event to store."""

    type: str
    at: datetime
    data: dict[str, Any]


class Publishing:
    """Publish drafts, in short transactions of its own."""

    def __init__(self, session: Callable[[], Session], *, drafts: int = DRAFTS) -> None:
        """Publish `drafts` of them in one transaction."""
        self._session = session
        self._drafts = drafts

    def run(self) -> int:
        """Publish all drafts. Return the number of events. Another publisher that is at work makes it 0."""
        total = 0
        while True:
            with transaction(self._session) as session:
                if not _alone(session):
                    return total
                drafts = session.scalars(select(EventDraft).order_by(EventDraft.id).limit(self._drafts)).all()
                total += _publish(session, drafts)
            if len(drafts) < self._drafts:
                return total


def _alone(session: Session) -> bool:
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(PUBLISHER_LOCK))))


def _publish(session: Session, drafts: Sequence[EventDraft]) -> int:
    if not drafts:
        return 0
    endpoints = session.scalars(select(WebhookEndpoint).order_by(WebhookEndpoint.id)).all()
    wanted = wanted_types(session.connection(), clock.now()) | {EventType.webhook_test.value}
    made = [
        _Made(name, draft.at, facts) for draft in drafts for name, facts in json.loads(draft.items) if name in wanted
    ]
    # No other publisher stores events meanwhile, so those above this id are ours.
    before = session.scalar(select(func.max(Event.id))) or 0
    _store(session, _completed(session, made))
    for endpoint in endpoints:
        if endpoint.disabled_at is None:
            _add_deliveries(session, endpoint, before)
    session.execute(delete(EventDraft).where(among(session, EventDraft.id, [each.id for each in drafts])))
    return len(made)


def _store(session: Session, made: Sequence[_Made]) -> None:
    if not made:
        return
    now = clock.now()
    rows = [{"uid": secrets.token_urlsafe(15), "published_at": now, **each._asdict()} for each in made]
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(_TOGETHER, {ROWS: as_text(rows)})
    else:
        connection.execute(insert(_TABLE), rows)


_TABLE = cast("Any", Event.__table__)
_NAMES = ("uid", "published_at", "type", "at", "data")
_LISTED = rows_of({name: _TABLE.c[name].type for name in _NAMES})
#: Thousands of rows as parameters of their own would take longer to write into the statement than to store.
_TOGETHER = insert(_TABLE).from_select(_NAMES, select(*(_LISTED.c[name] for name in _NAMES)), include_defaults=False)


def _add_deliveries(session: Session, endpoint: WebhookEndpoint, before: int) -> None:
    now = literal(clock.now(), WebhookDelivery.next_attempt_at.type)
    tests = and_(Event.type == EventType.webhook_test.value, Event.data["endpoint"].as_integer() == endpoint.id)
    wanted = (Event.id > before, or_(Event.type.in_(endpoint.types), tests))
    rows = select(literal(endpoint.id), Event.id, literal(DeliveryState.waiting.value), literal(0), now).where(*wanted)
    names = ["endpoint_id", "event_id", "state", "attempts", "next_attempt_at"]
    session.connection().execute(insert(WebhookDelivery).from_select(names, rows, include_defaults=False))


def _completed(session: Session, made: Sequence[_Made]) -> list[_Made]:
    """Add what the rows of emails, people and suppressions say. One query for each kind of row."""
    emails = _emails(session, {each.data["id"] for each in made if each.type.startswith("notification.")})
    people = {each.data["user"]["id"] for each in made if each.type == EventType.user_unsubscribed}
    external = dict(session.execute(select(User.id, User.external_id).where(among(session, User.id, people))).all())
    completed = []
    for each in made:
        data = each.data
        if each.type.startswith("notification."):
            data = data | emails.get(data["id"], {})
        elif each.type == EventType.user_unsubscribed:
            pk = data["user"]["id"]
            data = data | {"user": {"id": pk, "external_id": external.get(pk)}}
        elif each.type == EventType.suppression_created:
            data = data | {"users": _suppressed(session, data["id"])}
        completed.append(each._replace(data=data))
    return completed


def _emails(session: Session, pks: Collection[int]) -> dict[int, dict[str, Any]]:
    columns = (Notification.id, Notification.kind, Notification.campaign_id, Notification.run_id, Notification.user_id)
    query = select(*columns, User.external_id).join(User, User.id == Notification.user_id, isouter=True)
    found = session.execute(query.where(among(session, Notification.id, pks)))
    return {
        pk: {
            "kind": kind,
            "campaign": campaign,
            "run": run,
            "user": None if user is None else {"id": user, "external_id": external},
        }
        for pk, kind, campaign, run, user, external in found
    }


def _suppressed(session: Session, pk: int) -> list[dict[str, Any]]:
    """Return the people whose address is suppressed; none if the suppression was lifted meanwhile."""
    identity_key = session.scalar(select(Suppression.identity_key).where(Suppression.id == pk))
    return [] if identity_key is None else users_of(session, identity_key)
