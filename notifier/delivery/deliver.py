"""The spine: claim -> still wanted and not suppressed -> render -> send -> settle.

Two short transactions of its own (claim, settle) and none while a mail server is spoken to.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notifier import clock, ledger, suppressions
from notifier.delivery import retry
from notifier.delivery.compose import Composed, Composer
from notifier.delivery.message import Message
from notifier.delivery.outcome import Decision, Outcome
from notifier.emails import Owed
from notifier.ledger import Reply
from notifier.links import Links
from notifier.models import Notification, OnUnknown, Status, SuppressionReason

log = structlog.get_logger(__name__)

#: Our own faults (a template that does not render) are tried so often before the row fails.
RENDER_TRIES = 5

#: Seconds between tries to store what a mail server already said.
SETTLE_PAUSES = (0.1, 0.5, 2.0, 5.0)


class TransientDelivery(Exception):
    """The mail server was away or busy; the row waits, nothing is burnt. Worth a quick second try."""


class Sends(Protocol):
    """What the spine needs of a mailer."""

    def deliver(self, message: Message, *, key: int) -> Outcome:
        """Hand over one message; every end that SMTP knows is an Outcome."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed row, as plain values: it outlives the session that claimed it."""

    owed: Owed
    claim: int
    attempts: int

    @property
    def pk(self) -> int:
        """The row's primary key."""
        return self.owed.notification.id


class Sender:
    """Sends notifications one by one. One instance serves all threads of a process."""

    def __init__(
        self, session: Callable[[], Session], composer: Composer, mailer: Sends, links: Links, lease: timedelta
    ) -> None:
        """`session` gives the current session; `lease` must outlast the mailer's total deadline."""
        self._session = session
        self._composer = composer
        self._mailer = mailer
        self._links = links
        self._lease = lease

    def deliver(self, pk: int, *, quick_tries_left: int = 0) -> Decision | None:
        """Try to send the notification `pk` once; None where there is nothing (more) to do.

        Raises TransientDelivery where a quick second try makes sense and one is left.
        """
        job = self._claim(pk)
        if job is None:
            return None
        composed = self._compose(job)
        if composed is None:
            return None
        outcome = self._mailer.deliver(composed.message, key=job.pk)
        quick = outcome.decision is Decision.THROTTLE and quick_tries_left > 0
        self._settle(job, outcome, composed.template_version, quick=quick)
        if quick:
            raise TransientDelivery(f"{outcome.phase}: {outcome.code or 'no reply'}")
        return outcome.decision

    def _claim(self, pk: int) -> Job | None:
        """Claim the row and take the last look at it, in one transaction."""
        session = self._session()
        now = clock.now()
        row = ledger.claim(session, pk, now=now, lease=self._lease)
        if row is None:
            session.rollback()
            return None
        ending = self._refusal(session, row)
        if ending is not None:
            to, reason = ending
            ledger.settle(session, pk, row.claims, to, now=now, reason=reason)
            session.commit()
            log.info("deliver.not_sent", notification=pk, status=to, reason=reason)
            return None
        if row.message_id is None:
            ledger.note(session, pk, row.claims, message_id=self._composer.message_id(row))
        session.expunge_all()  # from here on they are plain values: no session, no transaction
        session.commit()
        assert row.user is not None  # or it would have been refused
        return Job(Owed(row, row.user, self._links), row.claims, row.attempts)

    def _refusal(self, session: Session, row: Notification) -> tuple[Status, str] | None:
        """Whoever verified, was suppressed or went away since the mail was owed gets nothing."""
        if row.user is None:
            return Status.skipped, "the account is gone"
        suppression = suppressions.find(session, row.user.identity_key)
        if suppression is not None:
            return Status.suppressed, f"suppressed: {suppression.reason}"
        reason = self._composer.kinds[row.kind].unwanted(Owed(row, row.user, self._links))
        return None if reason is None else (Status.skipped, reason)

    def _compose(self, job: Job) -> Composed | None:
        try:
            return self._composer.compose(job.owed)
        except Exception as error:
            # A fault of ours, whatever it is: this row must not block the others, nor be lost in a traceback.
            log.exception("deliver.compose_failed", notification=job.pk, kind=job.owed.notification.kind)
            self._compose_failed(job, error)
            return None

    def _compose_failed(self, job: Job, error: Exception) -> None:
        tries = job.attempts + 1
        reason = f"could not be rendered: {type(error).__name__}"
        if tries >= RENDER_TRIES:
            self._end(job.pk, job.claim, Status.failed, reason=reason, attempts=tries)
            return
        due = retry.next_attempt(tries, clock.now())
        self._end(job.pk, job.claim, Status.pending, reason=reason, attempts=tries, next_attempt_at=due, ring_at=due)

    def _settle(self, job: Job, outcome: Outcome, template_version: str, *, quick: bool) -> None:
        """Store the outcome, whatever it takes: what a mail server said cannot be asked again."""
        now = clock.now()
        to, values = _verdict(job, outcome, now, quick=quick)
        values["template_version"] = template_version
        reply = Reply(outcome.decision, outcome.phase, outcome.code, outcome.enhanced, outcome.text)
        for pause in (*SETTLE_PAUSES, None):
            try:
                self._store(job, to, outcome, reply, now, values)
            except DBAPIError as error:
                self._session().rollback()
                log.error("deliver.settle_failed", notification=job.pk, error=type(error).__name__)
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return

    def _store(
        self, job: Job, to: Status, outcome: Outcome, reply: Reply, now: datetime, values: dict[str, Any]
    ) -> None:
        session = self._session()
        if not ledger.settle(session, job.pk, job.claim, to, now=now, reply=reply, **values):
            log.error("deliver.claim_lost", notification=job.pk, claim=job.claim, decision=outcome.decision)
        if outcome.decision is Decision.BOUNCE:
            evidence = f"{outcome.code or ''} {outcome.text}".strip()
            suppressions.add(
                session,
                job.owed.user.identity_key,
                reason=SuppressionReason.hard_bounce,
                source="smtp",
                evidence=evidence,
            )
        session.commit()
        log.info(
            "deliver.settled",
            notification=job.pk,
            kind=job.owed.notification.kind,
            decision=outcome.decision,
            phase=outcome.phase,
            code=outcome.code,
            status=to,
        )

    def _end(self, pk: int, claim: int, to: Status, **values: Any) -> None:
        session = self._session()
        ledger.settle(session, pk, claim, to, now=clock.now(), **values)
        session.commit()
        log.info("deliver.not_sent", notification=pk, status=to, reason=values.get("reason"))


