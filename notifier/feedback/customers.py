"""Reports about us from customers of providers: domains of their own, whose provider only DNS tells.

A report is stored at once, with its domain if no provider is known for it. The sweep has such domains looked up, beside
everything else, and as soon as the answer is there the report counts for that provider as if it had been known before.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from notifier import clock
from notifier.database.transaction import transaction
from notifier.feedback.events import of_row
from notifier.feedback.matching import by_key
from notifier.feedback.refusals import pause_providers
from notifier.feedback.storing import Stored
from notifier.mail import providers
from notifier.models import Effect, Feedback

log = structlog.get_logger(__name__)

#: How long a report waits for DNS. A server that fails is asked again after ten minutes.
LOOK_BACK = timedelta(minutes=30)
#: Domains, and reports of one provider, that are looked at in one run.
_MOST = 1000

_F = Feedback


class Customers:
    """Count reports for providers that DNS has told since. One instance serves all threads."""

    def __init__(
        self,
        session: Callable[[], Session],
        known: Callable[[Collection[str], datetime], Mapping[str, str]],
        *,
        witnesses: int,
    ) -> None:
        """Prepare it.

        Args:
            session: Returns the current session; runs commit short transactions of their own.
            known: Returns the providers of those domains for which they are known, by domain, and has the others
                looked up for the next call without waiting.
            witnesses: People who must report a refusal before campaigns to a provider pause.
        """
        self._session = session
        self._known = known
        self._witnesses = witnesses

    def run(self) -> int:
        """Look once. Return how many reports count for a provider from now on."""
        now = clock.now()
        with transaction(self._session) as session:
            query = select(_F.provider).where(*_lately(now), _F.provider.not_in(providers.PROVIDERS), _F.provider != "")
            domains = set(session.scalars(query.distinct().limit(_MOST)))
        if not domains:
            return 0
        found = self._known(domains, now)
        counted = 0
        for provider in sorted(set(found.values())):
            mine = [domain for domain, name in found.items() if name == provider]
            with transaction(self._session) as session:
                counted += self._count(session, provider, mine, now)
        return counted

    def _count(self, session: Session, provider: str, domains: Collection[str], now: datetime) -> int:
        moved = update(_F).where(*_lately(now), _F.provider.in_(domains)).values(provider=provider).returning(_F.id)
        keys = set(session.scalars(moved.execution_options(synchronize_session=False)))
        query = select(_F).where(*_lately(now), _F.provider == provider).order_by(_F.id.desc()).limit(_MOST)
        for report in _deciding(session.scalars(query.execution_options(populate_existing=True)).all(), keys):
            email = None if report.notification_id is None else by_key(session, report.notification_id)
            if email is not None:
                stored = Stored(report.id, email, of_row(report))
                pause_providers(session, [stored], {report.id}, report.received_at, witnesses=self._witnesses)
        log.info("feedback.customers_found", provider=provider, domains=len(domains), reports=len(keys))
        return len(keys)


def _lately(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return _F.effect == Effect.counted.value, _F.received_at > now - LOOK_BACK


def _deciding(reports: Iterable[Feedback], moved: Collection[int]) -> list[Feedback]:
    """Return the newest report, and the newest of those that count anew: with each, those before it may be enough."""
    newest = list(reports)
    anew = [each for each in newest if each.id in moved]
    return list({each.id: each for each in newest[:1] + anew[:1]}.values())
