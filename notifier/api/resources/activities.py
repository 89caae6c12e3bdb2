"""Activities: what happened to people, for digests and reports."""

from typing import Annotated, Any, ClassVar

from flask import Response
from pydantic import Field

from notifier.api import batches
from notifier.api.answers import answer
from notifier.api.batches import CheckedLater, ItemProblem
from notifier.api.links import Names
from notifier.api.operation import Resource
from notifier.api.problems import KEY_REUSED, UNKNOWN_USER, Problem
from notifier.api.requests import caller
from notifier.api.shapes import Answer, Body, ExternalId, Key, Line, Moment, Printable, ShownMoment
from notifier.database.transaction import transaction
from notifier.entries import people, recording
from notifier.entries.errors import KeyConflict
from notifier.entries.recording import OBJECT_KEY_LIMIT, TITLE_LIMIT, Happened
from notifier.entries.recording_many import write_many
from notifier.extensions import db
from notifier.models import Activity
from notifier.operators.scopes import Scope

resource = Resource("activities", "What happened to people, which digests and reports tell them.")

#: Items and bytes of one batch.
MOST_ITEMS = 10_000
MOST_BYTES = 8 * 1024 * 1024


class ActivityBody(Body):
    """Something that happened to a person."""

    to: Annotated[ExternalId, Field(description="the person whom it is about")]
    kind: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="like, comment, follow, friend_request, or another")
    ]
    id: Annotated[Key | None, Field(description="the same id with the same content gives the same activity")] = None
    at: Annotated[Moment | None, Field(description="when it happened; null: now")] = None
    actor: Annotated[Line, Field(max_length=64, description="the name of the person who did it")] = ""
    object_key: Annotated[
        Printable, Field(max_length=OBJECT_KEY_LIMIT, description="ten likes of one object are one line")
    ] = ""
    object_title: Annotated[Line, Field(max_length=TITLE_LIMIT, description="the name of that object")] = ""

    @property
    def happened(self) -> Happened:
        """Return these facts as they are stored."""
        return recording.happened(
            self.kind,
            id=self.id,
            at=self.at,
            actor=self.actor,
            object_key=self.object_key,
            object_title=self.object_title,
        )


class ActivityItem(ActivityBody):
    """An activity of a batch: its id makes it safe to send the batch again."""

    id: Key


class ActivityAnswer(Answer):
    """An activity, as it is stored."""

    names: ClassVar = Names("/users/{external_id}", "to")

    to: str
    kind: str
    id: str | None
    at: ShownMoment
    actor: str
    object_key: str
    object_title: str

    @classmethod
    def of(cls, row: Activity, body: ActivityBody) -> "ActivityAnswer":
        """Return the activity of this row, which `body` asked for."""
        return cls(
            to=body.to,
            kind=row.kind,
            id=body.id,
            at=row.occurred_at,
            actor=row.actor,
            object_key=row.object_key,
            object_title=row.object_title,
        )


class ActivityBatch(Body):
    """Activities, each with an id."""

    activities: Annotated[list[Annotated[Any, CheckedLater(ActivityItem)]], Field(min_length=1, max_length=MOST_ITEMS)]


class ActivityBatchAnswer(Answer):
    """What became of a batch."""

    stored: Annotated[int, Field(description="activities that are new")]
    known: Annotated[int, Field(description="activities whose id was known; what was stored first stays")]
    errors: Annotated[list[ItemProblem], Field(description="the others, each with its place in the batch")]


@resource.operation(
    "POST",
    "/activities",
    scope=Scope.activities_write,
    answers={201: ActivityAnswer, 200: ActivityAnswer},
    problems=[UNKNOWN_USER, KEY_REUSED],
)
def record_activity(body: ActivityBody) -> Response:
    """Record that something happened to a person. 200 means that this id was known, with the same content."""
    with transaction(db.session) as session:
        person = people.find(people.connection_of(session), body.to)
        if person is None or person.erased_at is not None:
            raise Problem(UNKNOWN_USER)
        try:
            row, is_new = recording.write(session, body.happened, person, principal=caller().principal)
        except KeyConflict:
            raise Problem(KEY_REUSED) from None
        shown = ActivityAnswer.of(row, body)
    return answer(shown, 201 if is_new else 200)


@resource.operation(
    "POST",
    "/activities/batch",
    scope=Scope.activities_write,
    answers={200: ActivityBatchAnswer},
    largest=MOST_BYTES,
)
def record_activities(body: ActivityBatch) -> Response:
    """Record up to 10,000 activities, item by item: those that are right are stored."""
    right, errors = batches.check(ActivityItem, body.activities)
    with transaction(db.session) as session:
        connection = people.connection_of(session)
        keys = people.keys_of(connection, {item.to for item in right.values()})
        known = [(keys[item.to], item.happened) for item in right.values() if item.to in keys]
        counted = write_many(connection, known, principal=caller().principal)
    unknown = [index for index, item in right.items() if item.to not in keys]
    errors += [batches.told(index, Problem(UNKNOWN_USER)) for index in unknown]
    shown = ActivityBatchAnswer(
        stored=counted.stored, known=counted.known, errors=sorted(errors, key=lambda each: each.index)
    )
    return answer(shown)
