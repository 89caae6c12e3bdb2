"""Emails that are claimed and settled. All functions need an application context."""

from notifier import ledger
from notifier.extensions import db
from notifier.ledger import Claimed, Settlement
from notifier.models import Status
from notifier.testing.clocks import NOON
from tests.support.applications import make_owed


def claimed(number: int) -> list[Claimed]:
    """Store emails that a worker holds."""
    pks = [make_owed(each) for each in range(1, number + 1)]
    rows = ledger.claim(db.session(), pks, now=NOON, lease=ledger.ENQUEUE_AGAIN_AFTER, owner="a worker")
    db.session.commit()
    return rows


def settle(rows: list[Claimed], to: Status = Status.sent, code: str | None = None) -> list[Settlement]:
    """Settle them at noon, in one transaction."""
    ends = [Settlement(row.id, row.claim, to, 1, 0, reason_code=code) for row in rows]
    ledger.settle(db.session(), ends, now=NOON)
    db.session.commit()
    return ends
