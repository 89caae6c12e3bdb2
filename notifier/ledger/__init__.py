"""The ledger: the sole writer of a notification's status.

Every move is a compare-and-set: it names the status that it leaves and, where a worker holds the row,
the claim under which it acts.
"""

from notifier.ledger.bulk import (
    RING_AGAIN,
    Debt,
    Made,
    cancel_run,
    hold_paused,
    is_over,
    newest_of,
    owe_many,
    standing,
    wake_run,
)
from notifier.ledger.claims import Claimed, Recipient, claim, held_by, look
from notifier.ledger.edges import AT_REST, EDGES, ForbiddenMove
from notifier.ledger.keys import among
from notifier.ledger.restored import OPEN, ring_soon, take_as_sent
from notifier.ledger.rows import defer, expire, lapse, move, overdue, owe, rung, unknown, wake, why
from notifier.ledger.settling import Reply, Settlement, settle

__all__ = [
    "AT_REST",
    "EDGES",
    "OPEN",
    "RING_AGAIN",
    "Claimed",
    "Debt",
    "ForbiddenMove",
    "Made",
    "Recipient",
    "Reply",
    "Settlement",
    "among",
    "cancel_run",
    "claim",
    "defer",
    "expire",
    "held_by",
    "hold_paused",
    "is_over",
    "lapse",
    "look",
    "move",
    "newest_of",
    "overdue",
    "owe",
    "owe_many",
    "ring_soon",
    "rung",
    "settle",
    "standing",
    "take_as_sent",
    "unknown",
    "wake",
    "wake_run",
    "why",
]
