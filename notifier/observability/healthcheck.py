"""What `notifier health` knows: is everything there that sending needs, and is anything stuck?"""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.database import identity
from notifier.database.database_clock import DatabaseClock
from notifier.database.schema import Schema
from notifier.models import (
    AccountRequest,
    Campaign,
    CampaignRun,
    CampaignState,
    Notification,
    RunState,
    Status,
    TransportState,
)  # fmt: skip
from notifier.models.notification import FAILED
from notifier.observability import heartbeats
from notifier.observability.held_providers import held_providers

#: Seconds after which a chore counts as late: several missed turns of its interval.
LATE = {"tick": 120.0, "sweep": 60.0, "purge": 3 * 3600.0}

#: A row that waits for a rate limit is looked at within so long; what sends them shows that it does so as often.
LATE_PUMP = timedelta(seconds=60)

#: A pending row that is due and still waits after so many seconds is stuck.
STUCK = 300.0

#: A slot is acted on within so long, and a run that is being expanded moves.
LATE_SLOT = timedelta(minutes=5)

DAY = timedelta(days=1)

#: Claims that were lost so lately may be a host that is still away.
LOST_LATELY = timedelta(hours=1)

#: Hosts that a line names.
NAMED = 5

#: Seconds that all probes together may take.
PATIENCE = 6.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    ok: bool
    detail: str
    #: The same for programs: `notifier health --json`, docs/runbook.md. Names stay; new ones may join them.
    figures: Mapping[str, Any] = field(default_factory=dict)


def examine(session: Session, now: datetime, schema: Schema | None = None, *, rates: bool = True) -> list[Finding]:
    """Findings about the database and what its rows say. Never raises for a database that is away.

    `schema` adds a finding of that name: whether the database has what this code needs. `rates`: those of campaigns
    apply, because there is a Redis.
    """
    findings = []
    try:
        if schema is not None:
            state = schema.state(session.connection())
            findings.append(Finding("schema", ok=not state.behind, detail=state.detail))
        return [
            *findings,
            *_restored(session),
            _ledger(session, now),
            _requests(session, now),
            *_limited(session, now),
            _unknown(session),
            _failed(session, now),
            _lost_claims(session, now),
            *_held(session, now),
            *_held_providers(session),
            *_campaigns(session, now),
            *([] if rates else _rates(session)),
            *_chores(session, now),
        ]
    except SQLAlchemyError as error:
        session.rollback()
        return [*findings, Finding("database", ok=False, detail=_why_not(session, error))]


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


def _restored(session: Session) -> list[Finding]:
    """One finding where nothing is sent because of a restore; none where all is well."""
    return [Finding("restore", ok=False, detail=identity.HELD)] if identity.is_restored(session) else []


def _ledger(session: Session, now: datetime) -> Finding:
    oldest = session.scalar(
        select(func.min(Notification.next_attempt_at)).where(
            Notification.status == Status.pending, Notification.ring_at <= now, Notification.next_attempt_at <= now
        )
    )
    age = (now - oldest).total_seconds() if oldest else 0.0
    if age > STUCK:
        return Finding(
            "ledger", ok=False, detail=f"the oldest overdue email has been waiting for {age:.0f} s: see the runbook"
        )
    return Finding("ledger", ok=True, detail="nothing is stuck" if oldest is None else f"oldest due email: {age:.0f} s")


def _requests(session: Session, now: datetime) -> Finding:
    """Report what the public forms asked for and no worker has handled."""
    given_up = AccountRequest.given_up()
    waiting, oldest, failed = session.execute(
        select(
            func.count().filter(~given_up),
            func.min(AccountRequest.created_at).filter(~given_up),
            func.count().filter(given_up),
        )
    ).one()
    age = (now - oldest).total_seconds() if oldest else 0.0
    figures = {"waiting": waiting, "oldest_seconds": round(age), "failed": failed}
    name = "sign-up requests"
    if failed:
        detail = f"{failed:,} failed too often (account_request.given_up in the log): then notifier outbox retry"
        return Finding(name, ok=False, detail=detail, figures=figures)
    if age > STUCK:
        detail = f"the oldest waits for {age:.0f} s: does a worker read the queue transactional, and is beat running?"
        return Finding(name, ok=False, detail=detail, figures=figures)
    return Finding(name, ok=True, detail=f"{waiting:,} waiting" if waiting else "none is waiting", figures=figures)


