"""Count what became of emails by mailbox provider: what the ledger says, and what came back later.

Behind a relay every email is accepted first, so bounces, complaints and refusals are events about emails that were
already sent. No email is counted twice, however many events it has.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, not_, select, text
from sqlalchemy.orm import Session

from notifier.bounces.reasons import ABOUT_US, PASSING, Reason, Verdict
from notifier.database.expressions import DomainOf
from notifier.mail.providers import KNOWN
from notifier.models import CAME_BACK, DomainProvider, Effect, Feedback, Notification, Status

_F, _N = Feedback, Notification

#: The condition of the index, of the right table: a notification has a kind, too.
_CAME_BACK = text(f"{_F.__tablename__}.{CAME_BACK}")
#: What a bounce says, from the least to the most: of several about one email the greatest counts.
_SOFT, _ABOUT_US, _HARD = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Returned:
    """Emails of one scope that came back. Each is in one of the first three numbers at most."""

    #: The address is dead.
    hard: int = 0
    #: This email failed, and the address may be alive.
    soft: int = 0
    #: The provider refused the sender or the content.
    about_us: int = 0
    complaints: int = 0

    def __add__(self, other: "Returned") -> "Returned":
        """Return the sums."""
        return Returned(
            self.hard + other.hard,
            self.soft + other.soft,
            self.about_us + other.about_us,
            self.complaints + other.complaints,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Emails that one scope refused because of us, with one code."""

    scope: str
    #: The enhanced code (RFC 3463), else the reply's code, else empty.
    code: str
    emails: int
    #: How many of these emails had been accepted, and came back.
    reported: int
    #: What most of the reports say, by the rules of `bounces`; None if none came back.
    reason: Reason | None


def returned(session: Session, since: datetime) -> dict[str, Returned]:
    """Return what came back since then, by scope: the name of a provider, or a domain without a known one.

    Emails that were refused at once are not in it, and neither are events that wait for an operator. The cost is that
    of the bounces and complaints of this time alone, also beside millions of deliveries.
    """
    weight = case(
        (_F.verdict == Verdict.HARD.value, _HARD),
        (_F.reason.in_(sorted(each.value for each in ABOUT_US)), _ABOUT_US),
        (_F.verdict == Verdict.SOFT.value, _SOFT),
        else_=0,
    )
    emails = (
        _events(since, func.max(_F.provider), func.max(weight), func.max(case((_F.kind == "complaint", 1), else_=0)))
        .where(_N.status != Status.failed)
        .group_by(_N.id)
        .subquery()
    )
    provider, bounce, complaint = emails.c
    totals: dict[str, Returned] = {}
    scopes = scopes_now(session)
    query = select(provider, bounce, complaint, func.count()).group_by(provider, bounce, complaint)
    for name, said, complained, number in session.execute(query):
        scope = scopes.get(name, name)
        found = Returned(
            hard=number * (said == _HARD),
            soft=number * (said == _SOFT),
            about_us=number * (said == _ABOUT_US),
            complaints=number * complained,
        )
        totals[scope] = totals.get(scope, Returned()) + found
    return totals


def refusals(session: Session, since: datetime) -> list[Refusal]:
    """Return what was refused because of us since then, by scope and code, the most emails first.

    An email that was refused at once counts if its enhanced code is about security or policy (X.7.X, RFC 3463,
    section 3.8); one that came back counts by its newest report about us.
    """
    at_once: Counter[tuple[str, str]] = Counter()
    for scope, (code,), emails in settled(session, [_N.last_enhanced.expression], [Status.failed], since):
        if code is not None and code[1:4] == ".7.":
            at_once[scope, code] += emails
    reported: Counter[tuple[str, str]] = Counter()
    reasons: dict[tuple[str, str], Reason] = {}
    scopes = scopes_now(session)
    for name, enhanced, code, reason, number in session.execute(_reports(since)):
        key = scopes.get(name, name), enhanced or str(code or "")
        reported[key] += number
        reasons.setdefault(key, Reason(reason))
    found = [
        Refusal(*key, emails=emails, reported=reported[key], reason=reasons.get(key))
        for key, emails in (at_once + reported).items()
    ]
    return sorted(found, key=lambda each: (-each.emails, each.scope, each.code))


def settled(
    session: Session, columns: Iterable[ColumnElement[str | None]], statuses: Iterable[str], since: datetime
) -> Iterator[tuple[str, tuple[str | None, ...], int]]:
    """Yield (scope, values of `columns`, emails) of rows that came to rest since then.

    One pass over the rows, grouped by the database.
    """
    chosen = tuple(columns)
    domain = DomainOf(_N.recipient)
    query = (
        select(domain, *chosen, func.count())
        .where(_N.settled_at >= since, _N.status.in_(tuple(statuses)))
        .group_by(domain, *chosen)
    )
    scopes = scopes_now(session)
    totals: Counter[tuple[str, tuple[str | None, ...]]] = Counter()
    for name, *values, emails in session.execute(query):
        totals[scopes.get(name, name), tuple(values)] += emails
    for (scope, values_of), emails in totals.items():
        yield scope, values_of, emails


def scopes_now(session: Session) -> Mapping[str, str]:
    """Return the names of providers by domain, as far as they are known.

    A stored event has the scope of its day: a domain's provider may have been looked up since then.
    """
    looked_up = select(DomainProvider.domain, DomainProvider.provider).where(DomainProvider.provider.is_not(None))
    return {name: provider for name, provider in session.execute(looked_up) if provider} | dict(KNOWN)


def _events(since: datetime, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select bounces and complaints that were received since then, with the emails that they are about."""
    return select(*columns).join(_N, _N.id == _F.notification_id).where(_F.received_at >= since, _CAME_BACK)


def _reports(since: datetime) -> Select[Any]:
    """Select (provider, enhanced code, code, reason, emails), the most emails first: one report for each email."""
    at_once = and_(
        _N.status == Status.failed, _N.settled_at >= since, func.coalesce(_N.last_enhanced, "").like("_.7.%")
    )
    newest = (
        _events(since, func.max(_F.id))
        .where(_F.effect == Effect.counted.value, not_(at_once))
        .where(_F.reason.not_in(sorted(each.value for each in PASSING)))
        .group_by(_N.id)
    )
    said: tuple[ColumnElement[Any], ...] = (
        _F.provider.expression, _F.enhanced.expression, _F.code.expression, _F.reason.expression
    )  # fmt: skip
    return select(*said, func.count()).where(_F.id.in_(newest)).group_by(*said).order_by(func.count().desc(), *said)
