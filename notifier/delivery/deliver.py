"""The spine: claim -> still wanted and not suppressed -> render -> send -> settle.

It owns its short transactions, and none is open while a mail server is spoken to. A single mail and a
batch go the same way.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from threading import local
from time import monotonic

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notifier import clock
from notifier.delivery.aside import Aside, Context, at_once, beside
from notifier.delivery.gate import Deferred, Gate, Portion
from notifier.delivery.intake import FRESH, Intake
from notifier.delivery.journal import Journal
from notifier.delivery.mail.compose import Composed, Composer
from notifier.delivery.mail.message import Message
from notifier.delivery.mail.staging import EVERYBODY, Deliver, Staging, Withhold
from notifier.delivery.pacing import Pacing
from notifier.delivery.recheck import Halt, Look, Recheck, halt
from notifier.delivery.refusals import Refusals
from notifier.delivery.settler import Settler
from notifier.delivery.smtp.envelope import Later
from notifier.delivery.smtp.outcome import Decision, Outcome
from notifier.delivery.verdict import Facts, compose_failed, not_sent, verdict
from notifier.emails import Owed
from notifier.ledger import Claimed
from notifier.links import Links
from notifier.models import Status
from notifier.reasons import ReasonCode

log = structlog.get_logger(__name__)

GONE = halt(Status.skipped, ReasonCode.account_gone)

#: From so many on a portion is worth a thread of its own for its statements.
WORTH_A_THREAD = 20


class NoLongerWanted(OSError):
    """Right before its body a mail turned out to be wanted no more. An OSError: the transport hangs up on it."""


class TransientDelivery(Exception):
    """The mail server was away or busy; the row waits, nothing is burnt. Worth a quick second try."""


#: Hands over messages by the transport of this name; every end that SMTP knows is an Outcome.
HandOver = Callable[[Iterable[tuple[int, Message] | Later], str], Iterator[tuple[int, Outcome]]]


class Sender:
    """Sends notifications. One instance serves all threads of a process."""

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
        lease: timedelta,
        staging: Staging = EVERYBODY,
        context: Context | None = None,
    ) -> None:
        """`session` gives the current session; `lease` must outlast the mailer's total deadline.

        `context` is what `session` needs in another thread; without it there is no other.
        """
        self.session = session
        self.composer = composer
        self.hand_over = hand_over
        self.links = links
        self.gate = gate
        self.journal = journal
        self.recheck = recheck
        self.refusals = refusals
        self.lease = lease
        self.staging = staging
        self.context = context
        self._batches = local()

    def last_chance(self, pk: int) -> None:
        """Called by the transport right before the first byte of a body, in the sending thread.

        Raises OSError where the mail must not go out: its server was slow, and meanwhile it is wanted no more.
        """
        batch: _Batch | None = getattr(self._batches, "current", None)
        if batch is not None:
            batch.look_again(pk)

    def tick(self) -> None:
        """Called by the transport now and then, in the sending thread, also while no server says anything: what has
        ended is stored although other mails take their time.
        """
        batch: _Batch | None = getattr(self._batches, "current", None)
        if batch is not None:
            batch.settler.tick()

    def deliver(
        self, pks: Sequence[int], *, quick_tries_left: int = 0, bulk: bool = False, pacing: Pacing | None = None
    ) -> Counter[Decision]:
        """Try to send these notifications once each; what is not due or not ours is left alone.

        `bulk`: they are of campaigns, whose runs may be paused. `pacing`: the limits gave them moments already.
        Returns how many tries came to which decision. Raises TransientDelivery where a quick second try
        of a single mail makes sense and one is left.
        """
        decisions: Counter[Decision] = Counter()
        quick = len(pks) == 1 and quick_tries_left > 0
        for portion in self.gate.portions(pks, bulk=bulk, granted=pacing is not None):
            if isinstance(portion, Deferred):
                decisions[Decision.THROTTLE] += len(portion.pks) if portion.briefly else 0
                continue
            with self.journal.writing() as owner, self._aside(portion) as aside:
                batch = self._batches.current = _Batch(self, portion, owner, aside, pacing, quick=quick)
                try:
                    decisions += batch.run()
                finally:
                    self._batches.current = None
        if quick and decisions[Decision.THROTTLE]:
            raise TransientDelivery
        return decisions

    def _aside(self, portion: Portion) -> AbstractContextManager[Aside]:
        if self.context is None or len(portion.pks) < WORTH_A_THREAD:
            return nullcontext(at_once)
        return beside(self.context)


class _Batch:
    """One portion on its way through one transport."""

    def __init__(
        self, sender: Sender, portion: Portion, owner: str, aside: Aside, pacing: Pacing | None, *, quick: bool
    ) -> None:
        self._sender = sender
        self._portion = portion
        self._pacing = pacing
        self._quick = quick
        self._intake = Intake(sender.session, sender.recheck, aside, lease=sender.lease, owner=owner)
        self.settler = Settler(sender.session, aside)
        self._decisions: Counter[Decision] = Counter()
        #: What is between claim and outcome, and when it was made (monotonic seconds).
        self._under_way: dict[int, tuple[Claimed, Composed, float]] = {}
        #: What was given up right before its body.
        self._withdrawn: dict[int, Halt] = {}

    def run(self) -> Counter[Decision]:
        """The spine."""
        messages = self._composed(self._wanted())
        for pk, outcome in self._sender.hand_over(messages, self._portion.transport):
            self._settle(pk, outcome)
        self.settler.flush()
        if self.settler.statuses:
            log.info("deliver.settled", transport=self._portion.transport, **self.settler.statuses)
        return self._decisions

    def _wanted(self) -> Iterator[Owed]:
        """Whoever verified, opted out, was suppressed or went away since the mail was owed gets nothing."""
        for row, look in self._intake.rows(self._portion.pks, lambda: not self._portion.stopped):
            owed = None if row.user is None else Owed(row, row.user, self._sender.links, look.data.get(row.id))
            try:
                if look.fault is not None and row.run_id is not None:
                    raise look.fault
                refusal = GONE if owed is None else self._refusal(owed, look)
            except Exception as error:
                # A kind that this version does not know, or that fails: its row must not block the others.
                self._not_made(row, error)
                continue
            if refusal is not None:
                self.settler.add(not_sent(row, refusal.to, refusal.code, refusal.reason, due=refusal.due))
            elif owed is not None:
                yield owed

    def _refusal(self, owed: Owed, look: Look) -> Halt | None:
        row, staging = owed.notification, self._sender.staging
        if staging.active and isinstance(staged := staging.route(row.recipient), Withhold):
            return halt(Status.skipped, ReasonCode.withheld, why=staged.reason)
        if owed.user.suppressed is not None:
            return halt(Status.suppressed, ReasonCode.suppressed, why=owed.user.suppressed)
        if row.id in look.halts:
            return look.halts[row.id]
        reason = self._sender.composer.kinds[row.kind].unwanted(owed)
        return None if reason is None else halt(Status.skipped, ReasonCode.unwanted, why=reason)

    def _redirected(self, row: Claimed) -> bool:
        """Somebody else's address was tried: what it met says nothing about this one."""
        route = self._sender.staging.route(row.recipient)
        return isinstance(route, Deliver) and route.redirected

    def _composed(self, all_owed: Iterable[Owed]) -> Iterator[tuple[int, Message] | Later]:
        for owed in all_owed:
            row = owed.notification
            if self._pacing is not None:
                yield from self._until_its_moment(row, self._pacing)
            if self._portion.stopped:
                self.settler.add(not_sent(row, Status.pending, self._portion.stopped, due=clock.now()))
                continue
            try:
                composed = self._sender.composer.compose(owed)
            except Exception as error:
                # A fault of ours, whatever it is: this row must not block the others, nor be lost in a traceback.
                self._not_made(row, error)
                continue
            self._under_way[row.id] = (row, composed, monotonic())
            yield row.id, composed.message

    def _until_its_moment(self, row: Claimed, pacing: Pacing) -> Iterator[Later]:
        while not self._portion.stopped and (seconds := pacing.wait(row.id)) > 0:
            yield Later(seconds)

    def _not_made(self, row: Claimed, error: Exception) -> None:
        log.error("deliver.compose_failed", notification=row.id, kind=row.kind, exc_info=error)
        self.settler.add(compose_failed(row, error, clock.now()))

    def look_again(self, pk: int) -> None:
        """Where the last look at a campaign's mail is older than it may be, look once more. Raises OSError."""
        row, _, made = self._under_way.get(pk, (None, None, 0.0))
        if row is None or row.run_id is None or monotonic() - made <= FRESH:
            return
        try:
            found = self._sender.recheck.look([row]).halts.get(pk)
        except DBAPIError as error:
            raise OSError("the database is away") from error
        if found is not None:
            self._withdrawn[pk] = found
            raise NoLongerWanted(found.reason)

    def _settle(self, pk: int, outcome: Outcome) -> None:
        row, composed, _ = self._under_way.pop(pk)
        withdrawn = self._withdrawn.pop(pk, None)
        if withdrawn is not None:
            self.settler.add(not_sent(row, withdrawn.to, withdrawn.code, withdrawn.reason, due=withdrawn.due))
            return
        now = clock.now()
        self._decisions[outcome.decision] += 1
        self._portion.report(row.recipient, outcome, now)
        if row.campaign_id is not None and self._sender.refusals.too_many(row.campaign_id, outcome):
            self._portion.stopped = ReasonCode.content_refused
        if outcome.decision is not Decision.ACCEPTED:
            log.info(
                "deliver.refused", notification=pk, decision=outcome.decision, phase=outcome.phase, code=outcome.code
            )
            if outcome.decision is Decision.BOUNCE and not self._redirected(row):
                self.settler.bounced(row, outcome)
        facts = Facts(composed.message.message_id, composed.template_version, self._portion.transport)
        self.settler.add(verdict(row, outcome, now, quick=self._quick, facts=facts))
