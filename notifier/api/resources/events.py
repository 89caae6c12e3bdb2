"""Events: the feed behind the webhooks, for programs that ask instead of being told."""

from typing import Annotated, Any, Literal

from flask import Response
from pydantic import Field

from notifier.api.answers import answer
from notifier.api.operation import Resource
from notifier.api.shapes import Answer, Query, ShownMoment
from notifier.extensions import db
from notifier.models import Event
from notifier.operators.scopes import Scope
from notifier.webhooks import feed

resource = Resource("events", "What happened to emails, people, suppressions and runs, for 30 days.")

Type = Literal[
    "notification.sent", "notification.failed", "notification.bounced", "notification.complained",
    "notification.unknown", "notification.skipped", "user.unsubscribed", "suppression.created", "suppression.lifted",
    "run.finished", "run.paused",
]  # fmt: skip


class EventQuery(Query):
    """Which events."""

    after: Annotated[
        str, Field(pattern=r"^(0|[1-9][0-9]{0,17})$", description="`next` of the answer before; 0: from the beginning")
    ] = "0"
    limit: Annotated[int, Field(ge=1, le=feed.MOST, description="most events of the answer")] = 100
    type: Annotated[Type | None, Field(description="only events of this type")] = None


class EventAnswer(Answer):
    """Something that happened."""

    id: Annotated[str, Field(description="its place in the feed: later events have higher ones")]
    webhook_id: Annotated[str, Field(description="the `webhook-id` with which it is sent to endpoints")]
    type: str
    timestamp: Annotated[ShownMoment, Field(description="when it happened")]
    data: Annotated[dict[str, Any], Field(description="ids and codes, and never an address")]

    @classmethod
    def of(cls, event: Event) -> "EventAnswer":
        """Return the event of this row."""
        return cls(
            id=str(event.id), webhook_id=feed.message_id(event), type=event.type, timestamp=event.at, data=event.data
        )


class EventPage(Answer):
    """The next events."""

    data: list[EventAnswer]
    next: Annotated[str, Field(description="give it as `after` to get what follows, now or later")]


@resource.operation("GET", "/events", scope=Scope.events_read, answers={200: EventPage})
def list_events(query: EventQuery) -> Response:
    """Read the feed, the oldest events first. No event ever appears before one that was already answered.

    Events are kept from the moment on in which a key may read them, or an endpoint wants them.
    """
    types, after = [query.type] if query.type else [], int(query.after)
    # Before the events are read: all up to it are visible then.
    newest = feed.newest(db.session())
    events = feed.read(db.session(), after=after, types=types, limit=query.limit)
    last = events[-1].id if events else after
    # Of a rare type few are found, or none: the next request must not look through all the others again.
    following = last if len(events) == query.limit else max(last, newest)
    return answer(EventPage(data=[EventAnswer.of(each) for each in events], next=str(following)), 200)
