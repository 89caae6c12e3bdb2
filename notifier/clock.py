"""The only source of time. Tests freeze it here (or with time-machine, which it honours)."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)
