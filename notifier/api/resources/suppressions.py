"""Suppressions: addresses to which no email is sent. They belong to addresses, not to people."""

from typing import Annotated

from flask import Response
from pydantic import Field
from sqlalchemy import select

from notifier.api.answers import answer
from notifier.api.cursors import PageQuery, page
from notifier.api.operation import Resource
from notifier.api.problems import MISSING_SCOPE, NOT_FOUND, Problem, in_body, invalid
from notifier.api.requests import actor, caller
from notifier.api.resources.people import allow_local
from notifier.api.resources.suppression_shapes import SuppressionAnswer
from notifier.api.shapes import Answer, Body, Email, Line, Path, Query, RowId
from notifier.consent import suppressions
from notifier.consent.suppressions import CONCEALED
from notifier.database.transaction import transaction
from notifier.extensions import db
from notifier.mail.addresses import AddressError, identity_of, parse_address
from notifier.models import Suppression, SuppressionReason
from notifier.operators import audit_log
from notifier.operators.audit_log import About
from notifier.operators.scopes import Scope
from notifier.services import services

resource = Resource("suppressions", "Addresses to which no email is sent, and why.")

#: Stored as the source of what a program added.
SOURCE = "api"

NOTE_LIMIT = 300


class SuppressionPath(Path):
    """The suppression."""

    id: RowId


class SuppressionQuery(PageQuery):
    """Which suppressions."""

    email: Annotated[str | None, Field(max_length=320, description="of this address")] = None
    reason: Annotated[SuppressionReason | None, Field(description="for this reason")] = None


class LiftQuery(Query):
    """About the end of a suppression."""

    note: Annotated[Line, Field(max_length=NOTE_LIMIT, description="why, for the audit log")] = ""


class SuppressionBody(Body):
    """An address to suppress."""

    email: Email
    note: Annotated[Line, Field(min_length=1, max_length=NOTE_LIMIT, description="why, for operators")]


class SuppressionPage(Answer):
    """A page of suppressions."""

    data: list[SuppressionAnswer]
    next: str | None


@resource.operation("GET", "/suppressions", scope=Scope.suppressions_write, answers={200: SuppressionPage})
def list_suppressions(query: SuppressionQuery) -> Response:
    """Return suppressions, the newest first."""
    found = select(Suppression).order_by(Suppression.id.desc())
    if query.email is not None:
        found = found.where(Suppression.identity_key == identity_of(query.email))
    if query.reason is not None:
        found = found.where(Suppression.reason == query.reason.value)
    if query.after is not None:
        found = found.where(Suppression.id < query.after)
    rows, following = page(db.session(), found, query, lambda row: row.id)
    return answer(SuppressionPage(data=[SuppressionAnswer.of(row) for row in rows], next=following))


@resource.operation(
    "POST",
    "/suppressions",
    scope=Scope.suppressions_write,
    answers={201: SuppressionAnswer, 200: SuppressionAnswer},
)
def add_suppression(body: SuppressionBody) -> Response:
    """Suppress an address. 200: it was suppressed already, for a reason that stays."""
    try:
        key = parse_address(body.email, allow_local=allow_local()).identity_key
    except AddressError:
        raise invalid(in_body("/email", "address", "No email can be sent to this address.")) from None
    with transaction(db.session) as session:
        is_new = suppressions.add(session, key, reason=SuppressionReason.manual, source=SOURCE, evidence=body.note)
        row = session.scalars(select(Suppression).where(Suppression.identity_key == key)).one()
        if is_new:
            facts = {"reason": row.reason, "note": body.note}
            audit_log.record(
                session, actor(), "suppression.added", object_type="suppression", object_id=row.id,
                about=_about(row), after=facts,
            )  # fmt: skip
        shown = SuppressionAnswer.of(row)
    return answer(shown, 201 if is_new else 200)


@resource.operation("DELETE", "/suppressions/<row:id>", scope=Scope.suppressions_write, answers={204: None})
def lift_suppression(path: SuppressionPath, query: LiftQuery) -> Response:
    """End a suppression, so that its address gets email again.

    That of a complaint needs the scope `suppressions:lift`, too: its owner said that they do not want your email. The
    audit log keeps who ended it.
    """
    with transaction(db.session) as session:
        row = session.get(Suppression, int(path.id), with_for_update=True)
        if row is None:
            raise Problem(NOT_FOUND)
        if row.reason == SuppressionReason.complaint and Scope.suppressions_lift not in caller().scopes:
            raise Problem(MISSING_SCOPE, f"the key lacks the scope {Scope.suppressions_lift}, which a complaint needs")
        audit_log.record(
            session, actor(), "suppression.lifted", object_type="suppression", object_id=row.id, about=_about(row),
            before={"reason": row.reason, "source": row.source}, after={"note": query.note},
        )  # fmt: skip
        suppressions.lift(session, row)
    return Response(status=204)


def _about(row: Suppression) -> About | None:
    if row.identity_key.startswith(CONCEALED):
        return None
    return About.address(row.identity_key, services().settings.secret_keys)
