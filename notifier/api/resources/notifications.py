"""Notifications: emails to one person, each asked for once."""

from typing import Annotated, Any

from flask import Response
from pydantic import AfterValidator, Field
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.api import batches
from notifier.api.answers import answer
from notifier.api.batches import CheckedLater, ItemProblem
from notifier.api.cursors import PageQuery, page
from notifier.api.operation import Resource
from notifier.api.problems import (
    CLAIMED,
    IN_PROGRESS,
    KEY_REUSED,
    NO_ADDRESS,
    NOT_FOUND,
    OF_A_RUN,
    UNKNOWN_USER,
    Problem,
)
from notifier.api.requests import caller
from notifier.api.resources.asking import ask_for, id_of, still_running, wait_briefly
from notifier.api.resources.asking_many import ask_for_many
from notifier.api.resources.email_shapes import (
    AskedAnswer,
    EmailBody,
    EmailItem,
    NotificationAnswer,
    NotificationDetail,
)
from notifier.api.shapes import Answer, Body, ExternalId, Header, Key, Moment, Path, RowId
from notifier.database.transaction import transaction
from notifier.extensions import db
from notifier.models import DETACHED, Attempt, Notification, Status, User
from notifier.operators.scopes import Scope
from notifier.reasons import ReasonCode

resource = Resource("notifications", "Emails to one person: asked for once, sent once, and explained.")

#: Items and bytes of one batch.
MOST_ITEMS = 1000
MOST_BYTES = 4 * 1024 * 1024

_ASKING = (UNKNOWN_USER, NO_ADDRESS, KEY_REUSED, IN_PROGRESS)


def _bare(key: str) -> str:
    """Return a key without the quotes of a structured field (RFC 9651, section 3.3.3)."""
    quoted = len(key) >= 3 and key.startswith('"') and key.endswith('"')
    return key[1:-1].replace('\\"', '"').replace("\\\\", "\\") if quoted else key


class IdempotencyHeader(Header):
    """The name of this request, by which a repeat of it is known."""

    key: Annotated[Key, AfterValidator(_bare), Field(alias="Idempotency-Key")]


class NotificationPath(Path):
    """The email."""

    id: RowId


class NotificationQuery(PageQuery):
    """Which emails."""

    user: Annotated[ExternalId | None, Field(description="to this person")] = None
    status: Annotated[Status | None, Field(description="with this status")] = None
    kind: Annotated[str | None, Field(max_length=64, description="of this kind")] = None
    run: Annotated[RowId | None, Field(description="of this run of a campaign")] = None
    since: Annotated[Moment | None, Field(description="asked for at this moment or later")] = None


class NotificationPage(Answer):
    """A page of emails."""

    data: list[NotificationAnswer]
    next: str | None


class EmailBatch(Body):
    """Emails, each with a key."""

    notifications: Annotated[list[Annotated[Any, CheckedLater(EmailItem)]], Field(min_length=1, max_length=MOST_ITEMS)]


class AskedItem(Answer):
    """An email of a batch that was asked for."""

    index: int
    notification: AskedAnswer


class EmailBatchAnswer(Answer):
    """What became of a batch."""

    data: Annotated[list[AskedItem], Field(description="the emails that are stored now, or were before")]
    errors: Annotated[list[ItemProblem], Field(description="the others, each with its place in the batch")]


@resource.operation(
    "POST",
    "/notifications",
    scope=Scope.notifications_write,
    sends=True,
    answers={201: AskedAnswer},
    problems=_ASKING,
)
def send_notification(header: IdempotencyHeader, body: EmailBody) -> Response:
    """Ask for one email. 201 means that its row is committed; it is sent within seconds, or at its moment.

    The same key with the same content gives the same answer at any time, and no second email.
    """
    try:
        with transaction(db.session) as session:
            row = ask_for(session, caller(), header.key, body)
            shown = AskedAnswer.of(row, id_of(body))
    except OperationalError as error:
        raise still_running(error) from None
    return answer(shown, 201)


