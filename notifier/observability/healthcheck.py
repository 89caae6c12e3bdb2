"""The checks of `notifier health` on the database: is everything there that sending needs, and is anything stuck?"""

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from notifier import english, ledger
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
)  # fmt: skip
from notifier.models.notification import FAILED
from notifier.observability import heartbeats, standing
from notifier.observability.braked_runs import braked_runs
from notifier.observability.check import HealthCheck
from notifier.observability.hold_checks import hold_checks
from notifier.observability.webhook_check import webhook_check

#: Seconds after which a job is late: several missed turns of its interval.
LATE = {"tick": 120.0, "sweep": 60.0, "purge": 3 * 3600.0}

#: Time within which a row that waits for a rate limit is looked at; the pump's heartbeat comes as often.
LATE_PUMP = timedelta(seconds=60)

#: Seconds after which a pending row that is due counts as stuck.
STUCK = 300.0

#: Time within which a slot is acted on, and an expansion moves.
LATE_SLOT = timedelta(minutes=5)

DAY = timedelta(days=1)

#: Age of a lost claim below which its host may still be down.
LOST_LATELY = timedelta(hours=1)

#: Hosts named in one line.
NAMED = 5


def examine(session: Session, now: datetime, schema: Schema | None = None, *, rates: bool = True) -> list[HealthCheck]:
    """Return checks of the database and of its rows. Never raise if the database is unreachable.

    `schema` adds a check named after it: whether the database has what this code needs. `rates`: whether rates of
    campaigns apply, which need Redis.
    """
    checks = []
    try:
        if schema is not None:
            state = schema.state(session.connection())
            checks.append(HealthCheck("schema", ok=not state.behind, detail=state.detail))
        return [
            *checks,
            *_restored(session),
            _ledger(session, now),
            _requests(session, now),
            *_limited(session, now),
            _unknown(session),
            _failed(session, now),
            _lost_claims(session, now),
            *hold_checks(session, now),
            *_campaigns(session, now),
            *([] if rates else _rates(session)),
            *webhook_check(session, now),
            *_chores(session, now),
        ]
    except SQLAlchemyError as error:
        session.rollback()
        return [*checks, HealthCheck("database", ok=False, detail=_why_not(session, error))]


def _why_not(session: Session, error: SQLAlchemyError) -> str:
    try:
        tables = inspect(session.connection()).get_table_names()
    except SQLAlchemyError:
        return f"does not answer: {type(error).__name__}"
    if Notification.__tablename__ not in tables:
        return (
            f"answers, but its tables are missing in {session.get_bind().engine.url.database}: run notifier db upgrade"
        )
    return f"answers with an error: {type(error).__name__}"


def _restored(session: Session) -> list[HealthCheck]:
    """Return a failed check if nothing is sent because of a restore, else none."""
    return [HealthCheck("restore", ok=False, detail=identity.HELD)] if identity.is_restored(session) else []


def _ledger(session: Session, now: datetime) -> HealthCheck:
    counts = standing.now_in(session, now)
    figures = {"overdue": counts.due, "scheduled": counts.scheduled, "held": counts.held,
               "oldest_seconds": round(counts.oldest or 0)}  # fmt: skip
    if counts.oldest is None:
        return HealthCheck("ledger", ok=True, detail=f"0 overdue, {counts.scheduled:,} scheduled", figures=figures)
    detail = f"{counts.due:,} overdue, {counts.scheduled:,} scheduled; the oldest has been waiting for"
    if counts.oldest > STUCK:
        detail = f"{detail} {english.duration(counts.oldest)}: see the runbook"
        since = now - timedelta(seconds=counts.oldest)
        return HealthCheck("ledger", ok=False, detail=detail, figures=figures, since=since)
    return HealthCheck("ledger", ok=True, detail=f"{detail} {counts.oldest:.0f} s", figures=figures)


def _requests(session: Session, now: datetime) -> HealthCheck:
    """Check the form requests that no worker has handled."""
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
        detail = f"{failed:,} failed too often: see account_request.given_up in the log, then run notifier outbox retry"
        return HealthCheck(name, ok=False, detail=detail, figures=figures)
    if age > STUCK:
        detail = f"the oldest has waited {age:.0f} s: does a worker read notifier.transactional, and is beat running?"
        return HealthCheck(name, ok=False, detail=detail, figures=figures)
    return HealthCheck(name, ok=True, detail=f"{waiting:,} waiting" if waiting else "none waiting", figures=figures)


def _unknown(session: Session) -> HealthCheck:
    """Check the emails whose delivery is uncertain, by host. People have to decide about them."""
    query = select(Notification.claimed_by, func.count()).where(text("status = 'unknown'"))
    hosts: Counter[str] = Counter()
    for owner, count in session.execute(query.group_by(Notification.claimed_by)):
        hosts[ledger.host_of(owner) if owner else "?"] += count
    total = hosts.total()
    figures = {"count": total, "hosts": dict(hosts)}
    if not total:
        return HealthCheck("unknown", ok=True, detail="no delivery is uncertain", figures=figures)
    named = ", ".join(f"{host}: {count:,}" for host, count in hosts.most_common(NAMED))
    detail = f"emails whose delivery is uncertain: {total:,} ({named}); to decide, run notifier unknown list"
    return HealthCheck("unknown", ok=False, detail=detail, figures=figures)


