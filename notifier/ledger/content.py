"""Move rows to another version of their content, if no attempt has reached their body.

One Message-ID must mean the same bytes everywhere (RFC 5322 3.6.4), and the Message-ID is derived from the row.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, literal, or_, select, tuple_, update
from sqlalchemy.orm import Session

from notifier.ledger.rows import changed
from notifier.models import Attempt, Notification, Status
from notifier.reasons import ReasonCode

_N = Notification

#: Phases of an attempt in which bytes of the body may have reached the mail server (RFC 5321 4.1.1.4).
_BODY_PHASES = ("body", "eod", "quit")


def never_began() -> ColumnElement[bool]:
    """Build the condition that no body was ever sent: no uncertain attempt, and none that reached the body."""
    tried = select(Attempt.id).where(Attempt.notification_id == _N.id, Attempt.phase.in_(_BODY_PHASES))
    return and_(_N.unknowns == 0, or_(_N.claims == 0, ~tried.correlate(_N).exists()))


def move_content(session: Session, run_id: int, content_id: int | None, *, now: datetime, limit: int) -> int:
    """Give waiting rows of this run that never began another version, `limit` at most. Return how many.

    They keep their key. Rows that could not be rendered become due at once, and their attempts start anew. The caller
    commits.
    """
    waiting = (
        _N.run_id == run_id,
        _N.status == Status.pending,
        _N.content_id.is_distinct_from(content_id),
        never_began(),
    )
    # A claim that comes in between changes `claims`, so the row no longer matches and keeps its version.
    chosen = select(_N.id, _N.claims).where(*waiting).limit(limit)
    present = literal(now, _N.next_attempt_at.type)
    refused = _N.reason_code.in_((ReasonCode.not_composed, ReasonCode.content_failing))
    attempted = select(Attempt.id).where(Attempt.notification_id == _N.id).correlate(_N).exists()
    statement = (
        update(_N)
        .where(tuple_(_N.id, _N.claims).in_(chosen), _N.status == Status.pending)
        .values(
            content_id=content_id,
            # Attempts without an Attempt row were attempts to render it: with other content they no longer count.
            attempts=case((or_(_N.claims == 0, attempted), _N.attempts), else_=0),
            next_attempt_at=case((refused, present), else_=_N.next_attempt_at),
            enqueue_at=case((refused, present), else_=_N.enqueue_at),
            reason_code=case((refused, None), else_=_N.reason_code),
            reason=case((refused, None), else_=_N.reason),
        )
    )
    return changed(session, statement)
