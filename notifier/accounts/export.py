"""Everything that is stored about one person, for the person (GDPR, articles 15 and 20)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from notifier.consent import preferences
from notifier.consent.decisions import Wish
from notifier.mail.addresses import identity_of
from notifier.models import NO_IDENTITY, Activity, Attempt, Consent, Feedback, Notification, Suppression, User


@dataclass(frozen=True, slots=True)
class Everything:
    """The rows about one person, the oldest first."""

    person: User
    #: By category, decided or by default.
    wishes: dict[str, Wish]
    consents: list[Consent]
    #: Of every address that they have, or that an email to them went to.
    suppressions: list[Suppression]
    emails: list[Notification]
    #: Attempts that did not simply succeed, by the key of their email.
    attempts: dict[int, list[Attempt]]
    activities: list[Activity]
    #: What came back about their emails.
    came_back: list[Feedback]


def everything_about(session: Session, person: User) -> Everything:
    """Return everything that is stored about this person."""
    emails = _all(session, Notification, Notification.user_id == person.id)
    theirs = select(Notification.id).where(Notification.user_id == person.id)
    attempts: dict[int, list[Attempt]] = {}
    for attempt in _all(session, Attempt, Attempt.notification_id.in_(theirs)):
        attempts.setdefault(attempt.notification_id, []).append(attempt)
    # An email may have gone to another address of theirs.
    addresses = {person.identity_key, *(identity_of(row.recipient) for row in emails)} - {NO_IDENTITY}
    about = or_(Feedback.notification_id.in_(theirs), Feedback.identity_key.in_(addresses))
    return Everything(
        person=person,
        wishes=preferences.of(session, person.id),
        consents=_all(session, Consent, Consent.user_id == person.id),
        suppressions=_all(session, Suppression, Suppression.identity_key.in_(addresses)),
        emails=emails,
        attempts=attempts,
        activities=_all(session, Activity, Activity.user_id == person.id),
        came_back=_all(session, Feedback, about),
    )


def _all(session: Session, model: type[Any], where: Any) -> list[Any]:
    return list(session.scalars(select(model).where(where).order_by(model.id)))
