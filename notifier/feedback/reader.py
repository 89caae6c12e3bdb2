"""Read emails that came back, one small transaction after the other: of a killed reader nothing is lost or doubled."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from notifier import clock
from notifier.bounces.files import Found
from notifier.bounces.reading import read
from notifier.database.transaction import reading, transaction
from notifier.feedback.events import EMAIL, FeedbackEvent, digest, of_email
from notifier.feedback.intake import Intake, Taken
from notifier.models import Effect

log = structlog.get_logger(__name__)

#: Emails in one transaction: enough to share the cost of a commit, few enough to hold locks briefly.
BATCH = 250
#: Bytes of emails that are held at once, and one more email.
MAX_HELD = 4 * 1024 * 1024


@dataclass(slots=True)
class Tally:
    """What became of the emails of one reading."""

    emails: int = 0
    #: Events that were new, by what followed from them.
    effects: Counter[str] = field(default_factory=Counter)
    #: Events that were taken before, and emails that are about no email of ours.
    known_or_foreign: int = 0
    #: Emails whose attempt had not ended: to be read again.
    later: int = 0
    unreadable: list[Found] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Offered:
    name: str
    #: None: it was taken before.
    event: FeedbackEvent | None


class Reader:
    """Read emails into the intake."""

    def __init__(self, session: Callable[[], Session], intake: Intake, *, batch: int = BATCH) -> None:
        """Take up to `batch` emails in one transaction."""
        self._session = session
        self._intake = intake
        self._batch = batch

    def read(
        self, emails: Iterable[Found], *, envelope_to: str = "", done: Callable[[str], object] = lambda name: None
    ) -> Tally:
        """Read all emails, and hold MAX_HELD of them at a time. Call `done` with the name of each that is committed.

        `envelope_to`: the recipient of their envelope, if it is known. Raise DBAPIError if the database refuses; what
        is committed by then stays.
        """
        tally, left = Tally(), iter(emails)
        while some := list(_portion(left, self._batch)):
            for each, taken in self._taken(list(self._offered(some, tally, envelope_to))):
                if taken is None:
                    tally.later += 1
                    continue
                if taken.is_new:
                    tally.effects[taken.effect.value] += 1
                else:
                    tally.known_or_foreign += 1
                done(each.name)
        return tally

    def _offered(self, some: Sequence[Found], tally: Tally, envelope_to: str) -> Iterator[_Offered]:
        """Yield the events. No transaction is open meanwhile: a hostile email may take a while to read."""
        tally.unreadable += [each for each in some if each.error]
        emails = [each for each in some if not each.error]
        tally.emails += len(emails)
        digests = [digest(each.data, envelope_to) for each in emails]
        known = self._known(digests)
        for found, name in zip(emails, digests, strict=True):
            if name in known:
                yield _Offered(found.name, None)
                continue
            report = read(found.data, envelope_to)
            event = of_email(found.data, report, envelope_to=envelope_to, received_at=clock.now())
            yield _Offered(found.name, event)

    def _known(self, digests: Sequence[str]) -> set[str]:
        """Return which emails were taken before: reading them again would take ten times as long as asking."""
        with reading(self._session) as session:
            return self._intake.known(session, EMAIL, digests)

    def _taken(self, some: Sequence[_Offered]) -> list[tuple[_Offered, Taken | None]]:
        try:
            return self._committed(some)
        except OperationalError as error:
            # Another process took rows in another order, and the database ended this transaction.
            if len(some) == 1:
                raise
            log.warning("feedback.one_by_one", emails=len(some), error=type(error).__name__)
            return [result for each in some for result in self._committed([each])]

    def _committed(self, some: Sequence[_Offered]) -> list[tuple[_Offered, Taken | None]]:
        events = [each.event for each in some if each.event is not None]
        if not events:
            return [(each, Taken(is_new=False)) for each in some]
        with transaction(self._session) as session:
            taken = iter(self._intake.take_all(session, events))
            return [(each, Taken(is_new=False) if each.event is None else next(taken)) for each in some]


def _portion(emails: Iterator[Found], most: int) -> Iterator[Found]:
    """Yield the next emails, `most` at most, until they have MAX_HELD bytes."""
    size = 0
    for each in islice(emails, most):
        yield each
        size += len(each.data)
        if size >= MAX_HELD:
            return


#: What each effect means to the people who read a summary.
EFFECTS = {
    Effect.suppressed: "addresses suppressed",
    Effect.complained: "complaints",
    Effect.known: "about addresses that were suppressed already",
    Effect.scored: "soft bounces that count for an address",
    Effect.counted: "refusals about us",
    Effect.waiting: "waiting for an operator",
    Effect.none: "without an effect",
}
