"""Send one batch: recheck, render, send and settle its rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from math import inf
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import DBAPIError

from notifier import clock, stopping
from notifier.delivery.attempt_facts import Facts
from notifier.delivery.claiming import RECHECK_TTL_SECONDS, Intake
from notifier.delivery.recheck import Halt, RecheckResult, halt
from notifier.delivery.recovery.journal import Page
from notifier.delivery.recovery.leases import Hold
from notifier.delivery.settler import Settler
from notifier.delivery.side_thread import SideThread
from notifier.delivery.staging import Deliver, Withhold
from notifier.delivery.throttle.gate import Portion
from notifier.delivery.throttle.timed_starts import Pacing
from notifier.delivery.verdict import compose_failed, in_words, not_sent, verdict
from notifier.emails import Owed
from notifier.ledger import Claimed, Settlement, operator_at
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

#: An email and when it was taken up, in monotonic seconds.
_Taken = tuple[Owed, float]

GONE = halt(Status.skipped, ReasonCode.account_gone)

#: Share of a stopping process's remaining time that may be spent on emails being sent.
ON_THE_WIRE = 0.7

#: Stands for the moment at which an email was taken up, once its body goes out.
BEGUN: Final = -inf


class NoLongerWanted(OSError):
    """The email turned out to be no longer wanted right before its body. An OSError, so the transport hangs up."""


class BatchEnds(OSError):
    """The batch ended right before the email's body. An OSError, so the transport hangs up."""


