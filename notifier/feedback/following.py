"""What follows from stored events: rows move, addresses are suppressed, runs and providers pause.

The events of one call concern different emails, people and addresses, so that their order decides nothing but the
order of totals: all rows move together, and then the consequences are written together.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from notifier import ledger
from notifier.accounts.erasure import ERASED
from notifier.bounces.reasons import RULES, Verdict
from notifier.consent import preferences, suppressions
from notifier.feedback import moving, series
from notifier.feedback.brakes import Brakes
from notifier.feedback.events import EventKind, FeedbackEvent
from notifier.feedback.matching import OPERATOR, Matched
from notifier.feedback.moving import Move
from notifier.feedback.refusals import pause_providers
from notifier.feedback.scopes import scopes_of
from notifier.feedback.storing import Stored, enhanced_of, expected, reply_of, set_effects
from notifier.mail.providers import domain_of
from notifier.models import Effect, Status, SuppressionReason
from notifier.reasons import ReasonCode
from notifier.smtp.outcome import clean

#: How far the clocks of a source and ours may differ.
_SKEW = timedelta(minutes=5)


class Consequences:
    """Let events take effect. One instance serves all threads of a process."""

    def __init__(self, brakes: Brakes, *, witnesses: int) -> None:
        """`witnesses`: people who must report a refusal before campaigns to a provider pause."""
        self._brakes = brakes
        self._witnesses = witnesses

    def apply(self, session: Session, stored: Sequence[Stored], now: datetime) -> list[Effect]:
        """Let these events take effect on their emails. Return the effects, which are stored, too.

        They are about different emails, users and addresses. The caller commits.
        """
        acting = [each for each in stored if _takes_effect(each)]
        effects = {each.pk: Effect.none for each in stored} | {
            each.pk: expected(each.event, each.email) for each in acting
        }
        moved = moving.move_all(session, [_move(each) for each in acting], now=now)
        for each in stored:
            if each.event.kind is EventKind.delivered:
                moving.delivered(session, each.email, each.event.happened_at)
        effects |= self._suppress(session, acting, now)
        self._pause_providers(session, stored, acting, now)
        self._brake(session, [each for each, has in zip(acting, moved, strict=True) if has], now, one=len(stored) == 1)
        changed = [each for each in stored if effects[each.pk] is not expected(each.event, each.email)]
        changed += [each for each in stored if each.email.by == OPERATOR]
        set_effects(session, {each.pk: effects[each.pk] for each in changed})
        return [effects[each.pk] for each in stored]

    def _suppress(self, session: Session, acting: Sequence[Stored], now: datetime) -> dict[int, Effect]:
        """Suppress the addresses. Return the effects that differ from the expected ones."""
        scored = [each for each in acting if expected(each.event, each.email) is Effect.scored]
        complete = series.complete(session, [each.email for each in scored], now)
        new, effects = [], {}
        for each in acting:
            reason, until = _SUPPRESSES.get(expected(each.event, each.email)), None
            if each.email.pk in complete and each in scored:
                reason, until = SuppressionReason.soft_bounces, now + series.DECAY
                effects[each.pk] = Effect.suppressed
            if reason is not None and each.email.recipient != ERASED:
                new.append(_suppression(each, reason, until))
            if each.event.kind is EventKind.complaint and each.email.user_id is not None:
                how, email = preferences.How.complaint, each.email
                preferences.decide_all(session, each.email.user_id, False, how=how, notification_id=email.pk, now=now)
        suppressions.add_all(session, new)
        return effects

    def _pause_providers(
        self, session: Session, stored: Sequence[Stored], acting: Sequence[Stored], now: datetime
    ) -> None:
        about_us = [each for each in stored if each.event.is_about_us]
        if about_us:
            pause_providers(session, about_us, {each.pk for each in acting}, now, witnesses=self._witnesses)

    def _brake(self, session: Session, moved: Sequence[Stored], now: datetime, *, one: bool) -> None:
        """Check the runs whose rows moved. A single event is one of many calls, so it need not count each time."""
        dead = {
            each.email.run_id: None for each in moved
            if each.event.kind is EventKind.bounce and each.event.verdict is Verdict.HARD
        }  # fmt: skip
        for run_id in dead:
            if run_id is not None:
                self._brakes.check_dead(session, run_id, now, sparsely=one)
        complained = [each.email for each in moved if each.event.kind is EventKind.complaint]
        domains = {email.pk: domain_of(email.recipient) for email in complained}
        scopes = scopes_of(session, set(domains.values()))
        for run_id, scope in dict.fromkeys((email.run_id, scopes[domains[email.pk]]) for email in complained):
            if run_id is not None:
                self._brakes.check_complaints(session, run_id, scope, now, sparsely=one)


#: Why an address is suppressed, by the effect.
_SUPPRESSES = {
    Effect.suppressed: SuppressionReason.hard_bounce,
    Effect.complained: SuppressionReason.complaint,
}


def _takes_effect(stored: Stored) -> bool:
    event = stored.event
    if event.kind is EventKind.complaint:
        return True
    return event.kind is EventKind.bounce and event.acts and not _is_of_earlier_copy(stored.email, event)


def _is_of_earlier_copy(email: Matched, event: FeedbackEvent) -> bool:
    """Return whether the event is about a copy that was sent before the present one.

    Only an email with an uncertain attempt has several. What became of the last one is what its row says.
    """
    return email.unknowns > 0 and email.sent_at is not None and event.happened_at < email.sent_at - _SKEW


def _move(stored: Stored) -> Move:
    event = stored.event
    if event.kind is EventKind.complaint:
        return Move(stored.email, Status.complained, ledger.why(ReasonCode.reported_as_spam))
    code = ReasonCode.address_dead if event.verdict is Verdict.HARD else ReasonCode.bounced
    code = ReasonCode.refused_us if event.is_about_us else code
    return Move(stored.email, Status.bounced, ledger.why(code, reply=reply_of(event)))


def _suppression(stored: Stored, reason: SuppressionReason, until: datetime | None) -> suppressions.New:
    event = stored.event
    said = suppressions.Said(event.code, enhanced_of(event), clean(event.text), RULES, stored.pk)
    return suppressions.New(stored.email.identity_key, reason, event.source, reply_of(event), until=until, said=said)
