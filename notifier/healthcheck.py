"""What `notifier health` knows: is everything there that sending needs, and is anything stuck?"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from notifier import heartbeats
from notifier.models import Campaign, CampaignRun, CampaignState, Notification, RunState, Status, TransportState

#: Seconds after which a chore counts as late: several missed turns of its interval.
LATE = {"tick": 120.0, "sweep": 60.0, "purge": 3 * 3600.0}

#: A pending row that is due and still waits after so many seconds is stuck.
STUCK = 300.0

#: A slot is acted on within so long, and a run that is being expanded moves.
LATE_SLOT = timedelta(minutes=5)

#: Seconds that all probes together may take.
PATIENCE = 6.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    ok: bool
    detail: str


def examine(session: Session, now: datetime) -> list[Finding]:
    """Findings about the database and what its rows say. Never raises for a database that is away."""
    try:
        return [_ledger(session, now), *_held(session, now), *_campaigns(session, now), *_chores(session, now)]
    except SQLAlchemyError as error:
        session.rollback()
        return [Finding("database", ok=False, detail=_why_not(session, error))]


def ask(probes: Mapping[str, Callable[[], Finding]], *, patience: float = PATIENCE) -> list[Finding]:
    """What these probes find, each in a thread of its own; one that is not back after `patience` seconds is wrong."""
    pool = ThreadPoolExecutor(max_workers=max(1, len(probes)))
    asked = {name: pool.submit(probe) for name, probe in probes.items()}
    wait(asked.values(), timeout=patience)
    pool.shutdown(wait=False, cancel_futures=True)
    return [_answer(name, future, patience) for name, future in asked.items()]


def _answer(name: str, future: Future[Finding], patience: float) -> Finding:
    if not future.done():
        return Finding(name, ok=False, detail=f"did not answer within {patience:.0f} s")
    error = future.exception()
    if error is not None:
        return Finding(name, ok=False, detail=f"cannot be asked: {type(error).__name__}")
    return future.result()


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


def _campaigns(session: Session, now: datetime) -> list[Finding]:
    """One finding for each slot that no tick has acted on, and each run that stands still; none where all is well."""
    waiting = select(Campaign).where(Campaign.state == CampaignState.active, Campaign.next_run_at < now - LATE_SLOT)
    late = [
        Finding(
            f"campaign {campaign.name}",
            ok=False,
            detail=f"its run was due at {campaign.next_run_at:%Y-%m-%d %H:%M} UTC and has not begun: is beat running?",
        )
        for campaign in session.scalars(waiting.order_by(Campaign.next_run_at))
    ]
    expanding = CampaignRun.state.in_((RunState.due, RunState.expanding))
    still = select(CampaignRun.id).where(expanding, CampaignRun.touched_at < now - LATE_SLOT).order_by(CampaignRun.id)
    return late + [
        Finding(f"run {pk}", ok=False, detail="its expansion stands still: does a worker read the queue expansion?")
        for pk in session.scalars(still)
    ]


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
