"""A person in requests and answers, wherever they occur."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final

from flask import current_app
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.api.links import Names
from notifier.api.problems import NOT_FOUND, Problem, in_body, invalid
from notifier.api.shapes import Answer, Body, Email, ExternalId, Moment, Path, ShownMoment
from notifier.entries.fields import OURS, ZONES, UserFields
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import User

#: Clocks of two hosts may differ by so much.
MOST_AHEAD: Final = timedelta(minutes=5)


def _zone(name: str) -> str:
    if name not in ZONES:
        raise PydanticCustomError("timezone", "Write the name of an IANA time zone, such as Europe/Berlin")
    return name


class UserBody(Body):
    """What you say about a person. What you leave out gets its default."""

    email: Annotated[Email | None, Field(description="null: no email can be sent to them")] = None
    name: Annotated[str, Field(max_length=64)] = ""
    locale: Annotated[
        str, Field(max_length=16, pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,2}$", examples=["de", "pt-BR"])
    ] = "en"
    timezone: Annotated[str, AfterValidator(_zone), Field(max_length=64, examples=["Europe/Berlin"])] = "UTC"
    verified_at: Annotated[
        Moment | None,
        Field(
            description="when they confirmed this address; null: they did not. Left out: our `verification` email "
            "confirms it, and a new address must be confirmed again"
        ),
    ] = None
    attributes: Annotated[dict[str, Any], Field(default_factory=dict, description="further facts")]

    def fields(self, external_id: str, at: str = "") -> UserFields:
        """Return these facts about the person with this id.

        Raise Problem for an address that cannot be used, and for a confirmation in the future.

        `at`: the place of this object in the body.
        """
        if self.email is not None:
            try:
                parse_address(self.email, allow_local=allow_local())
            except AddressError:
                detail = "No email can be sent to this address."
                raise invalid(in_body(f"{at}/email", "address", detail)) from None
        if self.verified_at is not None and self.verified_at > clock.now() + MOST_AHEAD:
            raise invalid(in_body(f"{at}/verified_at", "future", "This moment is in the future."))
        said = "verified_at" in self.model_fields_set
        return UserFields(
            id=external_id,
            email=self.email,
            name=self.name,
            verified_at=self.verified_at if said else OURS,
            locale=self.locale,
            timezone=self.timezone,
            attributes=self.attributes,
        )


class InlineUser(UserBody):
    """A person who may not be stored yet. Someone who is stored is changed only by a key with users:write."""

    id: ExternalId


class UserAnswer(Answer):
    """A person."""

    names: ClassVar = Names("/users/{external_id}", "id")

    id: str
    email: str | None
    name: str
    locale: str
    timezone: str
    verified_at: ShownMoment | None
    attributes: dict[str, Any]
    created_at: ShownMoment

    @classmethod
    def of(cls, row: User) -> "UserAnswer":
        """Return the person of this row, who has an external id."""
        return cls(
            id=str(row.external_id),
            email=row.email or None,
            name=row.display_name,
            locale=row.locale,
            timezone=row.timezone,
            verified_at=row.verified_at,
            attributes=row.attributes,
            created_at=row.created_at,
        )


class UserPath(Path):
    """The person."""

    external_id: ExternalId


def person_of(session: Session, path: UserPath) -> User:
    """Return the person whom a path names. Raise Problem if there is none, or if they were erased."""
    row = session.scalars(select(User).where(User.external_id == path.external_id, User.is_person())).one_or_none()
    if row is None:
        raise Problem(NOT_FOUND)
    return row


def allow_local() -> bool:
    """Return whether addresses of this machine or network are usable."""
    return bool(current_app.config["ADDRESSES"]["allow_local"])
