"""Held providers, for people: which refuse our emails, why, since when, and how many emails wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.mail import providers
from notifier.models import ProviderHold

#: Holds shown. A stranger may own any number of domains that refuse us.
MOST = 20

#: Number of emails at which counting stops: "more than".
ENOUGH = 100_000


@dataclass(frozen=True, slots=True)
class HeldProvider:
    """A provider, or a domain without one, that refuses our emails through a transport."""

    name: str
    #: The name of a known provider in the code, or the domain.
    scope: str
    transport: str
    #: Whether it is a known provider, not a single domain.
    known: bool
    #: The provider's page for senders; None if there is none.
    page: str | None
    since: datetime
    next_probe_at: datetime
    #: Code, enhanced code and text of the refusal, without addresses.
    said: str
    #: Whether only campaigns wait, because bounces reported the refusal.
    bulk_only: bool
    #: Emails that wait for it, at most ENOUGH.
    waiting: int

    @property
    def is_at_least(self) -> bool:
        """Whether `waiting` may be more."""
        return self.waiting >= ENOUGH

    @property
    def count(self) -> str:
        """The number of waiting emails as text."""
        more = "more than " if self.is_at_least else ""
        return f"{more}{self.waiting:,} email{'' if self.waiting == 1 else 's'}"


def held_providers(session: Session) -> Sequence[HeldProvider]:
    """Return the holds, known providers first, then by age, at most MOST."""
    known = case((ProviderHold.scope.in_(providers.PROVIDERS), 0), else_=1)
    query = select(ProviderHold).order_by(known, ProviderHold.held_since, ProviderHold.key).limit(MOST)
    return [_shown(session, hold) for hold in session.scalars(query)]


def _shown(session: Session, hold: ProviderHold) -> HeldProvider:
    provider = providers.PROVIDERS.get(hold.scope)
    return HeldProvider(
        name=providers.label_of(hold.scope),
        scope=hold.scope,
        transport=hold.transport,
        known=provider is not None,
        page=None if provider is None else provider.page,
        since=hold.held_since,
        next_probe_at=hold.next_probe_at,
        said=_said(hold),
        bulk_only=hold.bulk_only,
        waiting=ledger.count_held(session, hold.key, limit=ENOUGH),
    )


def _said(hold: ProviderHold) -> str:
    """Return the refusal as the server said it. Some servers repeat the enhanced code in the text."""
    enhanced = hold.enhanced if hold.enhanced and not hold.text.startswith(hold.enhanced) else None
    return " ".join(str(part) for part in (hold.code, enhanced, hold.text) if part)
