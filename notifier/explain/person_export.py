"""Everything that is stored about one person, as a document for them: the fields of the HTTP API's export.

`POST /v1/users/{id}/export`, the admin and `notifier person export` give the same. A test compares the fields.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from notifier import clock
from notifier.accounts.export import Everything, everything_about
from notifier.consent.decisions import Wish
from notifier.consent.suppressions import CONCEALED
from notifier.emails.kind import DATA
from notifier.entries.sending import given_key
from notifier.models import Attempt, Feedback, Notification, Suppression, User
from notifier.operators import audit_log
from notifier.operators.audit_log import About, Actor

#: The action of the entry that an export leaves.
EXPORTED: Final = "person.exported"

_PERSON = ("locale", "timezone", "verified_at", "attributes", "created_at")
_CONSENT = ("category", "wanted", "frequency", "how", "at")
_SUPPRESSION = ("reason", "source", "evidence", "created_at", "until")
_EMAIL = (
    "kind", "status", "reason_code", "reason", "attempts", "unknowns", "template_version", "message_id", "created_at",
    "sent_at", "delivered_at", "settled_at",
)  # fmt: skip
_ATTEMPT = ("phase", "code", "enhanced", "text", "at", "decision")
_ACTIVITY = ("kind", "actor", "object_key", "object_title")
_CAME_BACK = ("kind", "verdict", "reason", "code", "enhanced", "text", "effect")


def export_person(session: Session, person: User, *, keys: Sequence[str], by: Actor, form: str) -> dict[str, Any]:
    """Return the document, and record in the audit log who took it along, in which `form`. The caller commits.

    Values are those of JSON. Secret data of emails are not in it. `keys`: SECRET_KEYS.
    """
    document = document_of(everything_about(session, person))
    about = About.address(person.identity_key, keys) if person.identity_key else None
    audit_log.record(
        session, by, EXPORTED, object_type="person", object_id=person.id, about=about, after={"form": form}
    )
    return document


def document_of(found: Everything) -> dict[str, Any]:
    """Return these rows as the values of JSON."""
    person, external_id = found.person, found.person.external_id
    return {
        "exported_at": _plain(clock.now()),
        "person": {"number": person.id, "id": external_id, "email": person.email or None, "name": person.display_name}
        | _values(person, _PERSON),
        "preferences": {category: _wish(wish) for category, wish in found.wishes.items()},
        "consents": [
            _values(row, _CONSENT) | {"source": row.basis, "notification": _text(row.notification_id)}
            for row in found.consents
        ],
        "suppressions": [_suppression(row) for row in found.suppressions],
        "emails": [_email(row, external_id, found.attempts.get(row.id, ())) for row in found.emails],
        "activities": [_values(row, _ACTIVITY) | {"at": _plain(row.occurred_at)} for row in found.activities],
        "came_back": [_came_back(row) for row in found.came_back],
    }


def _wish(wish: Wish) -> dict[str, Any]:
    often = {} if wish.frequency is None else {"frequency": wish.frequency.value}
    return {"wanted": wish.wanted, "decided_at": _plain(wish.decided_at), **often}


def _suppression(row: Suppression) -> dict[str, Any]:
    email = None if row.identity_key.startswith(CONCEALED) else row.identity_key
    return {"id": str(row.id), "email": email} | _values(row, _SUPPRESSION)


def _email(row: Notification, external_id: str | None, attempts: Sequence[Attempt]) -> dict[str, Any]:
    replies = [_values(each, _ATTEMPT) for each in attempts]
    if row.last_phase is not None:
        last = {name: getattr(row, f"last_{name}") for name in ("phase", "code", "enhanced", "text")}
        replies.append(last | {"at": None, "decision": None})
    return {
        "id": str(row.id),
        "user": external_id,
        "address": row.recipient,
        "key": given_key(row),
        "campaign": _text(row.campaign_id),
        "run": _text(row.run_id),
        "content": _text(row.content_id),
        "due_at": _plain(row.next_attempt_at),
        "until": _plain(row.deadline),
        **_values(row, _EMAIL),
        "data": row.params.get(DATA),
        "replies": replies,
    }


def _came_back(row: Feedback) -> dict[str, Any]:
    about = {"notification": _text(row.notification_id), "at": _plain(row.happened_at)}
    return about | _values(row, _CAME_BACK)


def _values(row: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
