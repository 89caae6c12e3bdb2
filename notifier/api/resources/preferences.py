"""Preferences: which emails a person gets, and what proves that they chose it."""

from typing import Annotated, Literal

from flask import Response
from pydantic import Field, StrictBool
from sqlalchemy.orm import Session

from notifier import clock
from notifier.api.answers import answer
from notifier.api.operation import Resource
from notifier.api.problems import NEWER_DECISION, Problem, in_body, invalid
from notifier.api.resources.choice_shapes import PreferencesAnswer
from notifier.api.resources.people import MOST_AHEAD, UserPath, person_of
from notifier.api.shapes import Body, Line, Moment
from notifier.consent import attested, preferences
from notifier.consent.attested import BASIS_LIMIT
from notifier.database.transaction import transaction
from notifier.extensions import db
from notifier.models import Frequency
from notifier.operators.scopes import Scope

resource = Resource("preferences", "Which emails a person gets, and what proves it.")


class ChoiceBody(Body):
    """Whether a person wants a category."""

    wanted: StrictBool


class DigestBody(ChoiceBody):
    """Whether a person wants digests, and how often."""

    frequency: Annotated[
        Literal["immediate", "daily", "weekly", "monthly"] | None,
        Field(description="null: as before, or weekly if they did not choose"),
    ] = None


class Evidence(Body):
    """What proves a decision. It is kept with the decision, and never changed."""

    source: Annotated[
        Line, Field(min_length=1, max_length=BASIS_LIMIT, description="where they decided, such as a form's name")
    ]
    time: Annotated[Moment, Field(description="when they decided")]


class PreferencesBody(Body):
    """What a person decided. Categories that are left out stay as they are."""

    report: ChoiceBody | None = None
    digest: DigestBody | None = None
    news: ChoiceBody | None = None
    evidence: Evidence


@resource.operation("GET", "/users/<external_id>/preferences", scope=Scope.users_read, answers={200: PreferencesAnswer})
def get_preferences(path: UserPath) -> Response:
    """Return which emails a person gets."""
    session = db.session()
    return answer(PreferencesAnswer.of(preferences.of(session, person_of(session, path).id)))


@resource.operation(
    "PUT",
    "/users/<external_id>/preferences",
    scope=Scope.consent_write,
    answers={200: PreferencesAnswer},
    problems=[NEWER_DECISION],
)
def put_preferences(path: UserPath, body: PreferencesBody) -> Response:
    """Store what a person decided in your application, with its evidence.

    What they decided later, such as by an unsubscribe link, stays. The same evidence twice is stored once.
    """
    if body.evidence.time > clock.now() + MOST_AHEAD:
        raise invalid(in_body("/evidence/time", "future", "This moment is in the future."))
    with transaction(db.session) as session:
        person = person_of(session, path)
        _store(session, person.id, body)
        shown = PreferencesAnswer.of(preferences.of(session, person.id))
    return answer(shown)


def _store(session: Session, user_id: int, body: PreferencesBody) -> None:
    basis, at = body.evidence.source, body.evidence.time
    for category in preferences.REFUSABLE:
        choice: ChoiceBody | None = getattr(body, category)
        if choice is None:
            continue
        often = choice.frequency if isinstance(choice, DigestBody) else None
        frequency = None if often is None else Frequency(often)
        try:
            attested.attest(session, user_id, category, choice.wanted, frequency, basis=basis, at=at)
        except attested.NewerDecision:
            raise Problem(NEWER_DECISION, f"about the category {category}") from None
