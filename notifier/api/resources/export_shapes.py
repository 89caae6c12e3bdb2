"""Everything about a person, in an answer."""

from typing import Annotated, Any

from pydantic import Field

from notifier.accounts.export import Everything
from notifier.api.resources.choice_shapes import PreferencesAnswer
from notifier.api.resources.email_shapes import NotificationDetail
from notifier.api.resources.people import UserAnswer
from notifier.api.resources.suppression_shapes import SuppressionAnswer
from notifier.api.shapes import Answer, ShownMoment
from notifier.emails.kind import DATA
from notifier.models import Attempt, Consent, Feedback, Notification


class ConsentAnswer(Answer):
    """The evidence of one decision about a category."""

    category: str
    wanted: bool
    frequency: str | None
    how: Annotated[str, Field(description="one_click, page, undo, operator, complaint, import or application")]
    source: Annotated[str | None, Field(description="where it was decided, as an application said")]
    notification: Annotated[str | None, Field(description="the email whose link was used")]
    at: ShownMoment

    @classmethod
    def of(cls, row: Consent) -> "ConsentAnswer":
        """Return this evidence."""
        names = ("category", "wanted", "frequency", "how", "at")
        used = None if row.notification_id is None else str(row.notification_id)
        return cls.model_validate(
            {name: getattr(row, name) for name in names} | {"source": row.basis, "notification": used}
        )


class ExportedEmail(NotificationDetail):
    """An email, with its address and what it was about."""

    address: str
    data: Annotated[dict[str, Any] | None, Field(description="as it was asked for; null: none, or it is secret")]

    @classmethod
    def exported(cls, row: Notification, external_id: str | None, attempts: list[Attempt]) -> "ExportedEmail":
        """Return the email of this row."""
        shown = NotificationDetail.of(row, external_id, attempts)
        return cls(**dict(shown), address=row.recipient, data=row.params.get(DATA))


class ExportedActivity(Answer):
    """Something that happened to the person."""

    kind: str
    actor: str
    object_key: str
    object_title: str
    at: ShownMoment


class CameBackAnswer(Answer):
    """What came back about an email: a bounce, a complaint, a delivery or an automatic reply."""

    notification: str | None
    kind: str
    verdict: Annotated[str, Field(description="hard, soft or none")]
    reason: str | None
    code: int | None
    enhanced: str | None
    text: str | None
    at: ShownMoment
    effect: Annotated[str, Field(description="what followed from it")]

    @classmethod
    def of(cls, row: Feedback) -> "CameBackAnswer":
        """Return this event."""
        names = ("kind", "verdict", "reason", "code", "enhanced", "text", "effect")
        about = None if row.notification_id is None else str(row.notification_id)
        facts = {name: getattr(row, name) for name in names}
        return cls.model_validate(facts | {"notification": about, "at": row.happened_at})


class ExportAnswer(Answer):
    """Everything that is stored about a person."""

    person: UserAnswer
    preferences: PreferencesAnswer
    consents: list[ConsentAnswer]
    suppressions: Annotated[
        list[SuppressionAnswer], Field(description="of each address that they have, or that an email to them went to")
    ]
    emails: list[ExportedEmail]
    activities: list[ExportedActivity]
    came_back: list[CameBackAnswer]

    @classmethod
    def of(cls, found: Everything) -> "ExportAnswer":
        """Return all of it."""
        external_id = found.person.external_id
        return cls(
            person=UserAnswer.of(found.person),
            preferences=PreferencesAnswer.of(found.wishes),
            consents=[ConsentAnswer.of(row) for row in found.consents],
            suppressions=[SuppressionAnswer.of(row) for row in found.suppressions],
            emails=[ExportedEmail.exported(row, external_id, found.attempts.get(row.id, [])) for row in found.emails],
            activities=[
                ExportedActivity(
                    kind=row.kind,
                    actor=row.actor,
                    object_key=row.object_key,
                    object_title=row.object_title,
                    at=row.occurred_at,
                )
                for row in found.activities
            ],
            came_back=[CameBackAnswer.of(row) for row in found.came_back],
        )
