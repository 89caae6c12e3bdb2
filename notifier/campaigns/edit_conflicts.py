"""Merge the edits of two operators: show what the other one changed, and a form in which neither edit is lost."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.campaigns.editing import SCHEDULE, Draft, check, written
from notifier.campaigns.errors import Invalid
from notifier.campaigns.overview import in_words
from notifier.emails.kind import EmailKind
from notifier.models import AuditEntry, Campaign
from notifier.operators import audit_log

#: The fields of a schedule are compared as one value: half of a schedule makes no sense.
_SCHEDULE = "schedule"
#: These are merged setting by setting.
_PARTS = ("audience", "settings")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that the other operator changed, or both did."""

    label: str
    theirs: str
    yours: str
    #: Whether both changed it. If not, the form has the other operator's value.
    both: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """What the other operator changed while the form was open."""

    who: str
    at: datetime
    version: int
    differences: list[Difference]
    #: The other operator's values, with this operator's changes put over them.
    merged: dict[str, Any]


def seen(campaign: Campaign) -> str:
    """Return the campaign's fields as JSON: the state in which its form was opened, which travels with the form."""
    return json.dumps(_plain(written(campaign)), default=str)


def conflict(
    session: Session, campaign: Campaign, yours: Mapping[str, Any], opened: str, kinds: Mapping[str, EmailKind]
) -> Conflict:
    """Compare the stored campaign with `yours`.

    `opened` is the state in which the form was opened (`seen`).
    """
    theirs = _flat(_plain(written(campaign)))
    mine = _flat(_plain(_normal(yours, kinds, campaign)))
    was = _opened(opened)
    # If that state is unknown, every field that differs is listed.
    base = _flat(was or {})
    merged, differences = dict(theirs), []
    for name in sorted(theirs.keys() | mine.keys() | base.keys()):
        their, my, old = theirs.get(name), mine.get(name), ... if was is None else base.get(name)
        if their == my:
            continue
        by_them, by_me = their != old, my != old
        if by_me:
            merged[name] = my
        if by_them:
            differences.append(Difference(_label(name), _words(name, their), _words(name, my), both=by_me))
    who, at = _last_change(session, campaign)
    return Conflict(who, at, campaign.version, differences, _whole(merged))


def _normal(values: Mapping[str, Any], kinds: Mapping[str, EmailKind], campaign: Campaign) -> dict[str, Any]:
    """Return the values as they would be stored."""
    try:
        checked = check(values, kinds, now=campaign.created_at, like=campaign)
        return written(checked.draft(campaign.created_at))
    except Invalid:
        return dict(values)


def _last_change(session: Session, campaign: Campaign) -> tuple[str, datetime]:
    query = (
        select(AuditEntry)
        .where(
            AuditEntry.object_type == "campaign",
            AuditEntry.object_id == str(campaign.id),
            AuditEntry.action.in_(("campaign.edited", "campaign.words_changed")),
        )
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )
    entry = session.scalars(query).one_or_none()
    if entry is None:
        return "Another operator", campaign.updated_at
    addresses = audit_log.addresses_of(session, [entry])
    return addresses.get(entry.operator_id or 0, entry.actor), entry.at


def _opened(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as JSON has them."""
    moments = {name: value.isoformat() for name, value in values.items() if isinstance(value, datetime)}
    plain: dict[str, Any] = json.loads(json.dumps({**values, **moments}, default=_text))
    return plain


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schedule as one value, and audience and settings part by part."""
    flat = {name: value for name, value in values.items() if name not in (*SCHEDULE, *_PARTS)}
    flat[_SCHEDULE] = {name: values.get(name) for name in SCHEDULE}
    for part in _PARTS:
        inner = values.get(part)
        flat |= {f"{part}.{name}": value for name, value in (inner if isinstance(inner, dict) else {}).items()}
    return flat


def _whole(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `_flat`, and turn texts into moments again."""
    whole: dict[str, Any] = {part: {} for part in _PARTS}
    for name, value in flat.items():
        part, _, inner = name.partition(".")
        if name == _SCHEDULE:
            whole |= {key: _moment(key, each) for key, each in (value or {}).items()}
        elif inner:
            if value is not None:
                whole[part][inner] = value
        else:
            whole[name] = value
    return whole


def _moment(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name.endswith("_at") and isinstance(value, str) else value


def _label(name: str) -> str:
    return name.replace(".", ": ").replace("_", " ").capitalize()


def _words(name: str, value: Any) -> str:
    if name == _SCHEDULE and isinstance(value, dict):
        columns = {key: _moment(key, each) for key, each in value.items()}
        return in_words(Campaign(**columns, created_at=datetime.fromisoformat("2026-01-01T00:00:00+00:00")))
    if value is None or value in ("", [], {}):
        return "(nothing)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


assert set(SCHEDULE) < set(Draft.model_fields)
