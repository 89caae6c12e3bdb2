"""Write down, in the transaction of a change, what happened, for applications that listen to it.

One row holds all events of a transaction's batch, and it is written only if an endpoint of a webhook wants one of them,
or an API key may read the feed. So a campaign pays one or two short statements for 250 emails. `notifier.webhooks`
turns these drafts into events.
"""

import enum
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, union_all
from sqlalchemy.orm import Session

from notifier.models import ApiKey, EventDraft, WebhookEndpoint


class EventType(enum.StrEnum):
    """The closed list of what other applications are told."""

    notification_sent = "notification.sent"
    notification_failed = "notification.failed"
    notification_bounced = "notification.bounced"
    notification_complained = "notification.complained"
    notification_unknown = "notification.unknown"
    notification_skipped = "notification.skipped"
    user_unsubscribed = "user.unsubscribed"
    suppression_created = "suppression.created"
    suppression_lifted = "suppression.lifted"
    run_finished = "run.finished"
    run_paused = "run.paused"
    #: Sent to one endpoint when an operator tests it.
    webhook_test = "webhook.test"


#: The types that an endpoint may want.
TYPES = tuple(each.value for each in EventType if each is not EventType.webhook_test)

#: Ids and codes by name. An address never belongs here, because an event outlives the erasure of its person.
Facts = Mapping[str, Any]

#: The scope of an API key that reads the feed (`operators.scopes`).
_READS_ALL = "events:read"

_ADD = insert(EventDraft)
_AT = bindparam("b_at", type_=ApiKey.expires_at.type)
#: What endpoints want, and what programs may do: lists of names. Disabled endpoints count, because the feed shows later
#: what they missed.
_LISTENING = union_all(
    select(WebhookEndpoint.types),
    select(ApiKey.scopes).where(ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > _AT)),
)


def wanted_types(connection: Connection, at: datetime) -> set[str]:
    """Return the types of events that an endpoint or a program wants; all, if a program may read the feed at `at`."""
    names = set[str]().union(*connection.scalars(_LISTENING, {"b_at": at}))
    return set(EventType) if _READS_ALL in names else names & set(EventType)


def record(session: Session, items: Iterable[tuple[EventType, Facts]], *, at: datetime) -> None:
    """Write these events down, in this order, as part of the caller's transaction, if another application wants them.

    `at` is when they happened. The id of an email or a suppression is enough: the publisher adds what its row says.
    `items` may be a generator, which is not started if no application listens.
    """
    # The session may bind several bases to engines; it must not flush, because it may be flushing.
    connection = session.connection(bind_arguments={"mapper": EventDraft})
    wanted = wanted_types(connection, at)
    if not wanted:
        return
    wanted.add(EventType.webhook_test)
    chosen = [each for each in items if each[0] in wanted]
    if chosen:
        connection.execute(_ADD, {"at": at, "items": json.dumps(chosen, separators=(",", ":"))})
