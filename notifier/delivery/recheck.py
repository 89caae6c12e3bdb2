"""Recheck emails of campaigns between claim and sending, by the audience rule that planned them.

People who verified, opted out, were suppressed or left the audience since get nothing. Emails due in quiet hours or
above the weekly cap wait. An email of no campaign is rechecked only if people may refuse its category; others cost no
query.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from notifier import audience, clock
from notifier.audience import AudienceError, CampaignOccasion, Kinds, occasions_of
from notifier.consent import preferences
from notifier.emails import Category
from notifier.emails.campaign_kind import CampaignKind
from notifier.ledger import Claimed
from notifier.mail import providers
from notifier.models import Campaign, CampaignRun, DomainProvider, Notification, RunState, Status, User
from notifier.reasons import ReasonCode, sentence

#: Time until rows of a paused run are looked at again if nothing wakes them earlier.
PAUSE = timedelta(hours=1)

#: Time that rows wait for a campaign that cannot be read to be repaired.
BROKEN = timedelta(minutes=15)

#: Period of the weekly cap.
WEEK = timedelta(days=7)


class Halt(NamedTuple):
    """Why a claimed row is not sent now, and the status it gets."""

    to: Status
    code: ReasonCode
    #: The code's sentence, with its details filled in.
    reason: str
    #: When the row is due again, if it waits.
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecheckResult:
    """The result of one recheck, by key of the row."""

    halts: dict[int, Halt] = field(default_factory=dict)
    #: Data from the kinds' `load`.
    data: dict[int, Any] = field(default_factory=dict)
    #: The error of ours that prevented the recheck.
    fault: Exception | None = None


class Recheck:
    """Recheck a chunk of rows in few statements. No transaction stays open."""

    def __init__(
        self,
        session: Callable[[], Session],
        kinds: Kinds,
        *,
        cap_per_week: int | None = None,
        fetch: Callable[[Session, Sequence[Claimed]], None] = lambda session, rows: None,
    ) -> None:
        """Recheck by `kinds` and an optional weekly cap.

        Args:
            cap_per_week: Emails of campaigns that one user gets in seven days. None: no cap.
            fetch: Loads what else composing these rows needs from the database.
        """
        self._session = session
        self._kinds = kinds
        self._cap = cap_per_week
        self._fetch = fetch
        self._counted = sorted(name for name, kind in kinds.items() if kind.category is not Category.security)

    def look(self, rows: Sequence[Claimed], *, data: Mapping[int, Any] | None = None) -> RecheckResult:
        """Recheck these rows, mostly of campaigns. Raise what the database or a kind's `load` raises.

        `data`: what an earlier look at them loaded. It is kept, and only what is missing is loaded.
        """
        planned = {row.id: row for row in rows if row.run_id is not None and row.user is not None}
        single = [row for row in rows if row.run_id is None and self._category(row.kind) not in preferences.ALWAYS]
        if not planned and not single:
            return RecheckResult()
        session, now, look = self._session(), clock.now(), RecheckResult()
        try:
            look.halts.update(self._refused(session, single))
            for run_id in sorted({row.run_id for row in planned.values() if row.run_id is not None}):
                mine = [row for row in planned.values() if row.run_id == run_id]
                look.halts.update(self._of_run(session, run_id, mine, now))
            look.data.update(data or {})
            self._load(session, [row for row in planned.values() if row.id not in look.halts], look)
        finally:
            session.rollback()
        return look

    def _load(self, session: Session, wanted: Sequence[Claimed], look: RecheckResult) -> None:
        wanted = [row for row in wanted if row.id not in look.data]
        if not wanted:
            return
        self._fetch(session, wanted)
        for name in sorted({row.kind for row in wanted}):
            kind = self._kinds.get(name)
            if isinstance(kind, CampaignKind):
                look.data.update(kind.load(session, [row for row in wanted if row.kind == name]))
        # Those that need nothing need not be asked again, either.
        look.data.update({row.id: None for row in wanted if row.id not in look.data})

    def _category(self, kind: str) -> Category:
        # A kind that is gone cannot be composed, which is told there.
        return self._kinds[kind].category if kind in self._kinds else Category.security

    def _refused(self, session: Session, rows: Sequence[Claimed]) -> Iterable[tuple[int, Halt]]:
        """Halt emails of no campaign whose person unsubscribed from their category."""
        for category in sorted({self._category(row.kind) for row in rows}):
            mine = {row.id: row.user.id for row in rows if row.user and self._category(row.kind) is category}
            query = select(User.id).where(User.id.in_(mine.values()), preferences.refused(category))
            left = set(session.scalars(query))
            why = f"they unsubscribed from {preferences.NAMES[category]}"
            for pk, user_id in mine.items():
                if user_id in left:
                    yield pk, halt(Status.skipped, ReasonCode.excluded, why=why)

    def _of_run(
        self, session: Session, run_id: int, rows: Sequence[Claimed], now: datetime
    ) -> Iterable[tuple[int, Halt]]:
        try:
            found = occasions_of(session, {run_id}, self._kinds).get(run_id)
        except AudienceError as error:
            broken = now + BROKEN
            return [(row.id, waits(row, ReasonCode.campaign_unreadable, broken, error=error)) for row in rows]
        if found is None:
            return [(row.id, halt(Status.skipped, ReasonCode.campaign_gone)) for row in rows]
        run, occasion = found
        stopped = _stopped(run, now)
        if stopped is not None:
            return [(row.id, stopped) for row in rows]
        halts = dict(_at_paused_providers(session, run, rows, now))
        rows = [row for row in rows if row.id not in halts]
        halts |= self._judged(session, occasion, rows, now)
        if self._cap is not None and occasion.capped and occasion.kind in self._counted:
            rest = [row for row in rows if row.id not in halts]
            halts |= self._above_cap(session, rest, self._cap, now)
        return halts.items()

    def _judged(
        self, session: Session, occasion: CampaignOccasion, rows: Sequence[Claimed], now: datetime
    ) -> Iterable[tuple[int, Halt]]:
        people = {row.user.id: row.user.timezone for row in rows if row.user}
        zones = set(people.values())
        answers = audience.judge(session, occasion, list(people), lasting_only=True, zones=zones, now=now)
        for row in rows:
            answer = answers.get(row.user.id) if row.user else None
            if answer is None:
                yield row.id, halt(Status.skipped, ReasonCode.account_gone)
            elif answer.code is not None:
                if answer.code == audience.SUPPRESSED:
                    yield row.id, Halt(Status.suppressed, ReasonCode.suppressed, answer.words)
                elif answer.code == audience.NOT_CONFIRMED:
                    yield row.id, halt(Status.skipped, ReasonCode.not_confirmed)
                else:
                    yield row.id, halt(Status.skipped, ReasonCode.excluded, why=answer.words)
            elif answer.due > now:
                yield row.id, waits(row, ReasonCode.quiet_hours, answer.due)

    def _above_cap(self, session: Session, rows: Sequence[Claimed], cap: int, now: datetime) -> dict[int, Halt]:
        """Halt the emails whose user has had `cap` emails. An email under way counts for those with higher keys."""
        sent = self._sent(session, [row.user.id for row in rows if row.user], now)
        halts = {}
        for row in rows:
            before = [at for pk, at in sent.get(row.user.id if row.user else 0, ()) if at is not None or pk < row.id]
            moments = sorted(at or now for at in before)
            if len(moments) >= cap:
                emails = f"{cap} email{'' if cap == 1 else 's'}"
                halts[row.id] = waits(row, ReasonCode.weekly_cap, moments[-cap] + WEEK, cap=emails)
        return halts

    def _sent(
        self, session: Session, user_ids: Sequence[int], now: datetime
    ) -> Mapping[int, list[tuple[int, datetime | None]]]:
        """Return (key, sent at) by user for the last seven days. None: the email is under way."""
        lately = or_(
            Notification.sent_at > now - WEEK,
            and_(Notification.status == Status.sending, Notification.sent_at.is_(None)),
        )
        query = (
            select(Notification.user_id, Notification.id, Notification.sent_at)
            .join(Campaign, Campaign.id == Notification.campaign_id)
            .where(Notification.user_id.in_(user_ids), Notification.kind.in_(self._counted), Campaign.capped, lately)
        )
        found: dict[int, list[tuple[int, datetime | None]]] = {}
        for user_id, pk, at in session.execute(query):
            found.setdefault(user_id or 0, []).append((pk, at))
        return found


def _stopped(run: CampaignRun, now: datetime) -> Halt | None:
    if run.state == RunState.paused:
        return halt(Status.pending, ReasonCode.run_paused, due=now + PAUSE)
    if run.state == RunState.cancelled:
        return halt(Status.pending, ReasonCode.run_cancelled, due=now)  # the next tick cancels it
    return None


def _at_paused_providers(
    session: Session, run: CampaignRun, rows: Sequence[Claimed], now: datetime
) -> Iterable[tuple[int, Halt]]:
    """Halt the emails to providers whose people complained. They wait for an operator, as those of a paused run."""
    paused = run.paused_providers
    if not paused:
        return
    found = {row.id: providers.domain_of(row.recipient) for row in rows}
    query = select(DomainProvider.domain, DomainProvider.provider).where(
        DomainProvider.domain.in_(set(found.values())), DomainProvider.provider.in_(paused)
    )
    customers = {each.domain: each.provider for each in session.execute(query)}
    for row in rows:
        domain = found[row.id]
        scope = customers.get(domain) or providers.scope_of(domain)
        if scope in paused:
            label = providers.label_of(scope)
            yield row.id, halt(Status.pending, ReasonCode.provider_paused, due=now + PAUSE, provider=label)


def halt(to: Status, code: ReasonCode, *, due: datetime | None = None, **details: object) -> Halt:
    """Build a halt with the sentence of its code."""
    return Halt(to, code, sentence(code, **details), due)


def waits(row: Claimed, code: ReasonCode, due: datetime, **details: object) -> Halt:
    """Wait until `due`, or skip the row now if its deadline comes first."""
    if row.deadline is not None and due >= row.deadline:
        return halt(Status.skipped, ReasonCode.too_late, why=sentence(code, **details))
    return halt(Status.pending, code, due=due, **details)
