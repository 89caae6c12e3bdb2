"""What follows from stored events: rows move, addresses are suppressed, runs and providers pause.

The events of one call concern different emails, people and addresses, so that their order decides nothing: all rows
move together, and then the consequences are written together.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from notifier import ledger
from notifier.accounts.erasure import ERASED
from notifier.bounces.reasons import RULES, Verdict
from notifier.consent import preferences, suppressions
from notifier.feedback import moving, series
from notifier.feedback.brakes import Brakes, open_runs
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


class Applied(NamedTuple):
    """What followed from an event: whether it could act on its email, and whether the row of that moved."""

    stored: Stored
    effect: Effect
    has_acted: bool
    has_moved: bool


class Consequences:
    """Let events take effect. One instance serves all threads of a process."""

    def __init__(self, brakes: Brakes, *, witnesses: int) -> None:
        """`witnesses`: people who must report a refusal before campaigns to a provider pause."""
        self._brakes = brakes
        self._witnesses = witnesses

    def apply(self, session: Session, stored: Sequence[Stored], now: datetime) -> list[Applied]:
        """Move the emails of these events, and suppress. Return what followed, in their order; `pause` comes next.

        They are about different emails, users and addresses. The caller commits.
        """
        done = [each for each in stored if _takes_effect(each)]
        has_moved = moving.move_all(session, [_move(each) for each in done], now=now)
        moved = {each.pk: has for each, has in zip(done, has_moved, strict=True)}
        for each in stored:
            if each.event.kind is EventKind.delivered and not each.email.redirected:
                moving.delivered(session, each.email, each.event.happened_at)
        suppressed = self._suppress(session, done, now)
        effects = {each.pk: expected(each.event, each.email) for each in done} | suppressed
        applied = [
            Applied(each, effects.get(each.pk, Effect.none), each.pk in moved, moved.get(each.pk, False))
            for each in stored
        ]
        set_effects(session, {each.stored.pk: each.effect for each in applied if _is_unexpected(each)})
        return applied

    def _suppress(self, session: Session, acting: Sequence[Stored], now: datetime) -> dict[int, Effect]:
        """Suppress the addresses. Return what really followed, where that may differ from the expected effect."""
        scored = [each.email for each in acting if expected(each.event, each.email) is Effect.scored]
        complete = series.complete(session, scored, now)
        new, complained = {}, {}
        for each in acting:
            effect, until = expected(each.event, each.email), None
            reason = _SUPPRESSES.get(effect)
            if effect is Effect.scored and each.email.pk in complete:
                reason, until = SuppressionReason.soft_bounces, now + series.DECAY
            if reason is not None:
                new[each.pk] = (each, reason, until)
            if effect is Effect.complained and each.email.user_id is not None:
                complained[each.email.user_id] = each.email.pk
        named = [_suppression(*one) for one in new.values() if one[0].email.recipient != ERASED]
        suppressed = suppressions.add_all(session, named)
        refused = preferences.decide_all_of(session, complained, False, how=preferences.How.complaint, now=now)
        return {pk: _effect_of(one[0], suppressed, refused) for pk, one in new.items()}

    def pause(self, session: Session, applied: Sequence[Applied], now: datetime) -> None:
        """Pause the runs that harm us, and campaigns to providers that refuse us, by these events in their order.

        The caller commits.
        """
        counts = [each.stored for each in applied if not each.stored.email.redirected]
        about_us = [each for each in counts if each.event.is_about_us]
        if about_us:
            acting = {each.stored.pk for each in applied if each.has_acted}
            pause_providers(session, about_us, acting, now, witnesses=self._witnesses)
        # A single event is one of many calls, so that it need not count each time.
        sparsely = len(applied) == 1
        moved = [each.stored for each in applied if each.has_moved]
        runs = open_runs(session, {each.email.run_id for each in moved if each.email.run_id is not None})
        moved = [each for each in moved if each.email.run_id in runs]
        bounced = [each for each in moved if each.event.kind is EventKind.bounce]
        dead = [each for each in bounced if each.event.verdict is Verdict.HARD]
        for run_id in dict.fromkeys(each.email.run_id or 0 for each in dead):
            self._brakes.check_dead(session, run_id, now, sparsely=sparsely)
        complained = [each.email for each in moved if each.event.kind is EventKind.complaint]
        domains = [domain_of(email.recipient) for email in complained]
        scopes = scopes_of(session, set(domains))
        spots = [(email.run_id or 0, scopes[domain]) for email, domain in zip(complained, domains, strict=True)]
        for run_id, scope in dict.fromkeys(spots):
            self._brakes.check_complaints(session, run_id, scope, now, sparsely=sparsely)


#: Why an address is suppressed, by the effect.
_SUPPRESSES = {
    Effect.suppressed: SuppressionReason.hard_bounce,
    Effect.complained: SuppressionReason.complaint,
}


def _effect_of(each: Stored, suppressed: Collection[str], refused: Collection[int]) -> Effect:
    """Return what followed from an event that suppresses.

    `suppressed`: the addresses that are now suppressed for its reason. `refused`: users who got campaigns until now.
    """
    email, is_erased = each.email, each.email.recipient == ERASED
    is_new = not is_erased and email.identity_key in suppressed
    if each.event.kind is EventKind.complaint and (is_new or email.user_id in refused):
        return Effect.complained
    if is_new:
        return Effect.suppressed
    return Effect.none if is_erased else Effect.known


def _is_unexpected(applied: Applied) -> bool:
    """Return whether the row, as it was stored, says something else."""
    event, email = applied.stored.event, applied.stored.email
    return applied.effect is not expected(event, email) or email.by == OPERATOR


def _takes_effect(stored: Stored) -> bool:
    event = stored.event
    if stored.email.redirected:
        return False
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
