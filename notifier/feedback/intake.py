"""Intake: the only way in for what comes back. One event, one row, and all that follows from it, in one transaction."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier import clock
from notifier.accounts.erasure import ERASED
from notifier.bounces.reasons import ABOUT_MAILBOX, RULES, SENTENCES, Verdict
from notifier.consent import preferences, suppressions
from notifier.feedback import moving, series
from notifier.feedback.brakes import Brakes
from notifier.feedback.events import EventKind, FeedbackEvent
from notifier.feedback.matching import OPERATOR, Matched, find
from notifier.feedback.refusals import pause_provider
from notifier.feedback.scopes import scope_of, stored_scope
from notifier.mail.message_ids import Ids
from notifier.mail.providers import domain_of
from notifier.models import IN_TRAY, Effect, Feedback, Status, SuppressionReason
from notifier.reasons import ReasonCode
from notifier.security.redaction import without_addresses
from notifier.smtp.outcome import MAX_TEXT, clean

#: Events that may wait for an operator; the oldest are dropped beyond.
MOST_IN_TRAY = 10_000

#: RFC 3463, section 2.
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)

_F = Feedback


class NotYet(Exception):
    """The attempt that the event is about has not ended for the ledger. Nothing was changed: offer it again later."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an event."""

    #: False if it was known, or if it says nothing about an email of ours; then nothing was stored.
    is_new: bool
    effect: Effect = Effect.none
    feedback_id: int | None = None
    notification_id: int | None = None


class Intake:
    """Take events. One instance serves all threads and doors of a process."""

    def __init__(self, ids: Ids, brakes: Brakes, *, witnesses: int) -> None:
        """Check ids with `ids`. `witnesses`: people who must report a refusal before campaigns to a provider pause."""
        self._ids = ids
        self._brakes = brakes
        self._witnesses = witnesses

    def take(self, session: Session, event: FeedbackEvent) -> Taken:
        """Store an event and what follows from it. The caller commits, and only then tells the source.

        An event that was taken before changes nothing. Raise NotYet if its email is being sent at this moment.
        """
        now = clock.now()
        email = find(session, self._ids, event)
        if email is None and not event.acts:
            return Taken(is_new=False)
        if email is not None and email.status is Status.sending and event.acts:
            raise NotYet
        pk = _store(session, event, email, now)
        if pk is None:
            return Taken(is_new=False)
        if email is None:
            _bound_tray(session)
            return Taken(True, Effect.waiting, pk)
        return Taken(True, self.apply(session, pk, email, event, now), pk, email.pk)

    def apply(self, session: Session, pk: int, email: Matched, event: FeedbackEvent, now: datetime) -> Effect:
        """Let the stored event `pk` take effect on its email. Return the effect, which is stored, too."""
        effect = Effect.none
        if event.kind is EventKind.complaint:
            effect = self._complained(session, pk, email, event, now)
        elif event.kind is EventKind.bounce and event.acts and not _is_of_earlier_copy(email, event):
            effect = self._bounced(session, pk, email, event, now)
        elif event.kind is EventKind.delivered:
            moving.delivered(session, email, event.happened_at)
        if effect is not expected(event, email) or email.by == OPERATOR:
            session.execute(update(_F).where(_F.id == pk).values(effect=effect.value), execution_options=_PLAIN)
        return effect

    def _bounced(self, session: Session, pk: int, email: Matched, event: FeedbackEvent, now: datetime) -> Effect:
        is_hard = event.verdict is Verdict.HARD
        code = ReasonCode.address_dead if is_hard else ReasonCode.bounced
        code = ReasonCode.refused_us if event.is_about_us else code
        moved = moving.move(session, email, Status.bounced, now=now, code=code, reply=_reply(event))
        effect = expected(event, email)
        if event.is_about_us:
            scope = scope_of(session, domain_of(email.recipient))
            pause_provider(session, email, scope, event, now, witnesses=self._witnesses)
        elif is_hard:
            _suppress(session, pk, email, event, SuppressionReason.hard_bounce)
        elif effect is Effect.scored and series.is_complete(session, email, now):
            _suppress(session, pk, email, event, SuppressionReason.soft_bounces, until=now + series.DECAY)
            effect = Effect.suppressed
        if is_hard and moved and email.run_id is not None:
            self._brakes.check_dead(session, email.run_id, now, sparsely=True)
        return effect

    def _complained(self, session: Session, pk: int, email: Matched, event: FeedbackEvent, now: datetime) -> Effect:
        code = ReasonCode.reported_as_spam
        moved = moving.move(session, email, Status.complained, now=now, code=code)
        _suppress(session, pk, email, event, SuppressionReason.complaint)
        if email.user_id is not None:
            how = preferences.How.complaint
            preferences.decide_all(session, email.user_id, False, how=how, notification_id=email.pk, now=now)
        if moved and email.run_id is not None:
            scope = scope_of(session, domain_of(email.recipient))
            self._brakes.check_complaints(session, email.run_id, scope, now)
        return Effect.complained


