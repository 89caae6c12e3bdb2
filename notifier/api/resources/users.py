"""People, by the ids that the caller's application gives them."""

from flask import Response
from sqlalchemy import select

from notifier.accounts import erasure
from notifier.accounts.export import everything_about
from notifier.api.answers import answer
from notifier.api.cursors import PageQuery, page
from notifier.api.operation import Resource
from notifier.api.problems import BEING_SENT, ERASED, NOT_FOUND, Problem
from notifier.api.requests import actor
from notifier.api.resources.export_shapes import ExportAnswer
from notifier.api.resources.people import UserAnswer, UserBody, UserPath, allow_local, person_of
from notifier.api.shapes import Answer
from notifier.database.transaction import transaction
from notifier.entries import changed_addresses, people
from notifier.extensions import db
from notifier.models import DETACHED, User
from notifier.operators import audit_log
from notifier.operators.audit_log import About
from notifier.operators.scopes import Scope
from notifier.services import services

#: Seconds after which a person can be erased, if an email to them was being sent.
BUSY_SECONDS = 60

resource = Resource("users", "People, by the ids that your application gives them.")


class UserPage(Answer):
    """A page of people."""

    data: list[UserAnswer]
    next: str | None


@resource.operation(
    "PUT",
    "/users/<external_id>",
    scope=Scope.users_write,
    answers={201: UserAnswer, 200: UserAnswer},
    problems=[ERASED],
)
def put_user(path: UserPath, body: UserBody) -> Response:
    """Store a person, or replace what is stored about them.

    A new address must be confirmed again, unless `verified_at` says when it was.
    """
    fields = body.fields(path.external_id)
    with transaction(db.session) as session:
        connection = people.connection_of(session)
        before = people.find(connection, path.external_id)
        changed_addresses.write(session, [fields], sending=services().sending, allow_local=allow_local())
        row = session.scalars(select(User).where(User.external_id == path.external_id)).one()
        if row.erased_at is not None:
            raise Problem(ERASED)
        shown = UserAnswer.of(row)
    return answer(shown, 201 if before is None else 200)


@resource.operation("GET", "/users/<external_id>", scope=Scope.users_read, answers={200: UserAnswer})
def get_user(path: UserPath) -> Response:
    """Return a person."""
    return answer(UserAnswer.of(person_of(db.session(), path)))


@resource.operation(
    "DELETE", "/users/<external_id>", scope=Scope.users_write, answers={204: None}, problems=[BEING_SENT]
)
def delete_user(path: UserPath) -> Response:
    """Erase a person. What is kept is their id, so that no later request stores them again.

    A second time changes nothing.
    """
    query = select(User).where(User.external_id == path.external_id)
    try:
        with transaction(db.session) as session:
            # A second request at the same moment waits here, and then finds what the first one left.
            row = session.scalars(query.with_for_update()).one_or_none() or session.scalars(query).one_or_none()
            if row is None:
                raise Problem(NOT_FOUND)
            if row.erased_at is None:
                erasure.erase(session, row, keys=services().settings.secret_keys, by=actor())
    except erasure.ErasureError:
        raise Problem(BEING_SENT, retry_after=BUSY_SECONDS) from None
    return Response(status=204)


@resource.operation("POST", "/users/<external_id>/export", scope=Scope.users_read, answers={200: ExportAnswer})
def export_user(path: UserPath) -> Response:
    """Return everything that is stored about a person. The audit log keeps who asked."""
    with transaction(db.session) as session:
        person = person_of(session, path)
        shown = ExportAnswer.of(everything_about(session, person))
        about = About.address(person.identity_key, services().settings.secret_keys) if person.identity_key else None
        audit_log.record(session, actor(), "person.exported", object_type="person", object_id=person.id, about=about)
    return answer(shown)


@resource.operation("GET", "/users", scope=Scope.users_read, answers={200: UserPage})
def list_users(query: PageQuery) -> Response:
    """Return people, in the order in which they were stored."""
    theirs = User.external_id.is_not(None), ~User.external_id.startswith(DETACHED), User.is_person()
    rows = select(User).where(*theirs).order_by(User.id)
    if query.after is not None:
        rows = rows.where(User.id > query.after)
    found, following = page(db.session(), rows, query, lambda row: row.id)
    return answer(UserPage(data=[UserAnswer.of(row) for row in found], next=following))
