"""How pages write times of schedules: in the time of a zone, and in the viewer's."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from notifier import clock
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
    """Format the time until a moment: in 5 min, in 3 h, in 4 days; due now."""
    if value is None:
        return ""
    seconds = (value - clock.now()).total_seconds()
    if seconds < 0:
        return "due now"
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"in {seconds / size:.0f} {unit}"
    return f"in {seconds:.0f} s"


def takes(seconds: float | None) -> str:
    """Format roughly how long something takes: 40 s, 12 min, 3 h 20 min, 3 days."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{max(seconds, 1):.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    if minutes >= 2 * 1440 and not minutes % 1440:
        return f"{minutes // 1440} days"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


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
    "takes": takes,
    "capitalize_first": capitalize_first,
}
