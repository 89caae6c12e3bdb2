"""An email in requests and answers."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from notifier.api.links import Names
from notifier.api.resources.people import InlineUser
from notifier.api.shapes import Answer, Body, ExternalId, Key, Moment, ShownMoment
from notifier.database.expressions import moment_of
from notifier.entries.content import SEND_AT
from notifier.entries.sending import given_key
from notifier.models import Attempt, Notification, Status

#: In parentheses, because the places of mistakes leave them out (`mistakes`).
_BY_ID, _ALONG = "(id)", "(user)"

To = Annotated[
    Annotated[ExternalId, Tag(_BY_ID)] | Annotated[InlineUser, Tag(_ALONG)],
    Discriminator(lambda value: _BY_ID if isinstance(value, str) else _ALONG),
]


class EmailBody(Body):
    """An email to one person."""

    to: Annotated[To, Field(description="the id of a person, or the person")]
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["verification"])]
    data: Annotated[dict[str, Any] | None, Field(description="what the schema of the kind takes")] = None
    at: Annotated[Moment | None, Field(description="it is not sent before; null: now")] = None
    until: Annotated[Moment | None, Field(description="it is not sent after; null: as its kind has it")] = None


class EmailItem(EmailBody):
    """An email of a batch, with its Idempotency-Key."""

    key: Key


class AskedAnswer(Answer):
    """An email that was asked for. It never changes: the same request gets the same answer at any time."""

    names: ClassVar = Names("/notifications/{id}", "id")

    id: str
    key: str | None
    kind: str
    user: str | None
    status: Annotated[
        Literal["accepted", "skipped", "suppressed"],
        Field(description="accepted: it will be sent; otherwise it never is, and `reason` says why"),
    ]
    reason_code: str | None
    reason: str | None
    at: Annotated[ShownMoment | None, Field(description="the moment that was asked for")]
    until: ShownMoment | None
    created_at: ShownMoment

    @classmethod
    def of(cls, row: Notification, external_id: str | None) -> "AskedAnswer":
        """Return what was asked for by this row."""
        # A row that no worker ever had came to rest when it was written.
        refused = row.claims == 0 and row.status in (Status.skipped, Status.suppressed)
        return cls.model_validate(
            {
                "id": str(row.id),
                "key": given_key(row),
                "kind": row.kind,
                "user": external_id,
                "status": row.status if refused else "accepted",
                "reason_code": row.reason_code if refused else None,
                "reason": row.reason if refused else None,
                "at": _planned(row),
                "until": row.deadline,
                "created_at": row.created_at,
            }
        )


class Reply(Answer):
    """What a mail server said."""

    phase: str | None
    code: int | None
    enhanced: str | None
    text: str | None
    at: Annotated[ShownMoment | None, Field(description="null: the last reply, whose moment is `settled_at`")]
    decision: Annotated[str | None, Field(description="what followed from it; null: see `status`")]


class NotificationAnswer(Answer):
    """An email: what became of it, or will, and why."""

    names: ClassVar = Names("/notifications/{id}", "id")

    id: str
    kind: str
    user: Annotated[str | None, Field(description="null: they signed up with notifier, or are gone")]
    key: Annotated[str | None, Field(description="its Idempotency-Key; null: it was not asked for by one")]
    status: Annotated[Status, Field(description="pending, sending: it will be sent; sent: the mail server took it")]
    reason_code: str | None
    reason: str | None
    attempts: Annotated[int, Field(description="attempts that count against it")]
    unknowns: Annotated[int, Field(description="attempts whose outcome is not known")]
    campaign: str | None
    run: str | None
    content: Annotated[str | None, Field(description="the version of its content; null: the files of its kind")]
    template_version: str | None
    message_id: str | None
    created_at: ShownMoment
    due_at: Annotated[ShownMoment, Field(description="it is not sent before")]
    until: ShownMoment | None
    sent_at: ShownMoment | None
    delivered_at: ShownMoment | None
    settled_at: Annotated[ShownMoment | None, Field(description="when it reached a status that is final")]

    @classmethod
    def facts(cls, row: Notification, external_id: str | None) -> dict[str, Any]:
        """Return the fields of the email of this row."""
        names = ("kind", "status", "reason_code", "reason", "attempts", "unknowns", "template_version", "message_id",
                 "created_at", "sent_at", "delivered_at", "settled_at")  # fmt: skip
        return {name: getattr(row, name) for name in names} | {
            "id": str(row.id),
            "user": external_id,
            "key": given_key(row),
            "campaign": _text(row.campaign_id),
            "run": _text(row.run_id),
            "content": _text(row.content_id),
            "due_at": row.next_attempt_at,
            "until": row.deadline,
        }


class NotificationDetail(NotificationAnswer):
    """An email, with the replies of mail servers."""

    replies: Annotated[list[Reply], Field(description="of attempts that did not simply succeed, and the last one")]

    @classmethod
    def of(cls, row: Notification, external_id: str | None, attempts: list[Attempt]) -> "NotificationDetail":
        """Return the email of this row, with its attempts."""
        replies = [_reply(each) for each in attempts]
        if row.last_phase is not None:
            last = {name: getattr(row, f"last_{name}") for name in ("phase", "code", "enhanced", "text")}
            replies.append({**last, "at": None, "decision": None})
        return cls.model_validate(cls.facts(row, external_id) | {"replies": replies})


def _reply(attempt: Attempt) -> dict[str, Any]:
    return {name: getattr(attempt, name) for name in ("phase", "code", "enhanced", "text", "at", "decision")}


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _planned(row: Notification) -> datetime | None:
    number = row.params.get(SEND_AT)
    return None if number is None else moment_of(number)
