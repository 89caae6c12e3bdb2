"""How fast emails are sent: by the limits set, and by what the ledger saw in the last day."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from notifier.campaigns.rate_sharing import Load, parts, seconds_to_send
from notifier.database.expressions import NumberOf, microseconds
from notifier.models import Campaign, CampaignRun, Notification, RunState, Status

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

#: Seconds (or minutes, see `throughput`) with fewer emails show how many there were to send, not how fast they can be.
FEW = 5

#: A rate counts from so many emails on. A count of n varies by about its square root: by a fifth for 30.
LEAST = 30

_N = Notification


@dataclass(frozen=True, slots=True)
class Throughput:
    """Sending rates, in emails per second unless noted. None: unknown, or no limit."""

    last_hour: int
    last_day: int
    #: The rate around a typical email of the last day, from campaigns without a rate; None if too few were sent.
    seen: float | None
    campaign_limit: float | None
    limit: float | None
    #: The other campaigns that share `limit` now.
    others: list[Load] = field(default_factory=list)

    @property
    def rate(self) -> float | None:
        """The rate to expect now: the rate seen, within the limits, and only a share of a shared limit."""
        alone = self._alone
        if self.limit is None:
            return alone
        return parts([Load(1, alone), *self.others], self.limit)[0]

    def seconds(self, emails: int) -> float | None:
        """Return the seconds that this many emails take; None if unknown."""
        if emails == 0:
            return 0.0
        if self.limit is not None:
            return seconds_to_send(Load(emails, self._alone), self.others, self.limit)
        return None if self._alone is None else emails / self._alone

    @property
    def _alone(self) -> float | None:
        known = [each for each in (self.seen, self.campaign_limit) if each is not None]
        return min(known, default=None)


def throughput(
    session: Session,
    now: datetime,
    *,
    campaign_id: int | None = None,
    campaign_limit: float | None = None,
    limit: float | None = None,
) -> Throughput:
    """Return what campaigns sent until now and what other campaigns are sending. Limits are emails per second."""
    last_hour, last_day = _sent(session, now)
    seen = _typical(session, now, seconds=1)
    if seen is None and campaign_limit is None and limit is None:
        # A slow server accepts fewer than FEW a second.
        seen = _typical(session, now, seconds=60)
    others = [] if limit is None else under_way(session, besides=campaign_id)
    return Throughput(last_hour, last_day, seen, campaign_limit, limit, others)


def under_way(session: Session, *, besides: int | None) -> list[Load]:
    """Return the campaigns that are sending now, except `besides`."""
    waiting = select(func.count()).where(_N.run_id == CampaignRun.id, _N.status == Status.pending).scalar_subquery()
    query = (
        select(waiting, Campaign.rate)
        .select_from(CampaignRun)
        .join(Campaign, Campaign.id == CampaignRun.campaign_id)
        .where(CampaignRun.state.in_((RunState.expanding, RunState.sending)))
    )
    if besides is not None:
        query = query.where(CampaignRun.campaign_id != besides)
    return [Load(emails, rate) for emails, rate in session.execute(query) if emails]


def _lately(now: datetime) -> tuple[ColumnElement[bool], ...]:
    # Only `settled_at` has an index; an email that was sent has both.
    return _N.settled_at > now - DAY, _N.sent_at > now - DAY, _N.bulk.is_(True)


def _sent(session: Session, now: datetime) -> tuple[int, int]:
    """Return the emails that campaigns sent in the last hour and in the last day."""
    last_hour = func.count().filter(_N.sent_at > now - HOUR)
    found = session.execute(select(last_hour, func.count()).where(*_lately(now))).one()
    return int(found[0]), int(found[1])


def _typical(session: Session, now: datetime, *, seconds: int) -> float | None:
    """Return the rate around a typical email: each span of so many seconds counts as often as emails were sent in it.

    None if fewer than LEAST emails were sent in spans with at least FEW.

    Campaigns with a rate are left out: they show how fast they may send, not how fast they could.
    """
    span = (NumberOf(_N.sent_at) // microseconds(timedelta(seconds=seconds))).label("span")
    spans = (
        select(span, func.count().label("emails"))
        .outerjoin(Campaign, Campaign.id == _N.campaign_id)
        .where(*_lately(now), Campaign.rate.is_(None))
        .group_by("span")
        .having(func.count() >= FEW)
        .subquery()
    )
    emails = spans.c.emails
    total, squares = session.execute(select(func.sum(emails), func.sum(emails * emails))).one()
    return float(squares) / float(total) / seconds if total and total >= LEAST else None
