"""The audit log: who changed what. An entry is written in the transaction of the change, or there is neither."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from notifier import clock
from notifier.models import AuditEntry

#: How long entries are kept.
KEEP = timedelta(days=365)

#: Longer texts are cut: an entry tells what changed, it is no copy.
MAX_TEXT = 500

#: What is never written down, whatever a caller hands over.
_SECRET = ("password", "secret", "token", "code_hash", "nonce")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: an operator at an address, or nobody who is known."""

    name: str
    operator_id: int | None = None
    ip: str = ""


COMMAND_LINE = Actor("command line")
SYSTEM = Actor("notifier")


def record(
    session: Session,
    by: Actor,
    action: str,
    *,
    object_type: str = "",
    object_id: object = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down that `by` did `action` ("suppression.lifted") to an object. The caller commits both together.

    `before` and `after` are plain values by field; those that are equal in both, and secrets, are left out.
    """
    old, new = dict(before or {}), dict(after or {})
    same = {name for name in old if name in new and old[name] == new[name]}
    session.add(
        AuditEntry(
            at=clock.now(),
            operator_id=by.operator_id,
            actor=by.name,
            ip=by.ip,
            action=action,
            object_type=object_type,
            object_id=str(object_id),
            before=_plain(old, same),
            after=_plain(new, same),
        )
    )


def _plain(values: Mapping[str, Any], leave_out: set[str]) -> dict[str, Any]:
    return {
        name: _short(value)
        for name, value in values.items()
        if name not in leave_out and not any(word in name for word in _SECRET)
    }


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _short(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value[:100]]
    text = str(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
