"""A suppression in answers."""

from typing import Annotated, ClassVar

from pydantic import Field

from notifier.api.links import Names
from notifier.api.shapes import Answer, ShownMoment
from notifier.consent.suppressions import CONCEALED
from notifier.models import Suppression, SuppressionReason


class SuppressionAnswer(Answer):
    """An address to which no email is sent, and why."""

    names: ClassVar = Names("/suppressions/{id}", "id")

    id: str
    email: Annotated[
        str | None, Field(description="as addresses are compared: in lower case; null: its owner was erased")
    ]
    reason: SuppressionReason
    source: Annotated[str, Field(description="smtp, operator, recipient, api, or the source of what came back")]
    evidence: str
    created_at: ShownMoment
    until: Annotated[ShownMoment | None, Field(description="when it ends by itself; null: never")]

    @classmethod
    def of(cls, row: Suppression) -> "SuppressionAnswer":
        """Return the suppression of this row."""
        names = ("reason", "source", "evidence", "created_at", "until")
        email = None if row.identity_key.startswith(CONCEALED) else row.identity_key
        return cls.model_validate({name: getattr(row, name) for name in names} | {"id": str(row.id), "email": email})
