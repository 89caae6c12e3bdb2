"""One batch on its way: still wanted and not suppressed -> render -> send -> settle."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import DBAPIError

from notifier import clock, stopping
from notifier.delivery.claiming import RECHECK_TTL_SECONDS, Intake
from notifier.delivery.facts import Facts
from notifier.delivery.recheck import Halt, Look, halt
from notifier.delivery.recovery.journal import Page
from notifier.delivery.recovery.leases import Hold
from notifier.delivery.settler import Settler
from notifier.delivery.side_thread import SideThread
from notifier.delivery.staging import Deliver, Withhold
from notifier.delivery.throttle.gate import Portion
from notifier.delivery.throttle.pacing import Pacing
from notifier.delivery.verdict import compose_failed, in_words, not_sent, verdict
from notifier.emails import Owed
from notifier.ledger import Claimed, Settlement
from notifier.mail.message import Message
from notifier.models import Status
from notifier.observability import logs
from notifier.reasons import ReasonCode
from notifier.smtp.envelope import Later
from notifier.smtp.observer import Observer
from notifier.smtp.outcome import Decision, Outcome

if TYPE_CHECKING:
    from notifier.delivery.deliver import Sender

log = structlog.get_logger(__name__)

#: An email and when it was taken up, monotonic seconds.
_Taken = tuple[Owed, float]

GONE = halt(Status.skipped, ReasonCode.account_gone)

#: Of the time that a stopping process has left, this share may be spent on the emails that are on the wire.
ON_THE_WIRE = 0.7

#: Stands for the moment at which an email was taken up, once its body goes out.
BEGUN: Final = -inf


class NoLongerWanted(OSError):
    """Right before its body a mail turned out to be wanted no more. An OSError: the transport hangs up on it."""


class BatchEnds(OSError):
    """Right before its body an email must stay, because its batch ends. An OSError: the transport hangs up on it."""


class Batch(Observer):
    """One portion on its way through one transport, which tells it what happens on the wire; it tells the journal.

    Both are told here, in an order: what the batch lets go is in the journal before its first byte goes out.
    """

    def __init__(
        self,
        sender: "Sender",
        portion: Portion,
        page: Page,
        hold: Hold,
        side_thread: SideThread,
        *,
        alone_from: int,
        pacing: Pacing | None = None,
        quick: bool = False,
        made: Callable[[], None] | None = None,
    ) -> None:
        """`made` is called when an email begins: from there on it can take no other along."""
        self._sender = sender
        self._portion = portion
        self._page = page
        self._hold = hold
        self._pacing = pacing
        self._quick = quick
        self._made = made
        self._intake = Intake(
            sender.session, sender.recheck, side_thread, page, leases=sender.leases, alone_from=alone_from
        )
        self._settler = Settler(sender.session, side_thread)
        self._decisions: Counter[Decision] = Counter()
        #: What is between claim and outcome, and when it was taken up (monotonic seconds) or BEGUN: it may wait since.
        self._under_way: dict[int, tuple[Claimed, Facts, float]] = {}
        #: A first email bounced: its address does not exist.
        self._first_bounced = False
        #: What was given up right before its body.
        self._withdrawn: dict[int, Halt] = {}
        #: When all must have ended, monotonic seconds; None while nothing asks for that.
        self._end_by: float | None = None

    def run(self) -> Counter[Decision]:
        """The spine."""
        messages = self._composed(self._wanted())
        for pk, outcome in self._sender.hand_over(messages, self._portion.transport, self):
            self._settle(pk, outcome)
        self._page.makes(0)
        self._settler.flush()
        if self._first_bounced:
            self._sender.on_first_bounce()
        self._portion.solitary = self._intake.solitary
        if self._settler.statuses:
            log.info("deliver.settled", transport=self._portion.transport, **self._settler.statuses)
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
                self._settler.add(not_sent(row, refusal.to, refusal.code, refusal.reason, due=refusal.due))
            elif (stays := self._stays(row)) is not None:
                self._settler.add(stays)
            elif owed is not None:
                yield owed

    def _stays(self, row: Claimed) -> Settlement | None:
        """Return the end of a try that must not begin: this portion has ended, or its provider refuses us by now."""
        if self._portion.stopped:
            return not_sent(row, Status.pending, self._portion.stopped, due=clock.now())
        closed = self._portion.closed_to(row.recipient)
        if closed is None:
            return None
        due = closed.until or clock.now()
        return not_sent(row, Status.pending, closed.code, closed.reason, due=due, hold_key=closed.key)

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
        for each in self._in_turn((owed, monotonic()) for owed in all_owed):
            if isinstance(each, Later):
                yield each
                continue
            owed, taken = each
            row = owed.notification
            if self._pacing is not None and (stays := self._stays(row)) is not None:
                self._settler.add(stays)
                continue
            if self._pacing is not None:
                self._page.makes(row.id)  # since it was taken up others were
            try:
                composed = self._sender.composer.compose(owed)
            except Exception as error:
                # A fault of ours, whatever it is: this row must not block the others, nor be lost in a traceback.
                self._not_made(row, error)
                continue
            if row.run_id is not None and not row.attempts and self._sender.failing.made(row.run_id):
                self._portion.stopped = ReasonCode.run_paused
            facts = Facts(composed.message.message_id, composed.template_version, self._portion.transport)
            self._under_way[row.id] = (row, facts, taken)
            yield row.id, composed.message

    def _in_turn(self, emails: Iterator[_Taken]) -> Iterator[_Taken | Later]:
        if self._pacing is None:
            return emails
        return self._pacing.in_turn(emails, lambda taken: taken[0].notification.id, lambda: not self._portion.stopped)

    def _not_made(self, row: Claimed, error: Exception) -> None:
        with logs.private(row.private):
            log.error("deliver.compose_failed", notification=row.id, kind=row.kind, exc_info=error)
        self._settler.add(compose_failed(row, error, clock.now()))
        # Only first attempts: those that fail again would count as others.
        if (
            row.run_id is not None
            and not row.attempts
            and self._sender.failing.failed(row.run_id, in_words(error, row.private))
        ):
            self._portion.stopped = ReasonCode.run_paused

    def _closing(self) -> float | None:
        """Return by when (monotonic seconds) this batch must have ended; None while nothing asks for that.

        Once it is told to end it claims and begins no more, and gives back what it has not begun.
        """
        # The transport asks, so nothing is being made at this moment.
        self._page.makes(0)
        if self._end_by is None:
            left = stopping.seconds_left()
            if left is not None:
                # What remains is for storing how the emails on the wire ended.
                self._portion.stopped, self._end_by = ReasonCode.worker_stopped, monotonic() + left * ON_THE_WIRE
            elif self._hold.is_lost():
                log.error("deliver.lease_lost", rows=len(self._under_way))
                self._portion.stopped, self._end_by = ReasonCode.lease_lost, inf
        return self._end_by

    def tick(self) -> float | None:
        """Store what has ended although other emails take their time. Returns what `_closing` does."""
        self._settler.tick()
        return self._closing()

    def begin(self, pk: int) -> None:
        """Let the body of this email go out, and note it.

        Raises OSError if it must not: the batch ends; its server was slow, and meanwhile the email is wanted no more;
        or the journal cannot be written.
        """
        row, facts, taken = self._under_way[pk]
        if self._closing() is not None:
            raise BatchEnds("this batch was told to end")
        if row.run_id is not None and monotonic() - taken > RECHECK_TTL_SECONDS:
            self._look_again(row)
        self._page.begin(pk, row.claim, facts)
        self._under_way[pk] = (row, facts, BEGUN)
        if self._made is not None:
            self._made()

    def replied(self, pk: int, outcome: Outcome) -> None:
        """Note how the attempt ended. Raises OSError."""
        self._page.makes(0)
        row, facts, _ = self._under_way[pk]
        self._page.replied(pk, row.claim, facts, outcome)

    def _look_again(self, row: Claimed) -> None:
        """The last look at this campaign's email is older than it may be. Raises OSError."""
        try:
            found = self._sender.recheck.look([row]).halts.get(row.id)
        except DBAPIError as error:
            raise OSError("the database is away") from error
        if found is not None:
            self._withdrawn[row.id] = found
            raise NoLongerWanted(found.reason)

    def _settle(self, pk: int, outcome: Outcome) -> None:
        row, facts, taken = self._under_way.pop(pk)
        withdrawn = self._withdrawn.pop(pk, None)
        if withdrawn is None and self._end_by is not None and taken is not BEGUN:
            assert self._portion.stopped is not None
            withdrawn = halt(Status.pending, self._portion.stopped, due=clock.now())
        if withdrawn is not None:
            self._settler.add(not_sent(row, withdrawn.to, withdrawn.code, withdrawn.reason, due=withdrawn.due))
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
                self._settler.bounced(row, outcome)
                self._first_bounced |= self._sender.composer.kinds[row.kind].first_email
        self._settler.add(verdict(row, outcome, now, quick=self._quick, facts=facts))
