"""What `notifier health` knows: is everything there that sending needs, and is anything stuck?"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from notifier import heartbeats
from notifier.models import Notification, Status, TransportState

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
        return [_ledger(session, now), *_held(session, now), *_chores(session, now)]
    except SQLAlchemyError as error:
        session.rollback()
        return [Finding("database", ok=False, detail=_why_not(session, error))]


def _why_not(session: Session, error: SQLAlchemyError) -> str:
    try:
        tables = inspect(session.connection()).get_table_names()
    except SQLAlchemyError:
        return f"does not answer: {type(error).__name__}"
    if Notification.__tablename__ not in tables:
        return "answers, but its tables are missing: run notifier db upgrade"
    return f"answers, but not as it should: {type(error).__name__}"


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


def _held(session: Session, now: datetime) -> list[Finding]:
    """One finding for each transport that the breaker holds; none where all is well."""
    query = select(TransportState).where(TransportState.held_since.is_not(None)).order_by(TransportState.name)
    return [Finding(f"transport {row.name}", ok=False, detail=_why_held(row, now)) for row in session.scalars(query)]


def _why_held(row: TransportState, now: datetime) -> str:
    assert row.held_since is not None  # or it would not have been asked for
    said = " ".join(str(part) for part in (row.phase, row.code, row.text) if part)
    probe = "" if row.next_probe_at is None else f"; next probe at {row.next_probe_at:%Y-%m-%d %H:%M:%S} UTC"
    held = f"held since {row.held_since:%Y-%m-%d %H:%M:%S} UTC ({(now - row.held_since).total_seconds():.0f} s)"
    return f"{held}: {said}{probe}"


def _chores(session: Session, now: datetime) -> list[Finding]:
    findings = []
    for name, age in heartbeats.ages(session, now).items():
        if age is None:
            findings.append(Finding(name, ok=False, detail="has never run: is beat running?"))
        else:
            ok = age <= LATE[name]
            findings.append(Finding(name, ok=ok, detail=f"{age:.0f} s ago" + ("" if ok else ": is beat running?")))
    return findings
