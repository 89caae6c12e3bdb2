"""Heartbeats of the periodic jobs."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from notifier.models import Heartbeat

#: The jobs that beat triggers.
CHORES = ("tick", "sweep", "purge")

#: The sender of emails that wait for a rate limit; its heartbeat is written while there are any.
PUMP = "pump"


def beat(session: Session, name: str, now: datetime) -> None:
    """Record that the job `name` ran at `now`. The caller commits."""
    session.merge(Heartbeat(name=name, at=now))


def forget(session: Session, name: str) -> None:
    """Forget when `name` last ran. The caller commits."""
    session.execute(delete(Heartbeat).where(Heartbeat.name == name))


def last(session: Session, name: str) -> datetime | None:
    """Return when `name` last ran; None if it never did."""
    return session.scalar(select(Heartbeat.at).where(Heartbeat.name == name))


def age(session: Session, name: str, now: datetime) -> float | None:
    """Return the seconds since the last heartbeat of `name`; None if there was none."""
    at = last(session, name)
    return None if at is None else (now - at).total_seconds()


def ages(session: Session, now: datetime) -> dict[str, float | None]:
    """Return the seconds since each job last ran; None if it never did."""
    seen = {row.name: row.at for row in session.scalars(select(Heartbeat))}
    return {name: (now - seen[name]).total_seconds() if name in seen else None for name in CHORES}
