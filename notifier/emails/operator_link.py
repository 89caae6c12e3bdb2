"""operator_link: the link of an invitation to the admin, or of a reset of password or second factor."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from notifier.emails.kind import Category, EmailKind, Owed

#: For each purpose: subject and heading, the sentence above the button, and the button.
_TEXTS: Mapping[str, tuple[str, str, str]] = {
    "invitation": (
        "You're invited to the admin",
        "An admin invited you. Choose a password to accept the invitation.",
        "Choose a password",
    ),
    "password": (
        "Choose a new password",
        "An admin sent you this link because you cannot sign in. Your old password works until you choose a new one.",
        "Choose a new password",
    ),
    "second_factor": (
        "Turn off your second factor",
        "An admin sent you this link because you lost your second factor. You need your password to turn it off.",
        "Turn it off",
    ),
}


class OperatorLinkData(BaseModel):
    """What the link is for, its token, and for how many hours it works."""

    # A mistake in it must not write the token into a log.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    purpose: Literal["invitation", "password", "second_factor"]
    token: str
    hours: int


class OperatorLinkEmail(EmailKind):
    """One email to one operator. The token is secret: it is stored sealed, and no page shows it."""

    name: ClassVar[str] = "operator_link"
    category: ClassVar[Category] = Category.security
    lifetime: ClassVar[timedelta] = timedelta(days=3)
    because: ClassVar[str] = "You're receiving this because an admin of our email service sent you this link."
    to_operators: ClassVar[bool] = True
    secret: ClassVar[bool] = True
    Data: ClassVar[type[BaseModel]] = OperatorLinkData
    example: ClassVar[Mapping[str, Any]] = {"purpose": "invitation", "token": "example", "hours": 72}

    def unwanted(self, owed: Owed) -> str | None:
        """Return None: a link that was replaced does not work, and its page says so."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return `heading`, `text` and `button`, `link_url`, and `valid_for` in words."""
        data: OperatorLinkData = self.data_of(owed)
        heading, text, button = _TEXTS[data.purpose]
        valid_for = f"{data.hours // 24} days" if data.hours >= 48 else f"{data.hours} hour{'s' * (data.hours != 1)}"
        return {
            "heading": heading,
            "text": text,
            "button": button,
            "link_url": owed.links.admin(f"join/{data.token}"),
            "valid_for": valid_for,
        }
