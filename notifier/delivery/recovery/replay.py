"""Replay the journals of processes that are gone: settle what they sent, and let the rest wait again.

A journal may come late: its host crashed, its leases expired, and its rows were marked as unknown. Then it corrects
them, unless they were claimed again or decided in between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.attempt_facts import NO_FACTS, Facts
from notifier.delivery.recovery import journal
from notifier.delivery.recovery.journal_records import Replied, Trace, Try
from notifier.delivery.settler import Settler
from notifier.delivery.verdict import died_of, not_sent, verdict
from notifier.ledger import Claimed, StoredReply, unknown
from notifier.models import Status
from notifier.reasons import ReasonCode
from notifier.smtp.outcome import Decision

log = structlog.get_logger(__name__)

#: Seconds for which the journal of a dead process is kept and read again: the database may still carry out the last
#: commit of that process.
KEEP_LOST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the journals of lost processes told: numbers of emails settled, uncertain and never begun."""

    settled: int = 0
    unknown: int = 0
    waiting: int = 0
    #: Of these: rows that had been marked as unknown because their lease had expired.
    corrected: int = 0

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(
            self.settled + other.settled,
            self.unknown + other.unknown,
            self.waiting + other.waiting,
            self.corrected + other.corrected,
        )


def replay(session: Callable[[], Session], folder: Path, *, alone_from: int = 2) -> Replayed:
    """Settle what lost processes of this host left behind. Safe to run at any time and in any process.

    `alone_from`: process deaths after which an email is composed alone.
    """
    total = Replayed()
    with journal.orphans(folder) as lost:
        for path, owner in lost:
            try:
                total += _replay_one(session, path, owner, alone_from)
            except OSError as error:
                # It stays for an operator who repairs the folder; its rows come back when their leases end. The others
                # go on.
                log.error("replay.journal_unusable", journal=path.name, error=error.strerror)
    return total


def _replay_one(session: Callable[[], Session], path: Path, owner: str, alone_from: int) -> Replayed:
    """Replay one journal, and set it aside once it has nothing more to tell. Raise OSError."""
    trace = journal.read(path)
    if trace.damaged:
        log.error("replay.journal_damaged", journal=path.name, records=trace.damaged)
    one = _Replay(session, trace, owner, alone_from)
    done = one.run()
    if done != Replayed():
        journal.mark_used(path)
        log.warning(
            "replay.done", owner=owner, settled=done.settled, unknown=done.unknown, waiting=done.waiting,
            corrected=done.corrected,
        )  # fmt: skip
    elif clock.now().timestamp() - path.stat().st_mtime > KEEP_LOST_SECONDS:
        too_late = one.too_late()
        if too_late:
            log.warning("replay.journal_kept", journal=path.name, **too_late)
        journal.retire(path, keep=bool(too_late))
    return done


class _Replay:
    """One journal and the rows of its process."""

    def __init__(self, session: Callable[[], Session], trace: Trace, owner: str, alone_from: int) -> None:
        self._session = session
        self._trace = trace
        self._owner = owner
        #: Whether an email without a record was certainly never begun. Records not synced to disk are lost if their
        #: host crashes.
        self._whole = not trace.damaged and (trace.durable or journal.is_of_this_boot(owner))
        self._settler = Settler(session)
        self._now = clock.now()
        self._left = 0
        self._suspects = trace.suspects
        self._alone_from = alone_from

    def run(self) -> Replayed:
        """Settle the rows that the process holds, and correct those whose lease expired."""
        held = ledger.held_by(self._session(), self._owner)
        lapsed = ledger.expired_leases_of(self._session(), self._owner)
        self._session().rollback()
        done = Replayed()
        for row in held:
            done += self._end(row)
        for row, status in lapsed:
            done += self._correct(row, status)
        self._settler.flush()
        return done

    def too_late(self) -> dict[str, int]:
        """Return how many emails the journal could not help, by kind.

        Emails that the mail server had accepted and whose row was claimed again, because that was unknown: they may
        have arrived twice. And rows that stay uncertain although the journal was read, because it is not trusted.
        """
        accepted = [which for which, end in self._trace.replied.items() if end.outcome.decision is Decision.ACCEPTED]
        again = ledger.claimed_since(self._session(), accepted)
        self._session().rollback()
        found = {"accepted_and_claimed_again": len(again), "left_in_doubt": self._left}
        return {name: number for name, number in found.items() if number}

    def _end(self, row: Claimed) -> Replayed:
        which = (row.id, row.claim)
        if which in self._trace.replied:
            self._settler.add(self._settled(row, self._trace.replied[which]))
            return Replayed(settled=1)
        if which in self._trace.begun or not self._whole:
            self._settler.add(_in_doubt(row, self._trace.begun.get(which, NO_FACTS)))
            return Replayed(unknown=1)
        if row.id in self._suspects:
            self._settler.add(died_of(row, self._now, alone_from=self._alone_from))
        else:
            self._settler.add(not_sent(row, Status.pending, ReasonCode.worker_lost, due=self._now))
        return Replayed(waiting=1)

    def _correct(self, row: Claimed, status: Status) -> Replayed:
        """Correct a row that was marked as unknown when its lease expired, and was counted as such."""
        which = (row.id, row.claim)
        row = row._replace(unknowns=row.unknowns - 1)
        reply = self._trace.replied.get(which)
        if reply is not None and (status is Status.unknown or reply.outcome.decision is Decision.ACCEPTED):
            if reply.outcome.decision is not Decision.UNKNOWN:
                self._settler.add(self._settled(row, reply))
                return Replayed(settled=1, corrected=1)
        elif which in self._trace.begun:
            self._learn(which, self._trace.begun[which])
        elif status is Status.unknown and self._whole:
            self._settler.add(not_sent(row, Status.pending, ReasonCode.worker_lost, due=self._now))
            return Replayed(waiting=1, corrected=1)
        elif status is Status.unknown:
            self._left += 1
        return Replayed()

    def _learn(self, which: Try, facts: Facts) -> None:
        session = self._session()
        ledger.store_facts(session, [(*which, *facts)])
        session.commit()

    def _settled(self, row: Claimed, reply: Replied) -> ledger.Settlement:
        """Build the settlement of an attempt whose reply the journal has.

        A claim is one attempt, so none can have followed.
        """
        if reply.outcome.decision is Decision.BOUNCE:
            self._settler.bounced(row, reply.outcome)
        end = verdict(row, reply.outcome, self._now, facts=reply.facts)
        return end if end.sent_at is None else end._replace(sent_at=datetime.fromtimestamp(reply.at, UTC))


def _in_doubt(row: Claimed, facts: Facts) -> ledger.Settlement:
    reply = StoredReply(Decision.UNKNOWN, "body", text="the worker crashed while the email was being sent")
    return unknown(
        row.id,
        row.claim,
        row.attempts + 1,
        row.unknowns,
        row.on_unknown,
        now=clock.now(),
        reply=reply,
        **facts._asdict(),
    )
