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
from notifier.database.transaction import transaction
from notifier.feedback.events import FeedbackEvent, of_email
from notifier.feedback.intake import Intake, Taken
from notifier.models import Effect

log = structlog.get_logger(__name__)

#: Emails in one transaction: enough to share the cost of a commit, few enough to hold locks briefly.
BATCH = 250


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
    event: FeedbackEvent


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
        """Read all emails, and hold one at a time. Call `done` with the name of each that is committed.

        `envelope_to`: the recipient of their envelope, if it is known. Raise DBAPIError if the database refuses; what
        is committed by then stays.
        """
        tally = Tally()
        offered = self._offered(emails, tally, envelope_to)
        while some := list(islice(offered, self._batch)):
            for each, taken in self._taken(some):
                if taken is None:
                    tally.later += 1
                    continue
                if taken.is_new:
                    tally.effects[taken.effect.value] += 1
                else:
                    tally.known_or_foreign += 1
                done(each.name)
        return tally

    def _offered(self, emails: Iterable[Found], tally: Tally, envelope_to: str) -> Iterator[_Offered]:
        """Yield the events. No transaction is open meanwhile: a hostile email may take a while to read."""
        for found in emails:
            if found.error:
                tally.unreadable.append(found)
                continue
            tally.emails += 1
            report = read(found.data, envelope_to)
            yield _Offered(found.name, of_email(found.data, report, envelope_to=envelope_to, received_at=clock.now()))

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
        with transaction(self._session) as session:
            taken = self._intake.take_all(session, [each.event for each in some])
        return list(zip(some, taken, strict=True))


#: What each effect means to the people who read a summary.
EFFECTS = {
    Effect.suppressed: "addresses suppressed",
    Effect.complained: "complaints",
    Effect.scored: "soft bounces that count for an address",
    Effect.counted: "refusals about us",
    Effect.waiting: "waiting for an operator",
    Effect.none: "without an effect",
}
