"""Held providers, for people: which refuse our emails, why, since when, and how many wait for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.mail import providers
from notifier.models import ProviderHold

#: Holds that are looked at. A stranger may own any number of domains that refuse us.
MOST = 20

#: Beyond so many emails a count stops: "more than".
ENOUGH = 100_000


@dataclass(frozen=True, slots=True)
class HeldProvider:
    """A provider, or a domain of none, that refuses our emails through a transport."""

    name: str
    transport: str
    #: Whether it is a provider that we know, and no single domain.
    known: bool
    #: Its page for senders; None if there is none.
    page: str | None
    since: datetime
    next_probe_at: datetime
    #: Phase, code and text of the refusal, without addresses.
    said: str
    #: Emails that wait for it, ENOUGH at most.
    waiting: int

    @property
    def count(self) -> str:
        """How many emails wait, in words."""
        more = "more than " if self.waiting >= ENOUGH else ""
        return f"{more}{self.waiting:,} email{'' if self.waiting == 1 else 's'}"


def held_providers(session: Session) -> Sequence[HeldProvider]:
    """Return the holds, known providers first, then by age, MOST at most."""
    known = case((ProviderHold.scope.in_(providers.PROVIDERS), 0), else_=1)
    query = select(ProviderHold).order_by(known, ProviderHold.held_since, ProviderHold.key).limit(MOST)
    return [_shown(session, hold) for hold in session.scalars(query)]


def _shown(session: Session, hold: ProviderHold) -> HeldProvider:
    provider = providers.PROVIDERS.get(hold.scope)
    return HeldProvider(
        name=providers.label_of(hold.scope),
        transport=hold.transport,
        known=provider is not None,
        page=None if provider is None else provider.page,
        since=hold.held_since,
        next_probe_at=hold.next_probe_at,
        said=" ".join(str(part) for part in (hold.phase, hold.code, hold.text) if part),
        waiting=ledger.count_held(session, hold.key, limit=ENOUGH),
    )
