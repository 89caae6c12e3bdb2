"""Count what became of emails in the last 30 days, by mailbox provider."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.database.expressions import DomainOf
from notifier.mail.providers import KNOWN
from notifier.models import DomainProvider, Notification

#: Days that the ledger is read back.
DAYS = 30


def count(
    session: Session, columns: Iterable[ColumnElement[str | None]], statuses: Iterable[str]
) -> Iterator[tuple[str, tuple[str | None, ...], int]]:
    """Yield (provider or domain, values of `columns`, emails) of rows that came to rest in these days.

    A domain of no known provider is its own scope. One pass over the rows, grouped by the database.
    """
    chosen = tuple(columns)
    domain = DomainOf(Notification.recipient)
    query = (
        select(domain, *chosen, func.count())
        .where(Notification.settled_at >= clock.now() - timedelta(days=DAYS), Notification.status.in_(tuple(statuses)))
        .group_by(domain, *chosen)
    )
    looked_up = select(DomainProvider.domain, DomainProvider.provider).where(DomainProvider.provider.is_not(None))
    providers = {name: provider for name, provider in session.execute(looked_up) if provider} | dict(KNOWN)
    totals: Counter[tuple[str, tuple[str | None, ...]]] = Counter()
    for name, *values, emails in session.execute(query):
        totals[providers.get(name, name), tuple(values)] += emails
    for (scope, values_of), emails in totals.items():
        yield scope, values_of, emails
