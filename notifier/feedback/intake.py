"""Intake: the only way in for what comes back. One event, one row, and all that follows from it, in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.accounts.erasure import ERASED
from notifier.feedback.brakes import Brakes
from notifier.feedback.events import FeedbackEvent, believed
from notifier.feedback.following import Applied, Consequences
from notifier.feedback.matching import Matched, find_all, is_return_path
from notifier.feedback.storing import Stored, bound_tray, store_all
from notifier.mail.message_ids import Ids
from notifier.models import Effect, Feedback, Status

#: An event, and its email if that is proven.
_Found = tuple[FeedbackEvent, Matched | None]


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
        self._consequences = Consequences(brakes, witnesses=witnesses)

    def take(self, session: Session, event: FeedbackEvent) -> Taken:
        """Store an event and what follows from it. The caller commits, and only then tells the source.

        An event that was taken before changes nothing. Raise NotYet if its email is being sent at this moment.
        """
        (taken,) = self.take_all(session, [event])
        if taken is None:
            raise NotYet
        return taken

    def take_all(self, session: Session, events: Sequence[FeedbackEvent]) -> list[Taken | None]:
        """Do as `take` for each of these events in this order, with few statements. The caller commits.

        None stands for NotYet: nothing of that event was stored. A few hundred events at once are the most that
        should share a transaction, because their rows stay locked until its end. A brake looks once at many events.
        """
        now = clock.now()
        emails = find_all(session, self._ids, events)
        found = [
            (believed(event, now, None if email is None else email.created_at), email)
            for event, email in zip(events, emails, strict=True)
        ]
        taken = {number: _if_not_stored(*each) for number, each in enumerate(found)}
        applied: dict[int, Applied] = {}
        for numbers in _layers({number: found[number] for number, each in taken.items() if each is _STORE}):
            pks = store_all(session, [found[number] for number in numbers], now)
            stored: dict[int, Stored] = {}
            for number, pk in zip(numbers, pks, strict=True):
                event, email = found[number]
                taken[number] = _NOTHING if pk is None else Taken(True, Effect.waiting, pk)
                if pk is not None and email is not None:
                    stored[number] = Stored(pk, email, event)
            done = self._consequences.apply(session, list(stored.values()), now)
            applied |= dict(zip(stored, done, strict=True))
        self._consequences.pause(session, [applied[number] for number in sorted(applied)], now)
        for number, each in applied.items():
            taken[number] = Taken(True, each.effect, each.stored.pk, each.stored.email.pk)
        results = list(taken.values())
        bound_tray(session, _waiting(events, results))
        return results

    def known(self, session: Session, source: str, event_ids: Collection[str]) -> set[str]:
        """Return those of these events of one source that were taken before."""
        query = select(Feedback.event_id).where(Feedback.source == source, Feedback.event_id.in_(event_ids))
        return set(session.scalars(query))

    def knows(self, session: Session, address: str) -> bool:
        """Return whether what comes back to this address is about an email of ours, proven by the address."""
        return is_return_path(session, self._ids, address)

    def apply(self, session: Session, pk: int, email: Matched, event: FeedbackEvent, now: datetime) -> Effect:
        """Let the stored event `pk` take effect on its email. Return the effect, which is stored, too."""
        applied = self._consequences.apply(session, [Stored(pk, email, event)], now)
        self._consequences.pause(session, applied, now)
        return applied[0].effect


_NOTHING = Taken(is_new=False)
#: Stands for an event that is to be stored.
_STORE = Taken(is_new=True)


def _if_not_stored(event: FeedbackEvent, email: Matched | None) -> Taken | None:
    """Return what became of an event of which nothing is stored; _STORE for all others."""
    if email is None and not event.acts:
        return _NOTHING
    if email is not None and email.status is Status.sending and event.acts:
        return None
    return _STORE


def _waiting(events: Sequence[FeedbackEvent], taken: Sequence[Taken | None]) -> dict[str, list[int]]:
    """Return the keys of the events that wait for an operator, by source."""
    waiting: dict[str, list[int]] = {}
    for event, each in zip(events, taken, strict=True):
        if each is not None and each.effect is Effect.waiting and each.feedback_id is not None:
            waiting.setdefault(event.source, []).append(each.feedback_id)
    return waiting


def _layers(found: Mapping[int, _Found]) -> list[list[int]]:
    """Divide events, by number, so that each email, user and address occurs once in a layer, in their order.

    Within a layer the order does not matter, and events that have something in common keep theirs. Nearly all of them
    are in the first layer.
    """
    layers: list[list[int]] = []
    last: dict[object, int] = {}
    for number, each in found.items():
        about = _about(*each)
        layer = max((last[key] + 1 for key in about if key in last), default=0)
        last |= dict.fromkeys(about, layer)
        if layer == len(layers):
            layers.append([])
        layers[layer].append(number)
    return layers


def _about(event: FeedbackEvent, email: Matched | None) -> list[object]:
    about: list[object] = [(event.source, event.event_id)]
    if email is not None:
        about.append(email.pk)
        if email.user_id is not None:
            about.append(("user", email.user_id))
        if email.recipient != ERASED:
            about.append(email.identity_key)
    return about
