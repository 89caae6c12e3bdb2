"""The path of every email: claim, recheck, render, send, settle.

It owns its short transactions, and none is open while it talks to a mail server. A single email and a batch take the
same path.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace

from sqlalchemy.orm import Session

from notifier import clock, ledger, stopping
from notifier.delivery.batch import Batch
from notifier.delivery.composition_brake import Failing
from notifier.delivery.measuring import Measures
from notifier.delivery.recheck import Recheck
from notifier.delivery.recovery.journal import Journal
from notifier.delivery.recovery.leases import Leases
from notifier.delivery.recovery.poison_emails import Company
from notifier.delivery.recovery.replay import replay
from notifier.delivery.rejection_brake import Refusals
from notifier.delivery.side_thread import Context, SideThread, open_side_thread, run_inline
from notifier.delivery.staging import EVERYBODY, Staging
from notifier.delivery.throttle.gate import Deferred, Gate, Portion
from notifier.delivery.throttle.timed_starts import Pacing
from notifier.mail.message import Message
from notifier.metrics import Recorder
from notifier.rendering.compose import Composer
from notifier.security.links import Links
from notifier.smtp.envelope import Later
from notifier.smtp.observer import Observer
from notifier.smtp.outcome import Decision, Outcome

#: A portion with at least this many rows runs its statements in a side thread.
WORTH_A_THREAD = 20


class TransientDelivery(Exception):
    """The mail server was unreachable or busy. The row waits, no attempt was counted, and a quick retry makes sense."""


#: Sends messages through the transport with this name, and tells the observer what it sends. Yields (key, Outcome):
#: every result of SMTP, also an error, is an Outcome.
HandOver = Callable[[Iterable[tuple[int, Message] | Later], str, Observer], Iterator[tuple[int, Outcome]]]


class Sender:
    """Send notifications. One instance serves all threads of a process."""

    def __init__(
        self,
        session: Callable[[], Session],
        composer: Composer,
        hand_over: HandOver,
        links: Links,
        *,
        gate: Gate,
        journal: Journal,
        recheck: Recheck,
        refusals: Refusals,
        failing: Failing,
        leases: Leases,
        alone_from: int = 2,
        staging: Staging = EVERYBODY,
        context: Context | None = None,
        on_first_bounce: Callable[[], None] = lambda: None,
        on_dead: Callable[[int], bool] = lambda run_id: False,
        recorder: Recorder | None = None,
    ) -> None:
        """Send through the parts given. `recorder` counts and measures for monitoring.

        Args:
            session: Returns the current session.
            alone_from: Number of processes that must have crashed on an email before it is rendered alone.
            context: Opens the application context that another thread needs. None: there is no side thread.
            on_first_bounce: Called when the bounce of a first email has been stored.
            on_dead: Called with a run of whose emails some met dead addresses.
        """
        self.session = session
        self.composer = composer
        self.hand_over = hand_over
        self.links = links
        self.gate = gate
        self.journal = journal
        self.recheck = recheck
        self.refusals, self.failing = refusals, failing
        self.leases = leases
        self.alone_from = alone_from
        self._company = Company()
        self.staging = staging
        self.context = context
        self.on_first_bounce, self.on_dead = on_first_bounce, on_dead
        self.measures = Measures(recorder or Recorder())

    def deliver(
        self, pks: Sequence[int], *, quick_tries_left: int = 0, bulk: bool = False, pacing: Pacing | None = None
    ) -> Counter[Decision]:
        """Try to send each of these notifications once. Rows that are not due or cannot be claimed stay as they are.

        Return the number of attempts by decision. Raise TransientDelivery if a quick retry of a single email makes
        sense and one is left.

        Args:
            quick_tries_left: Quick retries that the caller can still make.
            bulk: The rows belong to campaigns, whose runs may be paused.
            pacing: Given if the rate limits have already assigned each row its time.
        """
        if self.journal.left_behind:
            # A batch of this process failed, most likely because the database was unreachable. First replay
            # what it left behind.
            replay(self.session, self.journal.folder, alone_from=self.alone_from)
            self.journal.left_behind = False
        decisions: Counter[Decision] = Counter()
        quick = len(pks) == 1 and quick_tries_left > 0
        with closing(self.gate.portions(pks, bulk=bulk, granted=pacing is not None)) as portions:
            while not stopping.claims_no_more() and (portion := next(portions, None)) is not None:
                if isinstance(portion, Deferred):
                    decisions[Decision.THROTTLE] += len(portion.pks) if portion.briefly else 0
                else:
                    decisions += self._send(portion, pacing, quick=quick)
                    decisions += self._send_alone(portion)
        if stopping.claims_no_more():
            self._leave(pks)
        elif quick and decisions[Decision.THROTTLE]:
            raise TransientDelivery
        return decisions

    def _send(self, portion: Portion, pacing: Pacing | None, *, quick: bool) -> Counter[Decision]:
        with self._company.together():
            return self._run(portion, self.alone_from, pacing=pacing, quick=quick)

    def _send_alone(self, portion: Portion) -> Counter[Decision]:
        """Send rows that processes crashed on, each alone, so that another crash affects no other email."""
        decisions: Counter[Decision] = Counter()
        for pk in portion.solitary:
            if portion.stopped or stopping.claims_no_more():
                break
            with self._company.alone() as made:
                if made is None:
                    self._leave([pk])  # this process is busy: the next sweep enqueues it again
                    continue
                lonely = replace(portion, pks=[pk], solitary=[])
                decisions += self._run(lonely, ledger.ANY_DEATHS, made=made)
                portion.stopped, portion.probe = lonely.stopped, lonely.probe
        return decisions

    def _run(
        self,
        portion: Portion,
        alone_from: int,
        *,
        pacing: Pacing | None = None,
        quick: bool = False,
        made: Callable[[], None] | None = None,
    ) -> Counter[Decision]:
        with (
            self.journal.writing() as page,
            self.leases.holding(page.owner) as hold,
            self._side_thread(portion) as side_thread,
        ):
            return Batch(
                self, portion, page, hold, side_thread, alone_from=alone_from, pacing=pacing, quick=quick, made=made
            ).run()

    def _leave(self, pks: Sequence[int]) -> None:
        """Let the next sweep enqueue what was not sent."""
        session = self.session()
        ledger.enqueue_now(session, pks, now=clock.now())
        session.commit()

    def _side_thread(self, portion: Portion) -> AbstractContextManager[SideThread]:
        if self.context is None or len(portion.pks) < WORTH_A_THREAD:
            return nullcontext(run_inline)
        return open_side_thread(self.context)
