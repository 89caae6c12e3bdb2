"""One form for each kind of campaign email, made from its pydantic settings, and filled in with stored columns."""

from collections.abc import Mapping
from datetime import datetime, time
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

import annotated_types
import wtforms
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from notifier.admin.campaigns.choices import ACCOUNTS
from notifier.admin.campaigns.cron_inputs import cron_choices
from notifier.admin.campaigns.form import CampaignForm
from notifier.admin.kit.fields import (
    Box,
    Choice,
    Form,
    Needed,
    Number,
    Numbers,
    Paragraphs,
    Typed,
    in_units,
)
from notifier.emails.campaign_kind import CampaignKind
from notifier.scheduling import periods


@cache
def form_of(kind: type[CampaignKind]) -> type[CampaignForm]:
    """Build the form of a kind."""
    accounts = ACCOUNTS[kind.reaches]
    settings = wtforms.FormField(settings_form(kind.Settings))
    # It stands where the one that it replaces does.
    settings.creation_counter = CampaignForm.settings.creation_counter
    verified = Choice("Accounts", accounts, default="") if accounts else None
    if verified is not None:
        verified.creation_counter = CampaignForm.verified.creation_counter
    return type(f"{kind.__name__}Form", (CampaignForm,), {"settings": settings, "verified": verified})


def settings_form(model: type[BaseModel]) -> type[Form]:
    """Build the form of a model: an input for each of its fields."""
    return type(
        f"{model.__name__}Form", (Form,), {name: _input(name, each) for name, each in model.model_fields.items()}
    )


def _input(name: str, field: FieldInfo) -> Any:
    label, hint = field.title or name.replace("_", " ").capitalize(), field.description or ""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    common: dict[str, Any] = {"default": list(default) if isinstance(default, tuple) else default}
    make, options = _kind(field.annotation)
    if make is Choice:
        if isinstance(field.json_schema_extra, dict):
            options = field.json_schema_extra
        return Choice(label, options, hint, **common)
    if make is Box:
        return Box(label, description=hint, **common)
    if field.is_required():
        common["validators"] = [Needed()]
    elif make in (Typed, Paragraphs):
        label += " (optional)"
    longest = next((each.max_length for each in field.metadata if isinstance(each, annotated_types.MaxLen)), None)
    if make is Typed and longest:
        common["maxlength"] = longest
    return make(label, hint, **common, **options)


def _kind(annotation: Any) -> tuple[Any, dict[str, Any]]:
    """Return which field, and its options."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return _kind(next(part for part in parts if part is not type(None)))
    if origin is Literal:
        return Choice, {str(part): str(part).replace("_", " ") for part in parts}
    if origin in (tuple, list, set, frozenset):
        return (Numbers, {}) if parts and parts[0] is int else (Paragraphs, {"rows": 8})
    if hasattr(annotation, "__metadata__"):
        return _kind(parts[0])
    return {bool: (Box, {}), int: (Number, {"whole": True}), float: (Number, {})}.get(annotation, (Typed, {}))


def filled(values: Mapping[str, Any], kind: CampaignKind) -> dict[str, Any]:
    """Return what stands in the inputs for these columns."""
    people, zone = values.get("audience") or {}, periods.zone_of(None, values.get("zone"))[0]
    chosen = {True: "yes", False: "no", "any": "any"}.get(people.get("verified"), "")
    share = people.get("share")
    return {
        "name": values.get("name"),
        "title": values.get("title"),
        **_schedule(values, zone),
        "settings": _settings(values.get("settings") or {}, kind.Settings),
        # What says the same as the kind is no choice of its own.
        "verified": chosen if chosen in ACCOUNTS[kind.reaches] else "",
        "signed_up_from": _wall(people.get("signed_up_from"), zone),
        "signed_up_before": _wall(people.get("signed_up_before"), zone),
        "locales": people.get("locales") or None,
        "user_from": people.get("user_from"),
        "user_to": people.get("user_to"),
        "share": float(f"{share * 100:.12g}") if share else None,
        "rate": values.get("rate"),
        "quiet_from": _clock(values.get("quiet_from")),
        "quiet_to": _clock(values.get("quiet_to")),
        "capped": values.get("capped", True),
        "misfire": str(values.get("misfire") or "run_late"),
        "misfire_within": in_units(values.get("misfire_within")),
        "coalesce": values.get("coalesce", True),
        "on_unknown": str(values.get("on_unknown") or "never"),
        "lifetime": in_units(values.get("lifetime"), "days"),
    }


def _schedule(values: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    once = _wall(values.get("once_at"), zone)
    inputs: dict[str, Any] = {
        "repeat": "manual",
        "at": time(9) if once is None else once.time(),
        "weekday": ["1"],
        "day": "1",
        "date": None if once is None else once.date(),
        "cron": values.get("cron"),
        "zone": values.get("zone") or "UTC",
        "recipient_local": bool(values.get("recipient_local")),
        "start_at": _wall(values.get("start_at"), zone),
        "end_at": _wall(values.get("end_at"), zone),
        "every": in_units(values.get("every")),
    }
    if once:
        inputs["repeat"] = "once"
    elif values.get("every"):
        inputs["repeat"] = "interval"
    elif values.get("cron"):
        inputs |= cron_choices(values["cron"])
    return inputs


def _settings(settings: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """What is stored; what is not has its default."""
    return {name: value for name, value in settings.items() if name in model.model_fields}


def _wall(value: Any, zone: ZoneInfo) -> datetime | None:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return None if moment is None else periods.wall(moment, zone)


def _clock(text: str | None) -> time | None:
    try:
        return periods.hours(text) if text else None
    except ValueError:
        return None
