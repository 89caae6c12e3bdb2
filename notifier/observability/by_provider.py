"""What was sent and what came back, by the mailbox provider of the recipients: of a run, and of each hour.

A provider judges us for all its mailboxes at once. Domains of no known provider count together, because there may be
any number of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Select, TextClause, case, delete, func, insert, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from notifier import clock
from notifier.database.expressions import DomainOf
from notifier.mail import providers
from notifier.models import FAILED, DomainProvider, Feedback, Notification, ProviderTotal, Status
from notifier.reasons import ReasonCode

#: All domains of no known provider.
OTHER = "other"

#: All that a table by provider shows, in its order.
NAMES = (*providers.PROVIDERS, OTHER)

HOUR = timedelta(hours=1)

_N, _F, _T = Notification, Feedback, ProviderTotal
_CAME_BACK = (Status.bounced, Status.complained)


@dataclass(slots=True)
class Figures:
    """Numbers of emails at one provider."""

    #: Accepted by the first server; they may have come back.
    sent: int = 0
    #: Refused in our own dialogue.
    failed: int = 0
    #: Reported as delivered by an email provider.
    delivered: int = 0
    #: Addresses that do not exist, by a bounce or by our own dialogue.
    hard: int = 0
    #: Other bounces.
    soft: int = 0
    #: Refusals about the sender or the content, by a bounce or by our own dialogue.
    refused: int = 0
    complained: int = 0

    @property
    def answered(self) -> int:
        """The number of emails that a server answered: what shares are of."""
        return self.sent + self.failed

    def share(self, number: int) -> float | None:
        """Return `number` as a share of the answered emails, between 0 and 1; None if there are none."""
        return min(1.0, number / self.answered) if self.answered else None

    def add(self, other: "Figures") -> None:
        """Add the numbers of `other`."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True, slots=True)
class Settled:
    """Emails of one provider that ended in the same way."""

    provider: str
    status: str
    code: str | None
    emails: int
    #: Those of them that an email provider reported as delivered.
    delivered: int


def settled(session: Session, *where: ColumnElement[bool] | TextClause) -> Sequence[Settled]:
    """Count the emails of the ledger by provider, status and reason."""
    domain = DomainOf(_N.recipient).label("domain")
    # By domain first, so that the provider is looked up once for each domain and not for each email.
    emails, delivered = func.count().label("emails"), func.count(_N.delivered_at).label("delivered")
    grouped = select(domain, _N.status, _N.reason_code, emails, delivered).where(*where)
    by = grouped.group_by(domain, _N.status, _N.reason_code).subquery().c
    provider = _known(by.domain, func.coalesce(DomainProvider.provider, OTHER)).label("provider")
    query = (
        select(provider, by.status, by.reason_code, func.sum(by.emails), func.sum(by.delivered))
        .outerjoin(DomainProvider, DomainProvider.domain == by.domain)
        .group_by(provider, by.status, by.reason_code)
    )
    rows = session.execute(query)
    return [Settled(row[0], row[1], row[2], int(row[3]), int(row[4])) for row in rows]


def of_run(session: Session, run_id: int) -> Mapping[str, Figures]:
    """Return the figures of a run by provider, counted from the ledger: a second for a million emails."""
    found = settled(session, _N.run_id == run_id)
    figures = _figures(found)
    for each in found:
        figures[each.provider].sent += each.emails if each.status in _CAME_BACK else 0
        figures[each.provider].delivered += each.delivered
    return figures


def came_back(session: Session, run_id: int) -> Figures:
    """Return what came back of a run at all providers. The index of runs answers, so few rows are read."""
    bad = (Status.bounced, Status.complained, Status.failed)
    query = select(_N.status, _N.reason_code, func.count()).where(_N.run_id == run_id, _N.status.in_(bad))
    rows = session.execute(query.group_by(_N.status, _N.reason_code))
    return _figures(Settled(OTHER, status, code, emails, 0) for status, code, emails in rows)[OTHER]


def count(session: Session, hour: datetime) -> None:
    """Count the emails of this hour by provider, and replace the earlier count.

    An email that bounced counts as sent in the hour in which it was sent, and as bounced in that of the bounce.
    """
    until = hour + HOUR
    figures = _figures(settled(session, _N.settled_at >= hour, _N.settled_at < until))
    # Written as in a partial index's condition.
    sent_then = (_N.settled_at >= hour, _N.sent_at >= hour, _N.sent_at < until)
    for each in settled(session, text(FAILED), _N.status.in_(_CAME_BACK), *sent_then):
        figures[each.provider].sent += each.emails
    for provider, emails in session.execute(_delivered(hour, until)):
        figures[provider].delivered = emails
    session.execute(delete(_T).where(_T.day == hour.date(), _T.hour == hour.hour))
    empty, now = Figures(), clock.now()
    # An hour without email has a row, too: it marks how far the count has come.
    rows = [
        {"day": hour.date(), "hour": hour.hour, "provider": name, "counted_at": now, **asdict(each)}
        for name, each in {OTHER: empty, **figures}.items()
        if each != empty or name == OTHER
    ]
    session.execute(insert(_T), rows)


def of_days(session: Session, *, days: int, now: datetime) -> Mapping[str, Figures]:
    """Return the figures of the last `days` days including today (UTC) by provider, from the stored totals."""
    first = now.astimezone(UTC).date() - timedelta(days=days - 1)
    columns: list[InstrumentedAttribute[int]] = [getattr(_T, each.name) for each in fields(Figures)]
    sums = [func.sum(each) for each in columns]
    rows = session.execute(select(_T.provider, *sums).where(_T.day >= first).group_by(_T.provider)).all()
    figures = {str(row[0]): Figures(*(int(each) for each in row[1:])) for row in rows}
    return {name: each for name, each in figures.items() if each != Figures()}


def counted_at(session: Session) -> datetime | None:
    """Return when the present figures were counted; None before the first count."""
    newest = select(_T.counted_at).order_by(_T.day.desc(), _T.hour.desc(), _T.counted_at.desc()).limit(1)
    return session.scalar(newest)


def _delivered(since: datetime, until: datetime) -> Select[str, int]:
    """Count the emails that were reported as delivered in this time. Feedback has the name of the provider already."""
    provider = case((_F.provider.in_(providers.PROVIDERS), _F.provider), else_=OTHER).label("provider")
    events = (_F.received_at >= since, _F.received_at < until, _F.kind == "delivered")
    return select(provider, func.count(_F.notification_id.distinct())).where(*events).group_by(provider)


def _figures(found: Iterable[Settled]) -> dict[str, Figures]:
    """Sort emails by what became of them. Emails that came back are not among the sent ones here."""
    figures: dict[str, Figures] = defaultdict(Figures)
    for each in found:
        mine, emails = figures[each.provider], each.emails
        match each.status, each.code:
            case Status.sent, _:
                mine.sent += emails
            case Status.failed, code:
                mine.failed += emails
                mine.hard += emails if code == ReasonCode.address_refused else 0
                mine.refused += emails if code == ReasonCode.refused else 0
            case Status.bounced, ReasonCode.address_dead:
                mine.hard += emails
            case Status.bounced, ReasonCode.refused_us:
                mine.refused += emails
            case Status.bounced, _:
                mine.soft += emails
            case Status.complained, _:
                mine.complained += emails
    return figures


def _known(name: ColumnElement[str], otherwise: ColumnElement[str]) -> ColumnElement[str]:
    """Return the provider of the domain `name`, by the domains that are a provider's own."""
    own = [(name.in_(sorted(each.domains)), each.name) for each in providers.PROVIDERS.values()]
    return case(*own, else_=otherwise)
