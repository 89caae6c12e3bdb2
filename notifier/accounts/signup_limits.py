"""Limits on emails that public forms cause: per mailbox, per domain and network, and while many bounce.

They are counted in the database, so all web processes and workers count together and a restart forgets nothing. Rows
hold digests, never an address. Everything here is part of the caller's transaction.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.ledger import Why, why
from notifier.mail.addresses import abuse_key
from notifier.mail.providers import provider_of
from notifier.models import Notification, PaceState, SignupEmail, Status
from notifier.reasons import ReasonCode
from notifier.security.digests import keyed_digest

log = structlog.get_logger(__name__)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

#: Age above which first emails say nothing about the present.
LOOK_BACK = HOUR

#: Bounces from which a network whose first emails bounce at a known provider is slowed there, too.
LEAST_OF_NETWORK = 5

#: Key of the row in `paces` that tells sending processes that first emails are slowed; renewed while they are.
SLOWED_KEY = "first_emails"
SLOWED_FOR = timedelta(seconds=60)

#: Statuses of first emails that were tried. Others say nothing about their addresses.
_TRIED = (Status.sent, Status.failed, Status.unknown, Status.bounced, Status.complained)

_S, _N = SignupEmail, Notification


@dataclass(frozen=True, slots=True)
class SendTime:
    """When an email may be sent, and why not now."""

    #: None: it must not be sent at all, and `code` says why.
    due: datetime | None
    facts: SignupEmail
    code: ReasonCode | None = None
    limit: int = 0

    @property
    def waits(self) -> Why | None:
        """The columns of the reason for which it waits; None if it does not."""
        return None if self.code is None else why(self.code, limit=self.limit)


@dataclass(frozen=True, slots=True)
class Slowdown:
    """Too many of the last first emails bounced hard."""

    bounced: int
    looked_at: int
    #: Networks whose first emails bounce at known providers, too.
    networks: frozenset[str]

    def applies(self, facts: SignupEmail) -> bool:
        """Return whether this first email is slowed.

        Those to a known provider are not, unless many from their network bounce.
        """
        return facts.source is not None or facts.network in self.networks


class SignupLimits:
    """The limits on sign-ups. One instance serves all threads of a process."""

    def __init__(
        self,
        keys: Sequence[str],
        *,
        per_day: int = 5,
        per_hour: int = 20,
        bounces: float = 0.2,
        window: int = 100,
        per_minute: float = 10,
    ) -> None:
        """Limit by the settings of the same names; the newest of `keys` (SECRET_KEYS) keys the digests.

        Args:
            per_day: Emails to one mailbox.
            per_hour: First emails to one domain without a known provider, for one network.
            bounces: Share of the last `window` first emails above which they are slowed to `per_minute`.
        """
        self._key = keys[-1]
        self._per_day, self._per_hour = per_day, per_hour
        self._bounces, self._window = bounces, window
        self._pause = timedelta(minutes=1) / per_minute

    def turn(self, session: Session, email: str, network: str, *, first: bool, now: datetime) -> SendTime:
        """Return when an email to `email`, requested from `network`, may be sent. Nothing is counted until `record`.

        Until the caller commits, other requests for the same mailbox, or the same domain and network, wait.
        """
        facts = self._facts(email, network, first, now)
        self._lock(session, *filter(None, (facts.mailbox, facts.source)))
        if self._emails_today(session, facts.mailbox, now) >= self._per_day:
            return SendTime(None, facts, ReasonCode.mailbox_limit, self._per_day)
        if not first:
            return SendTime(now, facts)
        room = now if facts.source is None else self._room(session, facts.source, now)
        if room > now:
            due = room if room < now + DAY else None
            return SendTime(due, facts, ReasonCode.source_limit, self._per_hour)
        slowdown = self.slowdown(session, now)
        if slowdown is None or not slowdown.applies(facts):
            return SendTime(now, facts)
        self._flag(session, slowdown, now)
        return self._slowed(session, facts, now)

    def is_slowed(self, session: Session, email: str, network: str, now: datetime) -> bool:
        """Return whether a first email to this address for this network would have to wait, because many bounced."""
        slowdown = self.slowdown(session, now)
        return slowdown is not None and slowdown.applies(self._facts(email, network, True, now))

    def record(self, session: Session, turn: SendTime, notification_id: int) -> None:
        """Count the email of this row, which takes this turn."""
        turn.facts.notification_id = notification_id
        turn.facts.due = turn.due or turn.facts.at
        session.add(turn.facts)

    def slowdown(self, session: Session, now: datetime) -> Slowdown | None:
        """Return the slowdown that the last first emails call for; None if few enough of them bounced hard."""
        query = (
            select(_S.network, _S.source, _N.status, _N.reason_code)
            .join(_N, _N.id == _S.notification_id)
            .where(_S.first, _S.at > now - DAY, _S.due > now - LOOK_BACK, _N.status.in_(_TRIED))
            .order_by(_S.notification_id.desc())
            .limit(self._window)
        )
        tried: Counter[str] = Counter()
        bounced: Counter[str] = Counter()
        looked_at = bounces = 0
        for network, source, status, code in session.execute(query):
            hard = status == Status.bounced or code == ReasonCode.address_refused
            looked_at, bounces = looked_at + 1, bounces + hard
            if source is None:
                tried[network] += 1
                bounced[network] += hard
        if bounces <= self._bounces * self._window:
            return None
        networks = (
            name
            for name, number in bounced.items()
            if number >= LEAST_OF_NETWORK and number > self._bounces * tried[name]
        )
        return Slowdown(bounces, looked_at, frozenset(networks))

    def tell_senders(self, session: Session, now: datetime) -> None:
        """Tell all sending processes, after a bounce, if first emails are slowed from now on."""
        slowdown = self.slowdown(session, now)
        if slowdown is not None:
            self._flag(session, slowdown, now)

    def hold_back(self, session: Session, pks: Sequence[int], now: datetime) -> dict[int, datetime]:
        """Give a place in the queue to first emails among these rows that are slowed and have none.

        Return when they may be sent, by key. Rows that may be sent now are not in it.
        """
        query = select(_S).where(_S.notification_id.in_(pks), _S.first, ~_S.slowed).order_by(_S.notification_id)
        without = list(session.scalars(query))
        slowdown = self.slowdown(session, now) if without else None
        held: dict[int, datetime] = {}
        for facts in without:
            if slowdown is not None and slowdown.applies(facts):
                facts.due, facts.slowed = self._place(session, now), True
                session.flush()
                if facts.due > now:
                    held[facts.notification_id] = facts.due
        return held

    def _slowed(self, session: Session, facts: SignupEmail, now: datetime) -> SendTime:
        facts.slowed = True
        place = self._place(session, now)
        if place >= now + DAY:
            return SendTime(None, facts, ReasonCode.first_emails_slowed)
        return SendTime(place, facts, ReasonCode.first_emails_slowed if place > now else None)

    def _place(self, session: Session, now: datetime) -> datetime:
        """Return the end of the queue of slowed first emails."""
        self._lock(session, SLOWED_KEY)
        last = session.scalar(select(_S.due).where(_S.slowed).order_by(_S.due.desc()).limit(1))
        return now if last is None else max(now, last + self._pause)

    def _emails_today(self, session: Session, mailbox: str, now: datetime) -> int:
        query = select(func.count()).where(_S.mailbox == mailbox, _S.at > now - DAY)
        return session.scalar(query) or 0

    def _room(self, session: Session, source: str, now: datetime) -> datetime:
        """Return when there is room for one more first email: an hour after the one `per_hour` places before it."""
        query = select(_S.due).where(_S.source == source, _S.first)
        before = session.scalar(query.order_by(_S.due.desc()).offset(self._per_hour - 1).limit(1))
        return now if before is None else max(now, before + HOUR)

    def _flag(self, session: Session, slowdown: Slowdown, now: datetime) -> None:
        """Store the slowdown for the sending processes, at most a few times a minute."""
        until = session.scalar(select(PaceState.until).where(PaceState.key == SLOWED_KEY))
        if until is not None and until > now + SLOWED_FOR / 2:
            return
        if until is None or until <= now:
            log.warning("first_emails.slowed", bounced=slowdown.bounced, of=slowdown.looked_at)
        values = {"until": now + SLOWED_FOR, "level": 1}
        if until is not None:
            renewed = update(PaceState).where(PaceState.key == SLOWED_KEY).values(values)
            session.execute(renewed.execution_options(synchronize_session=False))
            return
        try:
            with session.begin_nested():
                session.add(PaceState(key=SLOWED_KEY, **values))
        except IntegrityError:
            return  # another process was faster

    def _facts(self, email: str, network: str, first: bool, now: datetime) -> SignupEmail:
        domain = email.rpartition("@")[2]
        known = provider_of(domain) is not None
        return SignupEmail(
            at=now,
            mailbox=self._digest("mailbox", abuse_key(email)),
            network=self._digest("network", network),
            source=None if known else self._digest("source", f"{domain} {network}"),
            first=first,
            slowed=False,
        )

    def _digest(self, purpose: str, text: str) -> str:
        return keyed_digest(f"notifier.signup\0{purpose}", self._key, text)[:32]

    @staticmethod
    def _lock(session: Session, *names: str) -> None:
        """Lock these names until the transaction ends. SQLite has one writer at a time anyway."""
        if session.get_bind().dialect.name == "postgresql":
            numbers = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True) for name in names]
            session.execute(select(*(func.pg_advisory_xact_lock(number) for number in numbers)))