def _unknown(session: Session) -> Finding:
    """Emails of which nobody knows whether they arrived, by the host that had them: people decide."""
    query = select(Notification.claimed_by, func.count()).where(text("status = 'unknown'"))
    hosts: Counter[str] = Counter()
    for owner, count in session.execute(query.group_by(Notification.claimed_by)):
        hosts[ledger.host_of(owner) if owner else "?"] += count
    total = hosts.total()
    figures = {"count": total, "hosts": dict(hosts)}
    if not total:
        return Finding("unknown", ok=True, detail="no email is uncertain", figures=figures)
    named = ", ".join(f"{host}: {count:,}" for host, count in hosts.most_common(NAMED))
    detail = f"{total:,} emails may have arrived or not ({named}): notifier unknown list"
    return Finding("unknown", ok=False, detail=detail, figures=figures)


def clock_finding(moments: DatabaseClock, *, warn_above: float) -> Finding:
    """Compare the clock of this host with the database's. Raises DBAPIError if that is away."""
    ahead = moments.difference()
    figures = {"seconds_ahead": round(ahead, 1)}
    if abs(ahead) <= warn_above:
        return Finding("clock", ok=True, detail="agrees with the database's", figures=figures)
    detail = f"this host's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the database's: set it"
    return Finding("clock", ok=False, detail=detail, figures=figures)


def _failed(session: Session, now: datetime) -> Finding:
    lately = (text(FAILED), Notification.settled_at > now - DAY)
    count = session.scalar(select(func.count()).select_from(Notification).where(*lately)) or 0
    return Finding("failed", ok=True, detail=f"{count:,} in the last 24 hours", figures={"last_24_hours": count})


def _lost_claims(session: Session, now: datetime) -> Finding:
    """Claims that their workers did not renew: those were killed with their host, or cut off from the database."""
    lost = ledger.lost_claims(session, since=now - DAY)
    figures = {"last_24_hours": sum(each.claims for each in lost), "hosts": {each.host: each.claims for each in lost}}
    if not lost:
        return Finding("lost claims", ok=True, detail="none in the last 24 hours", figures=figures)
    named = "; ".join(f"{each.host}: {each.claims:,}, last {each.last:%Y-%m-%d %H:%M} UTC" for each in lost[:NAMED])
    recent = lost[0].last > now - LOST_LATELY
    detail = f"in the last 24 hours {named}" + (": does the host live, and does it reach the database?" * recent)
    return Finding("lost claims", ok=not recent, detail=detail, figures=figures)


def _limited(session: Session, now: datetime) -> list[Finding]:
    """A finding where emails wait for a rate limit and no worker sends them; none where all is well."""
    age = heartbeats.age(session, heartbeats.PUMP, now)
    silent = age is None or age > LATE_PUMP.total_seconds()
    lines = ledger.turn_queues(session, bulk=(False, True)) if silent else []
    late = [line for line in lines if ledger.first_waiting(session, line, now=now - LATE_PUMP, after=0, limit=1)]
    if not late:
        return []
    detail = "emails wait for a rate limit, and no worker sends them: does one read the queue bulk, and REDIS_URL?"
    return [Finding("limited emails", ok=False, detail=detail)]


def _rates(session: Session) -> list[Finding]:
    """A finding where campaigns have a rate and workers have no Redis to count in; none where no campaign has one."""
    limited = select(Campaign.name).where(Campaign.rate.is_not(None), Campaign.state != CampaignState.archived)
    names = session.scalars(limited.order_by(Campaign.name)).all()
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    detail = f"of {', '.join(names[:NAMED])}{more} do not apply, because REDIS_URL is not set: set it, or no rate"
    return [Finding("ignored rates", ok=False, detail=detail)]


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


def _held_providers(session: Session) -> list[Finding]:
    """One finding for each provider that refuses our emails. A single domain is no fault of the whole: it is told."""
    return [
        Finding(
            f"provider {each.name}",
            ok=not each.known,
            detail=f"refuses our emails through {each.transport} since {each.since:%Y-%m-%d %H:%M:%S} UTC: "
            f"{each.said}; waiting: {each.count}; next probe at {each.next_probe_at:%Y-%m-%d %H:%M:%S} UTC"
            + (f"; see {each.page}" if each.page else ""),
        )
        for each in held_providers(session)
    ]


def _chores(session: Session, now: datetime) -> list[Finding]:
    findings = []
    for name, age in heartbeats.ages(session, now).items():
        if age is None:
            findings.append(Finding(name, ok=False, detail="has never run: is beat running?"))
        else:
            ok = age <= LATE[name]
            findings.append(Finding(name, ok=ok, detail=f"{age:.0f} s ago" + ("" if ok else ": is beat running?")))
    return findings
