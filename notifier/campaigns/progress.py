"""How far runs are: numbers for pages, from the rows themselves."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.audience import AudienceError, Kinds, Rule, occasion_of
from notifier.campaigns.throughput import Throughput, under_way
from notifier.models import OPEN, Campaign, CampaignRun, Notification, RunState, Status, Trigger, User

#: Mails that came to rest in so many seconds until now make the rate.
LATELY = timedelta(seconds=30)

#: A run that is younger has no rate yet that tells anything.
YOUNG = timedelta(seconds=10)

#: The share of an allowed rate that must be met for it to be expected for the rest, too.
MET = 0.8

#: Runs that a sparkline shows.
RECENT = 12

#: Runs that never owed anybody anything.
EMPTY = (RunState.missed, RunState.coalesced)

_N = Notification


@dataclass(frozen=True, slots=True)
class Progress:
    """One run at one moment."""

    #: Its notifications by status.
    mails: dict[str, int]
    #: All of them, and those at rest.
    total: int
    done: int
    #: Mails a second, lately.
    rate: float
    #: Seconds until the last one, at the rate that is allowed if it is met, otherwise at this one. None: not known.
    left: float | None
    #: When the next mail is due, where all that wait have to wait.
    next_at: datetime | None
    #: How far the expansion is, in per cent of the accounts; None where it is through.
    looked_at: int | None
    #: Nothing changes any more.
    final: bool

    @property
    def percent(self) -> int:
        """100 only where nothing is left."""
        return 100 * self.done // self.total if self.total else (100 if self.final else 0)


def progress(
    session: Session, run: CampaignRun, now: datetime, *, limit: float | None = None, rates: bool = True
) -> Progress:
    """Counted from the ledger while the run is open, afterwards as it was counted then.

    `limit` is that of all mail, in mails a second. `rates`: those of campaigns apply, because there is a Redis.
    """
    mails = ledger.count_by_status(session, run.id) if run.totals is None else dict(run.totals)
    total = max(sum(mails.values()), run.planned if run.state in OPEN else 0)
    waiting = sum(mails.get(status, 0) for status in (Status.pending, Status.sending))
    done = sum(mails.values()) - waiting
    final = run.finished_at is not None and run.state not in OPEN
    rate = 0.0 if final or run.state == RunState.paused else _rate(session, run, now)
    left = total - done
    next_at = None
    if left and not rate and run.state == RunState.sending:
        next_at = _next_at(session, run)
    return Progress(
        mails=mails,
        total=total,
        done=done,
        rate=rate,
        left=_seconds_left(session, run, left, rate, now, limit, rates=rates) if left and run.expanded_at else None,
        next_at=next_at if next_at and next_at > now else None,
        looked_at=_looked_at(session, run),
        final=final,
    )


def words_of(campaign: Campaign, run: CampaignRun, kinds: Kinds) -> dict[str, str]:
    """The reasons to be left out of this run, in words, by code. Empty where the campaign cannot be read any more."""
    try:
        rule = Rule(occasion_of(campaign, run.slot, kinds, run.trigger), (), clock.now())
    except AudienceError:
        return {}
    return {each.code: each.words for each in rule.exclusions}


def recent(session: Session, campaign_ids: Collection[int], limit: int = RECENT) -> dict[int, list[CampaignRun]]:
    """The newest runs that owed somebody something of each of these campaigns, oldest first."""
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
    """How many mails went, for each of these runs that is over."""
    taken = (Status.sent, Status.bounced, Status.complained)
    return [sum(run.totals.get(status, 0) for status in taken) for run in runs if run.totals is not None]


def _rate(session: Session, run: CampaignRun, now: datetime) -> float:
    lately = (_N.run_id == run.id, _N.settled_at > now - LATELY, _N.settled_at <= now)
    mails, first = session.execute(select(func.count(), func.min(_N.settled_at)).where(*lately)).one()
    # A run that began meanwhile is reckoned from its first mail on.
    since = first if first and run.created_at > now - LATELY else now - LATELY
    return float(mails / max(1.0, (now - since).total_seconds()))


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
