"""The five questions of a person on call: is email going out, how late, whose, what changed, and is it safe to stop?"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notifier.models import AccountRequest, AuditEntry, Campaign, CampaignRun, Notification, Status
from notifier.observability import standing
from notifier.observability.cause_rules import Effect
from notifier.observability.causes import Problem
from notifier.observability.held import Hold, holds

#: Time back in which changes are of interest.
LATELY = timedelta(hours=24)

#: Time after which a sign-up request that waits is worth a word: a worker handles it within a second.
LATE_REQUEST = timedelta(seconds=10)

#: Changes that are told, newest first, and senders of overdue emails.
MOST_CHANGES, MOST_SENDERS = 8, 6

#: Overdue emails that are looked at to tell whose they are.
LOOKED_AT = 100_000

#: Actions of the audit log that change nothing.
_VIEWS = ("addresses.shown", "operator.signed_in", "operator.signed_out", "person.exported")

_N = Notification


class Going(enum.StrEnum):
    """Whether email goes out now."""

    yes = "yes"
    partly = "partly"
    no = "no"


@dataclass(frozen=True, slots=True)
class Late:
    """How many overdue emails one sender has."""

    #: The title of a campaign, or the kind of people's own emails.
    whose: str
    emails: int
    #: Seconds that the oldest of them has been waiting.
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened lately."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database knows. There are none while it is away."""

    counts: standing.Now
    #: Sign-up requests that no worker has handled in time; each becomes an email.
    requests: int
    last_sent_at: datetime | None
    whose: Sequence[Late]
    holds: Sequence[Hold]
    changes: Sequence[Change]


def going(problems: Sequence[Problem]) -> Going:
    """Return whether email goes out, by what is wrong."""
    effects = {problem.effect for problem in problems}
    if Effect.stops in effects:
        return Going.no
    return Going.partly if Effect.delays in effects else Going.yes


def facts(session: Session, now: datetime) -> Facts:
    """Read what the database knows. Raise DBAPIError if it does not answer."""
    held = holds(session, now)
    return Facts(
        counts=standing.now_in(session, now),
        requests=_late_requests(session, now),
        last_sent_at=_last_sent(session),
        whose=_whose(session, now),
        holds=held,
        changes=_changes(session, held, now),
    )


def _late_requests(session: Session, now: datetime) -> int:
    late = select(func.count()).where(~AccountRequest.given_up(), AccountRequest.created_at < now - LATE_REQUEST)
    return session.scalar(late) or 0


def _last_sent(session: Session) -> datetime | None:
    newest = select(_N.settled_at).where(_N.settled_at.is_not(None), _N.status == Status.sent)
    return session.scalar(newest.order_by(_N.settled_at.desc()).limit(1))


def _whose(session: Session, now: datetime) -> Sequence[Late]:
    """Return whose emails are overdue, those with the oldest one first."""
    due = (
        select(_N.campaign_id, _N.kind, _N.next_attempt_at)
        .where(_N.status == Status.pending, _N.enqueue_at <= now, _N.next_attempt_at <= now)
        .limit(LOOKED_AT)
        .subquery()
    )
    name, oldest = func.coalesce(Campaign.title, due.c.kind), func.min(due.c.next_attempt_at)
    query = select(name, func.count(), oldest).select_from(due).outerjoin(Campaign, Campaign.id == due.c.campaign_id)
    rows = session.execute(query.group_by(name).order_by(oldest).limit(MOST_SENDERS))
    return [Late(str(whose), count, (now - first).total_seconds()) for whose, count, first in rows]


def _changes(session: Session, held: Sequence[Hold], now: datetime) -> Sequence[Change]:
    """Return what changed lately, the newest first: what operators did, runs that began, holds."""
    entries = select(AuditEntry).where(AuditEntry.at > now - LATELY, AuditEntry.action.not_in(_VIEWS))
    found = [
        Change(entry.at, f"{entry.actor}: {entry.action} {entry.object_type} {entry.object_id}".rstrip())
        for entry in session.scalars(entries.order_by(AuditEntry.id.desc()).limit(MOST_CHANGES))
    ]
    runs = select(CampaignRun.created_at, CampaignRun.id, Campaign.title).join(Campaign)
    runs = runs.where(CampaignRun.created_at > now - LATELY).order_by(CampaignRun.id.desc()).limit(MOST_CHANGES)
    found += [Change(at, f"run {pk} of {title} began") for at, pk, title in session.execute(runs)]
    found += [
        Change(hold.since, f"{hold.scope} {hold.name} was held: {hold.said}")
        for hold in held
        if hold.since is not None and hold.since > now - LATELY
    ]
    return sorted(found, key=lambda change: change.at, reverse=True)[:MOST_CHANGES]
