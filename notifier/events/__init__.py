"""Write down, in the transaction of a change, what happened, for applications that listen to it.

One row holds all events of a transaction's batch, and it is written only if there is an endpoint of a webhook. So a
campaign pays one short statement for 250 emails. `notifier.webhooks` turns these drafts into the events of the feed.
"""

import enum
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Text, bindparam, exists, insert, select
from sqlalchemy.orm import Session

from notifier.models import EventDraft, WebhookEndpoint


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

_DRAFTS = cast("Any", EventDraft.__table__)
#: Disabled endpoints count: the feed shows later what they missed.
_IF_ANYONE_LISTENS = insert(_DRAFTS).from_select(
    ["at", "items"],
    select(bindparam("b_at", type_=_DRAFTS.c.at.type), bindparam("b_items", type_=Text())).where(
        exists(select(WebhookEndpoint.id))
    ),
)


def record(session: Session, items: Iterable[tuple[EventType, Facts]], *, at: datetime) -> None:
    """Write these events down, in this order, as part of the caller's transaction.

    `at` is when they happened. The id of an email or a suppression is enough: the publisher adds what its row says.
    """
    text = json.dumps(list(items), separators=(",", ":"))
    if text != "[]":
        # The session may bind several bases to engines; it must not flush, because it may be flushing.
        connection = session.connection(bind_arguments={"mapper": EventDraft})
        connection.execute(_IF_ANYONE_LISTENS, {"b_at": at, "b_items": text})
