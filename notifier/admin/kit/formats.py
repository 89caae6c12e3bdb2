"""How pages write numbers, moments and names."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from notifier import clock, english

NEVER = Markup('<span class="muted">never</span>')


def number(value: float | None) -> str:
    """Format a number: 1,234,567."""
    return "\u2013" if value is None else f"{value:,}"


def moment(value: datetime | None) -> Markup:
    """Format a moment in UTC; a script adds the viewer's local time to the tooltip."""
    if value is None:
        return NEVER
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(utc.isoformat(), f"{utc:%d %b %Y %H:%M:%S}")


def ago(value: datetime | None) -> Markup:
    """Format the time since a moment, with the moment in the tooltip."""
    if value is None:
        return NEVER
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        utc.isoformat(), f"{utc:%d %b %Y %H:%M:%S}", english.ago(clock.now() - utc)
    )


def span(seconds: float | None) -> str:
    """Format a duration in one unit: 12 seconds, 5 minutes, 3 hours, 4 days."""
    return "\u2013" if seconds is None else english.about(seconds)


def words(value: object) -> str:
    """Format a name of the code: verification_reminder -> verification reminder."""
    return str(value).replace("_", " ")


FILTERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "moment": moment,
    "ago": ago,
    "span": span,
    "words": words,
}