_PLAIN = {"synchronize_session": False}


def _store(session: Session, event: FeedbackEvent, email: Matched | None, now: datetime) -> int | None:
    """Insert the row. Return its key; None if the event has one already."""
    address = email.recipient if email is not None else clean(event.recipient)
    known = email is not None and email.recipient != ERASED
    values = {
        "source": event.source,
        "event_id": event.event_id,
        "kind": event.kind.value,
        "verdict": event.verdict.value,
        "reason": event.reason.value if event.reason is not None else None,
        "code": event.code,
        "enhanced": _enhanced(event),
        "text": _text(event),
        "rule_version": RULES,
        "notification_id": email.pk if email is not None else None,
        "matched_by": email.by if email is not None else "none",
        "proven": email is not None and email.proven,
        "identity_key": email.identity_key if email is not None and known else None,
        "recipient": address[:320] if email is None else None,
        "provider": stored_scope(domain_of(address)[:255]) if known or email is None else "",
        "happened_at": event.happened_at,
        "received_at": now,
        "effect": expected(event, email).value,
    }
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(_F).values(values).on_conflict_do_nothing(index_elements=["source", "event_id"])
    return session.scalar(statement.returning(_F.id))


def expected(event: FeedbackEvent, email: Matched | None) -> Effect:
    """Return the effect that the event has by itself: most rows are written once."""
    if email is None:
        return Effect.waiting
    if event.kind is EventKind.complaint:
        return Effect.complained
    if event.kind is not EventKind.bounce or not event.acts:
        return Effect.none
    if event.is_about_us:
        return Effect.counted
    if event.verdict is Verdict.HARD:
        return Effect.suppressed
    return Effect.scored if event.reason in ABOUT_MAILBOX else Effect.none


def _bound_tray(session: Session) -> None:
    """Drop the oldest events beyond MOST_IN_TRAY: anyone can send emails that cannot be assigned."""
    query = select(_F.id).where(text(IN_TRAY)).order_by(_F.id.desc()).offset(MOST_IN_TRAY).limit(1)
    first = session.scalar(query)
    if first is not None:
        session.execute(delete(_F).where(text(IN_TRAY), _F.id <= first), execution_options=_PLAIN)


def _is_of_earlier_copy(email: Matched, event: FeedbackEvent) -> bool:
    """Return whether the event is about a copy that was sent before the present one.

    Only an email with an uncertain attempt has several. What became of the last one is what its row says.
    """
    return email.unknowns > 0 and email.sent_at is not None and event.happened_at < email.sent_at - _SKEW


#: How far the clocks of a source and ours may differ.
_SKEW = timedelta(minutes=5)


def _suppress(
    session: Session,
    pk: int,
    email: Matched,
    event: FeedbackEvent,
    reason: SuppressionReason,
    until: datetime | None = None,
) -> None:
    if email.recipient == ERASED:
        return
    said = suppressions.Said(event.code, _enhanced(event), clean(event.text), RULES, pk)
    suppressions.add(
        session, email.identity_key, reason=reason, source=event.source, evidence=_reply(event), until=until, said=said
    )


def _text(event: FeedbackEvent) -> str | None:
    return without_addresses(clean(event.text))[:MAX_TEXT] or None


def _enhanced(event: FeedbackEvent) -> str | None:
    """Return the enhanced code; None for a field of a report that has something else in it."""
    return event.enhanced if _ENHANCED.fullmatch(event.enhanced or "") else None


def _reply(event: FeedbackEvent) -> str:
    """Return what was said, for people."""
    said = " ".join(str(each) for each in (event.code, _enhanced(event), _text(event)) if each)
    return said or (SENTENCES[event.reason] if event.reason is not None else "")