class Batch(Observer):
    """One portion on its way through one transport: the observer of what is sent, which keeps the journal.

    It writes to the journal before it lets an email go, so each email is recorded before its first byte goes out.
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
        """Send `portion`. `made` is called when an email begins, from when on a crash takes no other email along."""
        self._sender = sender
        self._portion = portion
        self._page = page
        self._hold = hold
        self._pacing = pacing
        self._quick = quick
        self._made = made
        self._intake = Intake(
            sender.session, sender.recheck, side_thread, page, leases=sender.leases, alone_from=alone_from,
            id_keys=sender.composer.ids.names, redirects=self._redirected if sender.staging.active else None,
            measures=sender.measures,
        )  # fmt: skip
        self._settler = Settler(sender.session, side_thread)
        self._decisions: Counter[Decision] = Counter()
        #: Emails between claim and outcome, with the time they were taken up (monotonic seconds) or BEGUN.
        self._under_way: dict[int, tuple[Claimed, Facts, float]] = {}
        #: Whether a first email bounced: its address does not exist.
        self._first_bounced = False
        #: Runs with addresses that do not exist.
        self._dead_in: set[int] = set()
        #: Emails that were withdrawn right before their body.
        self._withdrawn: dict[int, Halt] = {}
        #: When everything must have ended, in monotonic seconds. None while no stop is requested.
        self._end_by: float | None = None

    def run(self) -> Counter[Decision]:
        """Send all rows. Return the number of attempts by decision."""
        messages = self._composed(self._wanted())
        for pk, outcome in self._sender.hand_over(messages, self._portion.transport, self):
            self._settle(pk, outcome)
        self._page.makes(0)
        self._settler.flush()
        if self._first_bounced:
            self._sender.on_first_bounce()
        for run_id in sorted(self._dead_in):
            self._sender.on_dead(run_id)
        self._portion.solitary = self._intake.solitary
        if self._settler.statuses:
            log.info("deliver.settled", transport=self._portion.transport, **self._settler.statuses)
        return self._decisions

    def _wanted(self) -> Iterator[Owed]:
        """Yield the rows to send; settle those whose user verified, opted out, was suppressed or was deleted since."""
        for row, look in self._intake.rows(self._portion.pks, lambda: not self._portion.stopped):
            try:
                if look.fault is not None and row.run_id is not None:
                    raise look.fault
                owed = self._owed(row, look)
                refusal = GONE if owed is None else self._refusal(owed, look)
            except Exception as error:
                # An unknown or failing kind: its row must not block the others.
                self._not_made(row, error)
                continue
            if refusal is not None:
                self._settler.add(not_sent(row, refusal.to, refusal.code, refusal.reason, due=refusal.due))
            elif (stays := self._stays(row)) is not None:
                self._settler.add(stays)
            elif owed is not None:
                yield owed

    def _stays(self, row: Claimed) -> Settlement | None:
        """Return the settlement of an attempt that must not begin; None if it may.

        The portion has ended, or its provider refuses us by now.
        """
        if self._portion.stopped:
            return not_sent(row, Status.pending, self._portion.stopped, due=clock.now())
        closed = self._portion.closed_to(row.recipient)
        if closed is None:
            return None
        due = closed.until or clock.now()
        return not_sent(row, Status.pending, closed.code, closed.reason, due=due, hold_key=closed.key)

    def _owed(self, row: Claimed, look: RecheckResult) -> Owed | None:
        """Return the email with what its kind may look at; None if its account was deleted."""
        user = row.user
        if user is None and self._sender.composer.kinds[row.kind].to_operators:
            user = operator_at(row.recipient)
        return None if user is None else Owed(row, user, self._sender.links, look.data.get(row.id))

    def _refusal(self, owed: Owed, look: RecheckResult) -> Halt | None:
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
        """Return whether staging redirects it: then the outcome says nothing about the recipient's own address."""
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
                self._page.makes(row.id)  # others were composed since it was taken up
            started = perf_counter()
            try:
                composed = self._sender.composer.compose(owed)
            except Exception as error:
                # Any error of ours: this row must not block the others, nor be lost in a traceback.
                self._not_made(row, error)
                continue
            self._sender.measures.composed(row, started)
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
        # Only first attempts: one email that fails again and again would count as many.
        if (
            row.run_id is not None
            and not row.attempts
            and self._sender.failing.failed(row.run_id, in_words(error, row.private))
        ):
            self._portion.stopped = ReasonCode.run_paused

    def _closing(self) -> float | None:
        """Return by when (monotonic seconds) this batch must have ended; None while no stop is requested.

        Once it must end, it claims and begins no more, and gives back what it has not begun.
        """
        # The transport calls this, so no email is being composed at this moment.
        self._page.makes(0)
        if self._end_by is None:
            left = stopping.seconds_left()
            if left is not None:
                # The rest of the time is for storing the outcomes of the emails being sent.
                self._portion.stopped, self._end_by = ReasonCode.worker_stopped, monotonic() + left * ON_THE_WIRE
            elif stopping.is_task_over():
                # Emails being sent take the time that they need.
                self._portion.stopped, self._end_by = ReasonCode.worker_stopped, inf
            elif self._hold.is_lost():
                log.error("deliver.lease_lost", rows=len(self._under_way))
                self._portion.stopped, self._end_by = ReasonCode.lease_lost, inf
        return self._end_by

    def tick(self) -> float | None:
        """Store settlements while other emails take their time. Return the result of `_closing`."""
        self._settler.tick()
        return self._closing()

    def begin(self, pk: int) -> None:
        """Record that the body of this email goes out.

        Raise OSError if it must not: the batch ends, its server was slow and meanwhile the email is no longer wanted,
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
        """Record how the attempt ended. Raise OSError."""
        self._page.makes(0)
        row, facts, _ = self._under_way[pk]
        self._page.replied(pk, row.claim, facts, outcome)

    def _look_again(self, row: Claimed) -> None:
        """Recheck a campaign's email whose recheck is too old. Raise OSError if it must not be sent."""
        try:
            found = self._sender.recheck.look([row], data={row.id: None}).halts.get(row.id)
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
        self._sender.measures.ended(row, outcome, self._portion.transport, now)
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
                self._dead_in |= set() if row.run_id is None else {row.run_id}
        self._settler.add(verdict(row, outcome, now, quick=self._quick, facts=facts))