@resource.operation(
    "POST",
    "/notifications/batch",
    scope=Scope.notifications_write,
    sends=True,
    answers={200: EmailBatchAnswer},
    problems=[IN_PROGRESS],
    largest=MOST_BYTES,
)
def send_notifications(body: EmailBatch) -> Response:
    """Ask for up to 1,000 emails, item by item: those that are right are stored."""
    right, errors = batches.check(EmailItem, body.notifications)
    asked: list[AskedItem] = []
    try:
        with transaction(db.session) as session:
            wait_briefly(session)
            for index, row in ask_for_many(session, caller(), right).items():
                if isinstance(row, Problem):
                    errors.append(batches.told(index, row))
                else:
                    asked.append(AskedItem(index=index, notification=AskedAnswer.of(row, id_of(right[index]))))
    except OperationalError as error:
        raise still_running(error) from None
    asked.sort(key=lambda each: each.index)
    errors.sort(key=lambda each: each.index)
    return answer(EmailBatchAnswer(data=asked, errors=errors))


@resource.operation("GET", "/notifications", scope=Scope.notifications_read, answers={200: NotificationPage})
def list_notifications(query: NotificationQuery) -> Response:
    """Return emails, the newest first: those of campaigns and of sign-ups, too."""
    found = select(Notification).order_by(Notification.id.desc())
    if query.user is not None:
        person = select(User.id).where(User.external_id == query.user)
        found = found.where(Notification.user_id == person.scalar_subquery())
    equal = {
        Notification.status: query.status,
        Notification.kind: query.kind,
        Notification.run_id: None if query.run is None else int(query.run),
    }
    found = found.where(*(column == value for column, value in equal.items() if value is not None))
    if query.since is not None:
        found = found.where(Notification.created_at >= query.since)
    if query.after is not None:
        found = found.where(Notification.id < query.after)
    session = db.session()
    rows, following = page(session, found, query, lambda row: row.id)
    ids = _external_ids(session, {row.user_id for row in rows if row.user_id is not None})
    data = [NotificationAnswer.model_validate(NotificationAnswer.facts(row, ids.get(row.user_id or 0))) for row in rows]
    return answer(NotificationPage(data=data, next=following))


@resource.operation("GET", "/notifications/<row:id>", scope=Scope.notifications_read, answers={200: NotificationDetail})
def get_notification(path: NotificationPath) -> Response:
    """Return an email: what became of it, or will, and why."""
    session = db.session()
    return answer(_detail(session, _find(session, path.id)))


@resource.operation(
    "POST",
    "/notifications/<row:id>/cancel",
    scope=Scope.notifications_write,
    answers={200: NotificationDetail},
    problems=[CLAIMED, OF_A_RUN],
)
def cancel_notification(path: NotificationPath) -> Response:
    """Cancel an email that was not sent yet. A second time changes nothing. Its key stays used."""
    with transaction(db.session) as session:
        row = _find(session, path.id)
        if row.run_id is not None:
            raise Problem(OF_A_RUN)
        if row.status != Status.cancelled:
            moved = ledger.move(
                session,
                row.id,
                Status.pending,
                Status.cancelled,
                now=clock.now(),
                code=ReasonCode.cancelled_by_hand,
                why="cancelled over the API",
            )
            if not moved:
                raise Problem(CLAIMED)
            session.refresh(row)
        shown = _detail(session, row)
    return answer(shown)


def _find(session: Session, pk: str) -> Notification:
    row = session.get(Notification, int(pk))
    if row is None:
        raise Problem(NOT_FOUND)
    return row


def _detail(session: Session, row: Notification) -> NotificationDetail:
    ids = _external_ids(session, {row.user_id} if row.user_id is not None else set())
    query = select(Attempt).where(Attempt.notification_id == row.id).order_by(Attempt.id)
    return NotificationDetail.of(row, ids.get(row.user_id or 0), list(session.scalars(query)))


def _external_ids(session: Session, pks: set[int]) -> dict[int, str]:
    """Return the external ids of those of these people who have one that is still theirs."""
    if not pks:
        return {}
    query = select(User.id, User.external_id).where(User.id.in_(pks), User.external_id.is_not(None))
    return {pk: found for pk, found in session.execute(query) if found and not found.startswith(DETACHED)}
