"""What is held: transports, providers and domains that take no email of ours now, with the server's own text."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.mail import providers
from notifier.models import Notification, PaceState, Status, TransportState
from notifier.observability.held_providers import HeldProvider, held_providers
from notifier.reasons import ReasonCode
from notifier.smtp.outcome import Phase

#: Waiting emails among which those of one hold are counted: "at least".
LOOKED_AT = 100_000

#: Requests to slow down that are shown. A stranger may own any number of domains that ask for it.
MOST = 50

#: The step of the SMTP conversation, for people.
DURING = {
    Phase.CONNECT: "while connecting",
    Phase.BANNER: "before its greeting",
    Phase.EHLO: "in the greeting",
    Phase.STARTTLS: "while encryption was set up",
    Phase.AUTH: "while signing in",
    Phase.MAIL: "at the sender's address",
    Phase.RCPT: "at the recipient's address",
    Phase.DATA: "before the email's text",
    Phase.BODY: "while the email's text was sent",
    Phase.EOD: "after the email's text",
    Phase.QUIT: "at the end",
}


class HoldScope(enum.StrEnum):
    """The extent of a hold."""

    transport = "transport"
    provider = "provider"
    domain = "domain"


@dataclass(frozen=True, slots=True)
class Hold:
    """One transport, provider or domain that takes no email, or takes it slowly."""

    scope: HoldScope
    #: The transport's name, the provider as people know it, or the domain.
    name: str
    #: The transport through which it is held; empty if it holds for all of them.
    transport: str
    #: The server's reply without addresses, and when it came.
    said: str
    #: None for a request to slow down, which is known by its end alone.
    since: datetime | None
    #: When the next email is tried.
    until: datetime | None
    #: Emails that wait for it, counted among LOOKED_AT waiting ones.
    waiting: int
    #: Whether `waiting` may be more.
    is_at_least: bool = False
    #: Whether it only asked us to slow down.
    is_slowdown: bool = False
    #: Whether campaigns alone wait.
    bulk_only: bool = False
    #: The provider's page for senders.
    page: str | None = None

    @property
    def count(self) -> str:
        """The number of waiting emails as text."""
        more = "at least " if self.is_at_least else ""
        return f"{more}{self.waiting:,} email{'' if self.waiting == 1 else 's'}"


def holds(session: Session, now: datetime) -> Sequence[Hold]:
    """Return the holds: transports, then providers, then domains; requests to slow down come last in each."""
    transports = list(session.scalars(select(TransportState).where(TransportState.held_since.is_not(None))))
    paces = _paces(session, now)
    waiting = _Waiting(session) if transports or paces else None
    found = [_of_provider(each) for each in held_providers(session)]
    if waiting is not None:
        found += [_of_transport(row, waiting) for row in transports]
        found += [_of_pace(row, waiting) for row in paces]
    order = list(HoldScope)
    return sorted(found, key=lambda hold: (order.index(hold.scope), hold.is_slowdown, hold.since or now, hold.name))


class _Waiting:
    """Counts of emails by why they wait. No index knows these reasons, so only so many rows are looked at."""

    def __init__(self, session: Session) -> None:
        columns = (Notification.reason_code, Notification.recipient)
        pending = select(*columns).where(Notification.status == Status.pending).limit(LOOKED_AT).subquery()
        self._session, self._pending = session, pending.c
        query = select(pending.c.reason_code, func.count()).group_by(pending.c.reason_code)
        self._by_code: dict[str, int] = {str(code): count for code, count in session.execute(query)}
        self.is_at_least = sum(self._by_code.values()) >= LOOKED_AT

    def for_reason(self, code: ReasonCode) -> int:
        """Return how many wait for this reason."""
        return self._by_code.get(code.value, 0)

    def for_domain(self, domain: str) -> int:
        """Return how many wait because this domain asked us to slow down."""
        if not self.for_reason(ReasonCode.domain_slowed):
            return 0
        there: ColumnElement[bool] = self._pending.recipient.endswith(f"@{domain}", autoescape=True)
        slowed = self._pending.reason_code == ReasonCode.domain_slowed.value
        return int(self._session.scalar(select(func.count()).where(slowed, there)) or 0)

    def for_key(self, key: str) -> int:
        """Return how many wait for this provider through this transport (`providers.key`)."""
        return ledger.count_held(self._session, key, limit=LOOKED_AT)


def _of_transport(row: TransportState, waiting: _Waiting) -> Hold:
    return Hold(
        scope=HoldScope.transport,
        name=row.name,
        transport=row.name,
        said=said(row.phase, row.code, row.text),
        since=row.held_since,
        until=row.next_probe_at,
        waiting=waiting.for_reason(ReasonCode.transport_held),
        is_at_least=waiting.is_at_least,
    )


def _of_provider(held: HeldProvider) -> Hold:
    return Hold(
        scope=HoldScope.provider if held.known else HoldScope.domain,
        name=held.name,
        transport=held.transport,
        said=held.said,
        since=held.since,
        until=held.next_probe_at,
        waiting=held.waiting,
        is_at_least=held.is_at_least,
        bulk_only=held.bulk_only,
        page=held.page,
    )


def _paces(session: Session, now: datetime) -> Sequence[PaceState]:
    return session.scalars(select(PaceState).where(PaceState.until > now).order_by(PaceState.key).limit(MOST)).all()


def _of_pace(row: PaceState, waiting: _Waiting) -> Hold:
    kind, _, rest = row.key.partition(":")
    if kind == "provider":
        transport, scope = providers.parts(rest)
        known = scope in providers.PROVIDERS
        return _slowdown(
            HoldScope.provider if known else HoldScope.domain, providers.label_of(scope), transport, row,
            waiting.for_key(rest), waiting,
        )  # fmt: skip
    if kind == "transport":
        number = waiting.for_reason(ReasonCode.transport_slowed)
        return _slowdown(HoldScope.transport, rest, rest, row, number, waiting)
    return _slowdown(HoldScope.domain, rest, "", row, waiting.for_domain(rest), waiting)


def _slowdown(
    scope: HoldScope, name: str, transport: str, row: PaceState, number: int, waiting: _Waiting
) -> Hold:  # fmt: skip
    return Hold(
        scope=scope,
        name=name,
        transport=transport,
        said="it asked us to slow down",
        since=None,
        until=row.until,
        waiting=number,
        is_at_least=waiting.is_at_least,
        is_slowdown=True,
    )


def said(phase: str | None, code: int | None, text: str | None) -> str:
    """Return the reply as the server said it, and the step at which it came: "while signing in: 535 no"."""
    reply = " ".join(str(part) for part in (code, text) if part) or "no reply"
    return f"{DURING[Phase(phase)]}: {reply}" if phase in list(Phase) else reply
