"""How pages write times of schedules: in the time of a zone, and in the viewer's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from notifier import clock, english
from notifier.scheduling import periods

_NONE = Markup('<span class="muted">none</span>')


def in_zone(value: datetime | None, zone: str = "UTC") -> Markup:
    """Format the local time in a zone: Mon 23 Nov 2026, 07:30 GMT."""
    if value is None:
        return _NONE
    found, _ = periods.zone_of(None, zone)
    there = value.astimezone(found)
    return Markup('<time datetime="{}">{}&nbsp;<span class="muted">{}</span></time>').format(
        value.astimezone(UTC).isoformat(), f"{there:%a} {there.day} {there:%b %Y, %H:%M}", _offset(there)
    )


def here(value: datetime | None) -> Markup:
    """Format a moment in UTC; a script replaces it by the viewer's local time."""
    if value is None:
        return Markup("")
    utc = value.astimezone(UTC)
    words = f"{utc:%a} {utc.day} {utc:%b}, {utc:%H:%M}"
    return Markup('<time datetime="{}" data-here>{} UTC</time>').format(utc.isoformat(), words)


def also_here(value: datetime | None, zone: str) -> Markup:
    """Return `here` for a moment shown in `zone`; hidden if both are the same time."""
    if value is None:
        return Markup("")
    hidden = Markup(" hidden") if zone == "UTC" else ""
    return Markup('<span class="also" data-zone="{}"{}>{}</span>').format(zone, hidden, here(value))


def until(value: datetime | None) -> str:
    """Format the time until a moment: in 5 minutes, in 3 hours, in 4 days; due now."""
    if value is None:
        return ""
    now = clock.now()
    return english.ago(now - value) if value - now >= timedelta(seconds=1) else "due now"


def is_ahead(value: datetime) -> bool:
    """Return whether a moment is still to come."""
    return value > clock.now()


def takes(seconds: float | None) -> str:
    """Format roughly how long something takes: 40 seconds; 3 hours, 20 minutes. Nothing if that is not known."""
    return "" if seconds is None else english.duration(seconds)


def _offset(moment: datetime) -> str:
    """Return the zone's name for its offset: GMT, CET; +03 if it has none."""
    return moment.tzname() or "UTC"


def capitalize_first(text: str) -> str:
    """Capitalise the first letter only: Every day at 09:00."""
    return text[:1].upper() + text[1:]


FILTERS: dict[str, Callable[..., Any]] = {
    "in_zone": in_zone,
    "here": here,
    "also_here": also_here,
    "until": until,
    "is_ahead": is_ahead,
    "takes": takes,
    "capitalize_first": capitalize_first,
}
