"""The fan-out: notifications by INSERT … SELECT in keyset chunks, each a transaction of its own.

It stands here until campaigns have theirs; the bench then measures that one. Run as a program it expands one
campaign to all users of BENCH_DSN's database and says how that went.
"""

import resource
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, cast, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bench.driver import Facts, serve
from bench.mails import Bench
from bench.worker import app
from notifier import clock
from notifier.extensions import db
from notifier.models import Notification, User

#: Users in one statement.
CHUNK = 10_000

#: How long the outbox has before the sweep enqueues a row.
GRACE = timedelta(seconds=60)


def expand(session: Session, label: str, *, chunk: int = CHUNK, users: int | None = None) -> Iterator[list[int]]:
    """Create rows for the first `users` users (None: all). Yield the new keys of each committed chunk.

    `label` stands for campaign and period: users who have a row with it get no second one.
    """
    now, after, left = clock.now(), 0, users
    while left is None or left > 0:
        size = chunk if left is None else min(chunk, left)
        upto = _boundary(session, after, size)
        if upto is None:
            return
        keys = _insert(session, label, now, (User.id > after) & (User.id <= upto))
        session.commit()
        yield keys
        after, left = upto, None if left is None else left - size


def _boundary(session: Session, after: int, size: int) -> int | None:
    page = select(User.id).where(User.id > after).order_by(User.id).limit(size).subquery()
    last: int | None = session.scalar(select(func.max(page.c.id)))
    return last


def _insert(session: Session, label: str, now: datetime, whom: ColumnElement[bool]) -> list[int]:
    rows = select(
        literal(Bench.name),
        User.id,
        User.email,
        literal(f"{label}:") + cast(User.id, String),
        literal(True),
        literal(now, Notification.enqueue_at.type),
        literal(now + GRACE, Notification.enqueue_at.type),
        literal(now + Bench.lifetime, Notification.deadline.type),
    ).where(whom)
    columns = ["kind", "user_id", "recipient", "dedupe_key", "bulk", "next_attempt_at", "enqueue_at", "deadline"]
    statement = insert(Notification).from_select(columns, rows).on_conflict_do_nothing(index_elements=["dedupe_key"])
    return list(session.scalars(statement.returning(Notification.id)))


def work() -> Facts:
    """Create rows for all users. Return times in seconds, memory in bytes."""
    rows, longest = 0, 0.0
    with app.app_context():
        start = mark = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        for keys in expand(db.session(), "fanout"):
            rows += len(keys)
            longest, mark = max(longest, time.monotonic() - mark), time.monotonic()
        seconds = time.monotonic() - start
        db.session.remove()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"rows": rows, "seconds": seconds, "longest": longest, "rss_before": before, "rss_peak": peak}


if __name__ == "__main__":
    serve(work)
