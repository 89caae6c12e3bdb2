"""What `notifier health` knows: is everything there that sending needs, and is anything stuck?"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from notifier import heartbeats
from notifier.models import Notification, Status

#: Seconds after which a chore counts as late: several missed turns of its interval.
LATE = {"tick": 120.0, "sweep": 60.0, "purge": 3 * 3600.0}

#: A pending row that is due and still waits after so many seconds is stuck.
STUCK = 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    ok: bool
    detail: str


def examine(session: Session, now: datetime) -> list[Finding]:
    """Findings about the database and what its rows say. Never raises for a database that is away."""
    try:
        return [_ledger(session, now), *_chores(session, now)]
    except SQLAlchemyError as error:
        return [Finding("database", ok=False, detail=f"does not answer: {type(error).__name__}")]


def _ledger(session: Session, now: datetime) -> Finding:
    oldest = session.scalar(
        select(func.min(Notification.next_attempt_at)).where(
            Notification.status == Status.pending, Notification.ring_at <= now, Notification.next_attempt_at <= now
        )
    )
    age = (now - oldest).total_seconds() if oldest else 0.0
    if age > STUCK:
        return Finding("ledger", ok=False, detail=f"the oldest mail that is due waits for {age:.0f} s: see the runbook")
    return Finding("ledger", ok=True, detail="nothing is stuck" if oldest is None else f"oldest due mail: {age:.0f} s")


def _chores(session: Session, now: datetime) -> list[Finding]:
    findings = []
    for name, age in heartbeats.ages(session, now).items():
        if age is None:
            findings.append(Finding(name, ok=False, detail="has never run: is beat running?"))
        else:
            ok = age <= LATE[name]
            findings.append(Finding(name, ok=ok, detail=f"{age:.0f} s ago" + ("" if ok else ": is beat running?")))
    return findings
