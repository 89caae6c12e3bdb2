"""Statements that name keys look them up: no index by status serves them, however few rows the statistics expect."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.extensions import db
from notifier.ledger import Settlement
from notifier.models import Notification, Status
from notifier.reasons import ReasonCode
from tests.support.applications import NOON

pytestmark = pytest.mark.usefixtures("frozen")

LATER = NOON + timedelta(minutes=1)

#: Rows of one batch.
BATCH = 250

FILL = """INSERT INTO notifier_notifications (kind, recipient, dedupe_key, params, bulk, on_unknown, run_id, status,
      claims, attempts, unknowns, next_attempt_at, enqueue_at, created_at)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
    SELECT 'announcement', 'ada@example.com', '{status}:' || n, '{{}}', true, 'never', 1, '{status}',
      1, 0, 0, :now, :now, :now FROM numbers"""


def _fill(status: str, count: int) -> None:
    db.session.execute(text(FILL.format(status=status, count=count)), {"now": NOON})


@pytest.fixture
def pks(context: Flask) -> list[int]:
    """The keys of a batch in a ledger whose statistics were taken when everything was sent."""
    _fill("sent", 20_000)
    db.session.execute(text("ANALYZE"))
    _fill("pending", BATCH)
    db.session.commit()
    return list(db.session.scalars(db.select(Notification.id).where(Notification.status == "pending")))


@pytest.fixture
def plans(context: Flask) -> Iterator[list[str]]:
    """The plan of every statement from here on that looks at the status of a notification."""
    found: list[str] = []
    explain = "EXPLAIN QUERY PLAN " if db.engine.dialect.name == "sqlite" else "EXPLAIN "

    def look(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        if "notifier_notifications" in statement and "status" in statement.partition("WHERE")[2]:
            other = cursor.connection.cursor()  # type: ignore[attr-defined]
            other.execute(explain + statement, parameters[0] if isinstance(parameters, list) else parameters)
            found.append("\n".join(str(row[-1]) for row in other.fetchall()))

    event.listen(db.engine, "before_cursor_execute", look)
    yield found
    event.remove(db.engine, "before_cursor_execute", look)


def _claim(session: Session, pks: Sequence[int]) -> None:
    claimed = ledger.claim(session, pks, now=NOON, lease=timedelta(minutes=1), owner="me")
    assert len(claimed) == BATCH


def _settle(session: Session, pks: Sequence[int]) -> None:
    _claim(session, pks)
    ends = [Settlement(pk, 2, Status.sent, 1, 0, sent_at=NOON) for pk in pks]
    assert ledger.settle(session, ends, now=NOON) == BATCH


def _hold_paused(session: Session, pks: Sequence[int]) -> None:
    assert ledger.hold_paused(session, pks, until=LATER) == set()


def _defer(session: Session, pks: Sequence[int]) -> None:
    assert ledger.defer(session, pks, until=LATER, code=ReasonCode.rate_limited) == BATCH


def _mark_enqueued(session: Session, pks: Sequence[int]) -> None:
    assert len(ledger.mark_enqueued(session, pks, seen=NOON, again_at=LATER)) == BATCH


@pytest.mark.parametrize("statement", [_claim, _settle, _hold_paused, _defer, _mark_enqueued])
def test_statements_that_name_keys_look_them_up(
    statement: Callable[[Session, Sequence[int]], None], pks: list[int], plans: list[str]
) -> None:
    statement(db.session(), pks)
    assert plans
    by_key = "INTEGER PRIMARY KEY" if db.engine.dialect.name == "sqlite" else "pk_notifier_notifications"
    for plan in plans:
        assert by_key in plan, plan
        assert "ix_notifier_notifications" not in plan, plan
        assert "Seq Scan on notifier_notifications" not in plan, plan
