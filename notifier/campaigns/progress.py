"""How far runs are: numbers for pages, counted from the rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.audience import AudienceError, AudienceRule, Kinds, occasion_of
from notifier.campaigns.throughput import Throughput, under_way
from notifier.models import OPEN, Campaign, CampaignRun, Notification, RunState, Status, Trigger, User

#: The rate is counted over emails that ended within this time.
LATELY = timedelta(seconds=30)

#: Age of a run below which its rate says nothing yet.
YOUNG = timedelta(seconds=10)

#: Share of an allowed rate that must be reached before it is expected for the rest of the run.
MET = 0.8

#: Runs that a sparkline shows.
RECENT = 12

#: States of runs that never queued an email.
EMPTY = (RunState.missed, RunState.coalesced)

_N = Notification


@dataclass(frozen=True, slots=True)
class Progress:
    """One run at one moment."""

    #: Its notifications by status.
    counts: dict[str, int]
    #: All of them, and those that have ended.
    total: int
    done: int
    #: Emails per second in the last LATELY.
    rate: float
    #: Seconds until the last email: at the allowed rate if that is reached, otherwise at `rate`. None: unknown.
    left: float | None
    #: When the next email is due, if all that wait have to wait.
    next_at: datetime | None
    #: Per cent of the accounts that the expansion has checked. None: it is complete.
    looked_at: int | None
    #: Whether nothing changes any more.
    final: bool

    @property
    def percent(self) -> int:
        """Per cent of the emails that have ended; 100 only if none is left."""
        return 100 * self.done // self.total if self.total else (100 if self.final else 0)


def counts_of(session: Session, runs: Collection[CampaignRun]) -> dict[int, dict[str, int]]:
    """Return the emails of each of these runs by status.

    They are counted from the ledger until the run is over; its stored totals count afterwards.
    """
    counted = ledger.count_by_status(session, [run.id for run in runs if run.totals is None])
    return counted | {run.id: dict(run.totals) for run in runs if run.totals is not None}


def progress(
    session: Session, run: CampaignRun, now: datetime, *, limit: float | None = None, rates: bool = True
) -> Progress:
    """Return the run's progress, counted from the ledger while it is open and from its stored totals afterwards.

    `limit`: the limit of all email, in emails per second. `rates`: whether rates of campaigns apply, which need Redis.
    """
    counts = counts_of(session, [run])[run.id]
    total = max(sum(counts.values()), run.planned if run.state in OPEN else 0)
    waiting = sum(counts.get(status, 0) for status in (Status.pending, Status.sending))
    done = sum(counts.values()) - waiting
    final = run.finished_at is not None and run.state not in OPEN
    rate = 0.0 if final or run.state == RunState.paused else _rate(session, run, now)
    left = total - done
    next_at = None
    if left and not rate and run.state == RunState.sending:
        next_at = _next_at(session, run)
    return Progress(
        counts=counts,
        total=total,
        done=done,
        rate=rate,
        left=_seconds_left(session, run, left, rate, now, limit, rates=rates) if left and run.expanded_at else None,
        next_at=next_at if next_at and next_at > now else None,
        looked_at=_looked_at(session, run),
        final=final,
    )


def words_of(campaign: Campaign, run: CampaignRun, kinds: Kinds) -> dict[str, str]:
    """Return the reasons for exclusion from this run, for people, by code; empty if the campaign cannot be read."""
    try:
        rule = AudienceRule(occasion_of(campaign, run.slot, kinds, run.trigger), (), clock.now())
    except AudienceError:
        return {}
    return {each.code: each.words for each in rule.exclusions}


def recent(session: Session, campaign_ids: Collection[int], limit: int = RECENT) -> dict[int, list[CampaignRun]]:
    """Return the newest runs of each of these campaigns that queued emails, oldest first."""
    if not campaign_ids:
        return {}
    each = [
        select(CampaignRun.id)
        .where(
            CampaignRun.campaign_id == pk,
            CampaignRun.state.not_in(EMPTY),
            CampaignRun.trigger != Trigger.prompt,
        )
        .order_by(CampaignRun.slot.desc())
        .limit(limit)
        .subquery()
        for pk in campaign_ids
    ]
    keys = union_all(*(select(part.c.id) for part in each))
    found: dict[int, list[CampaignRun]] = {pk: [] for pk in campaign_ids}
    for run in session.scalars(select(CampaignRun).where(CampaignRun.id.in_(keys)).order_by(CampaignRun.slot)):
        found[run.campaign_id].append(run)
    return found


def sent_of(runs: Sequence[CampaignRun]) -> list[int]:
    """Return the number of emails sent by each of these runs that is over."""
    taken = (Status.sent, Status.bounced, Status.complained)
    return [sum(run.totals.get(status, 0) for status in taken) for run in runs if run.totals is not None]


def _rate(session: Session, run: CampaignRun, now: datetime) -> float:
    lately = (_N.run_id == run.id, _N.settled_at > now - LATELY, _N.settled_at <= now)
    count, first = session.execute(select(func.count(), func.min(_N.settled_at)).where(*lately)).one()
    # The rate of a run that began within LATELY counts from its first email.
    since = first if first and run.created_at > now - LATELY else now - LATELY
    return float(count / max(1.0, (now - since).total_seconds()))


def _seconds_left(
    session: Session, run: CampaignRun, emails: int, rate: float, now: datetime, limit: float | None, *, rates: bool
) -> float | None:
    if run.state != RunState.sending:
        return None
    own = session.scalar(select(Campaign.rate).where(Campaign.id == run.campaign_id)) if rates else None
    others = [] if limit is None else under_way(session, besides=run.campaign_id)
    allowed = Throughput(0, 0, None, own, limit, others)
    young = now - run.created_at < YOUNG
    if allowed.rate is not None and (young or rate >= MET * allowed.rate):
        return allowed.seconds(emails)
    return emails / rate if rate else None


def _next_at(session: Session, run: CampaignRun) -> datetime | None:
    waiting = (_N.run_id == run.id, _N.status == Status.pending)
    found: datetime | None = session.scalar(select(func.min(_N.next_attempt_at)).where(*waiting))
    return found


def _looked_at(session: Session, run: CampaignRun) -> int | None:
    if run.state not in OPEN or run.expanded_at is not None:
        return None
    last = session.scalar(select(func.max(User.id))) or 0
    return 100 * min(run.cursor, last) // last if last else 100