def clock_check(moments: DatabaseClock, *, warn_above: float) -> HealthCheck:
    """Compare the clock of this host with the database's. Raise DBAPIError if the database is unreachable."""
    ahead = moments.difference()
    figures = {"seconds_ahead": round(ahead, 1)}
    if abs(ahead) <= warn_above:
        return HealthCheck("clock", ok=True, detail="agrees with the database's", figures=figures)
    detail = f"this host's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the database's: set it"
    return HealthCheck("clock", ok=False, detail=detail, figures=figures)


def _failed(session: Session, now: datetime) -> HealthCheck:
    lately = (text(FAILED), Notification.settled_at > now - DAY)
    count = session.scalar(select(func.count()).select_from(Notification).where(*lately)) or 0
    return HealthCheck("failed", ok=True, detail=f"{count:,} in the last 24 hours", figures={"last_24_hours": count})


def _lost_claims(session: Session, now: datetime) -> HealthCheck:
    """Check the claims that were not renewed.

    Their workers crashed with their host, or were cut off from the database.
    """
    lost = ledger.lost_claims(session, since=now - DAY)
    figures = {"last_24_hours": sum(each.claims for each in lost), "hosts": {each.host: each.claims for each in lost}}
    if not lost:
        return HealthCheck("lost claims", ok=True, detail="none in the last 24 hours", figures=figures)
    named = "; ".join(f"{each.host}: {each.claims:,}, last {each.last:%Y-%m-%d %H:%M} UTC" for each in lost[:NAMED])
    recent = lost[0].last > now - LOST_LATELY
    detail = f"in the last 24 hours {named}" + (": is the host up, and can it reach the database?" * recent)
    return HealthCheck("lost claims", ok=not recent, detail=detail, figures=figures)


def _limited(session: Session, now: datetime) -> list[HealthCheck]:
    """Return a failed check if emails wait for a rate limit and no worker sends them, else none."""
    age = heartbeats.age(session, heartbeats.PUMP, now)
    silent = age is None or age > LATE_PUMP.total_seconds()
    lines = ledger.turn_queues(session, bulk=(False, True)) if silent else []
    late = [line for line in lines if ledger.first_waiting(session, line, now=now - LATE_PUMP, after=0, limit=1)]
    if not late:
        return []
    detail = "emails wait for a rate limit, and no worker sends them: does one read notifier.bulk and reach REDIS_URL?"
    return [HealthCheck("limited emails", ok=False, detail=detail)]


def _rates(session: Session) -> list[HealthCheck]:
    """Return a failed check if campaigns have a rate and workers have no Redis to count in, else none."""
    limited = select(Campaign.name).where(Campaign.rate.is_not(None), Campaign.state != CampaignState.archived)
    names = session.scalars(limited.order_by(Campaign.name)).all()
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    detail = f"rates of {', '.join(names[:NAMED])}{more} do not apply without REDIS_URL: set it, or remove the rates"
    return [HealthCheck("ignored rates", ok=False, detail=detail)]


def _campaigns(session: Session, now: datetime) -> list[HealthCheck]:
    """Return a failed check for each slot that no tick acted on, and each run that stalled or that a brake paused."""
    waiting = select(Campaign).where(Campaign.state == CampaignState.active, Campaign.next_run_at < now - LATE_SLOT)
    late = [
        HealthCheck(
            f"campaign {campaign.name}",
            ok=False,
            detail=f"its run was due at {campaign.next_run_at:%Y-%m-%d %H:%M} UTC and has not begun: is beat running?",
            since=campaign.next_run_at,
        )
        for campaign in session.scalars(waiting.order_by(Campaign.next_run_at))
    ]
    expanding = CampaignRun.state.in_((RunState.due, RunState.expanding))
    still = select(CampaignRun.id).where(expanding, CampaignRun.touched_at < now - LATE_SLOT).order_by(CampaignRun.id)
    stalled = "its expansion has stalled: does a worker read notifier.expansion?"
    runs = [(pk, stalled) for pk in session.scalars(still)] + [(each.id, each.detail) for each in braked_runs(session)]
    return late + [
        HealthCheck(f"run {pk}", ok=False, detail=detail, figures={"stalled": detail == stalled}) for pk, detail in runs
    ]


def _chores(session: Session, now: datetime) -> list[HealthCheck]:
    checks = []
    for name, age in heartbeats.ages(session, now).items():
        if age is None:
            checks.append(HealthCheck(name, ok=False, detail="has never run: is beat running?"))
            continue
        ok = age <= LATE[name]
        detail = f"{age:.0f} s ago" + ("" if ok else ": is beat running?")
        since = None if ok else now - timedelta(seconds=age)
        checks.append(HealthCheck(name, ok=ok, detail=detail, since=since))
    return checks
