"""Retention: the details of old attempts go, the ledger rows stay."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import structlog
from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.models import Attempt

log = structlog.get_logger(__name__)

#: How long the server's replies of single tries are kept.
KEEP_ATTEMPTS = timedelta(days=90)

#: Rows deleted in one transaction.
CHUNK = 5000


def purge_attempts(session: Callable[[], Session]) -> int:
    """Delete attempts older than KEEP_ATTEMPTS, in short transactions. Returns how many."""
    before = clock.now() - KEEP_ATTEMPTS
    total = 0
    while True:
        old = select(Attempt.id).where(Attempt.at < before).order_by(Attempt.id).limit(CHUNK)
        result = cast("CursorResult[Any]", session().execute(delete(Attempt).where(Attempt.id.in_(old))))
        session().commit()
        total += result.rowcount
        if result.rowcount < CHUNK:
            break
    if total:
        log.info("purge.done", attempts=total)
    return total
