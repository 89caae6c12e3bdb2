"""Replays the journals of processes that are gone: what they sent is settled, the rest waits again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery import journal
from notifier.delivery.facts import NO_FACTS, Facts
from notifier.delivery.records import Replied
from notifier.delivery.settler import Settler
from notifier.delivery.smtp.outcome import Decision
from notifier.delivery.verdict import not_sent, verdict
from notifier.ledger import Claimed, Reply, unknown
from notifier.models import Status
from notifier.reasons import ReasonCode

log = structlog.get_logger(__name__)

#: Seconds. A database may still carry out the last commit of a process that is gone: its journal is kept for so
#: long, and looked at again.
LINGER = 60.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the journals of lost processes told: mails settled, in doubt, never begun."""

    settled: int = 0
    unknown: int = 0
    waiting: int = 0


def replay(session: Callable[[], Session], folder: Path) -> Replayed:
    """Settle what lost processes of this host left behind. Safe to run at any time and in any process."""
    settled = doubtful = waiting = 0
    with journal.orphans(folder) as lost:
        for path, owner in lost:
            try:
                done = _replay_one(session, path, owner)
                if done == Replayed() and clock.now().timestamp() - path.stat().st_mtime > LINGER:
                    path.unlink()
            except OSError as error:
                # It is there for whoever mends the folder; what it tells comes back by its lease. The others go on.
                log.error("replay.journal_unusable", journal=path.name, error=error.strerror)
                continue
            settled, doubtful, waiting = settled + done.settled, doubtful + done.unknown, waiting + done.waiting
            if done != Replayed():
                log.warning(
                    "replay.done", owner=owner, settled=done.settled, unknown=done.unknown, waiting=done.waiting
                )
    return Replayed(settled, doubtful, waiting)


def _replay_one(session: Callable[[], Session], path: Path, owner: str) -> Replayed:
    trace = journal.read(path)
    if trace.damaged:
        log.error("replay.journal_damaged", journal=path.name, records=trace.damaged)
    whole = not trace.damaged and journal.is_of_this_boot(owner)
    rows = ledger.held_by(session(), owner)
    session().rollback()
    now = clock.now()
    settler = Settler(session)
    settled = doubtful = waiting = 0
    for row in rows:
        which = (row.id, row.claim)
        reply = trace.replied.get(which)
        if reply is not None:
            settled += 1
            settler.add(_settled(settler, row, reply, now))
        elif which in trace.begun or not whole:
            doubtful += 1
            settler.add(_in_doubt(row, trace.begun.get(which, NO_FACTS)))
        else:
            waiting += 1
            settler.add(not_sent(row, Status.pending, ReasonCode.worker_lost, due=now))
    settler.flush()
    return Replayed(settled, doubtful, waiting)


def _settled(settler: Settler, row: Claimed, reply: Replied, now: datetime) -> ledger.Settlement:
    """Build the end of an attempt whose reply the journal has. A claim is one attempt: no other can have followed."""
    if reply.outcome.decision is Decision.BOUNCE:
        settler.bounced(row, reply.outcome)
    end = verdict(row, reply.outcome, now, facts=reply.facts)
    return end if end.sent_at is None else end._replace(sent_at=datetime.fromtimestamp(reply.at, UTC))


def _in_doubt(row: Claimed, facts: Facts) -> ledger.Settlement:
    reply = Reply(Decision.UNKNOWN, "body", text="the worker was lost while the mail was on the wire")
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