def _verdict(job: Job, outcome: Outcome, now: datetime, *, quick: bool) -> tuple[Status, dict[str, Any]]:
    """The status that an outcome leads to, and what else the row learns."""
    row = job.owed.notification
    counted = {"attempts": job.attempts + 1}
    said = f"{outcome.code or ''} {outcome.text}".strip()[:200]
    match outcome.decision:
        case Decision.ACCEPTED:
            return Status.sent, counted | {"sent_at": now, "reason": None}
        case Decision.FAIL | Decision.BOUNCE:
            return Status.failed, counted | {"reason": said}
        case Decision.UNKNOWN if row.on_unknown != OnUnknown.resend:
            reason = "nobody can know whether it arrived"
            return Status.unknown, counted | {"unknowns": row.unknowns + 1, "reason": reason}
        case Decision.UNKNOWN:
            due = retry.next_attempt(job.attempts + 1, now)
            return Status.pending, counted | _waiting(row, due, said) | {"unknowns": row.unknowns + 1}
        case Decision.RETRY:
            due = retry.next_attempt(job.attempts + 1, now, at_least=timedelta(seconds=outcome.min_delay))
            return Status.pending, counted | _waiting(row, due, said)
        case Decision.HOLD:
            return Status.pending, _waiting(row, now + retry.jittered(retry.HOLD), said)
        case Decision.THROTTLE:
            # While Celery still tries by itself the row stays due; the sweep is the safety net.
            rest = now + retry.jittered(retry.REST)
            return Status.pending, _waiting(row, rest, said) | ({"next_attempt_at": now} if quick else {})
    raise AssertionError(outcome.decision)


def _waiting(row: Notification, due: datetime, reason: str) -> dict[str, Any]:
    # Never later than the deadline: there the sweep brings the row to rest, visibly.
    if row.deadline is not None:
        due = min(due, row.deadline)
    return {"next_attempt_at": due, "ring_at": due, "reason": reason}
