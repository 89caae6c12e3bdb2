"""Intake: the only way in for what comes back. One event, one row, and all that follows from it, in one transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from notifier import clock
from notifier.accounts.erasure import ERASED
from notifier.feedback.brakes import Brakes
from notifier.feedback.events import FeedbackEvent
from notifier.feedback.following import Consequences
from notifier.feedback.matching import Matched, find_all
from notifier.feedback.storing import Stored, bound_tray, store_all
from notifier.mail.message_ids import Ids
from notifier.models import Effect, Status

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
        found = find_all(session, self._ids, events)
        taken = [
            each for some in _apart(list(zip(events, found, strict=True))) for each in self._take(session, some, now)
        ]
        if any(each is not None and each.effect is Effect.waiting for each in taken):
            bound_tray(session)
        return taken

    def _take(self, session: Session, some: Sequence[_Found], now: datetime) -> list[Taken | None]:
        """Take events that have nothing to do with each other."""
        taken = [_if_not_stored(*each) for each in some]
        offered = [number for number, each in enumerate(taken) if each is _STORE]
        pks = store_all(session, [some[number] for number in offered], now)
        stored: list[tuple[int, Stored]] = []
        for number, pk in zip(offered, pks, strict=True):
            event, email = some[number]
            taken[number] = _NOTHING if pk is None else Taken(True, Effect.waiting, pk)
            if pk is not None and email is not None:
                stored.append((number, Stored(pk, email, event)))
        effects = self._consequences.apply(session, [each for _, each in stored], now)
        for (number, each), effect in zip(stored, effects, strict=True):
            taken[number] = Taken(True, effect, each.pk, each.email.pk)
        return taken

    def apply(self, session: Session, pk: int, email: Matched, event: FeedbackEvent, now: datetime) -> Effect:
        """Let the stored event `pk` take effect on its email. Return the effect, which is stored, too."""
        (effect,) = self._consequences.apply(session, [Stored(pk, email, event)], now)
        return effect


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


def _apart(found: Sequence[_Found]) -> Iterator[Sequence[_Found]]:
    """Cut into stretches in which each email, user and address occurs once: within one, the order does not matter."""
    start, seen = 0, set[object]()
    for number, (_, email) in enumerate(found):
        about = _about(email)
        if seen & about:
            yield found[start:number]
            start, seen = number, set()
        seen |= about
    yield found[start:]


def _about(email: Matched | None) -> set[object]:
    if email is None:
        return set()
    about: set[object] = {email.pk}
    if email.user_id is not None:
        about.add(("user", email.user_id))
    if email.recipient != ERASED:
        about.add(email.identity_key)
    return about
