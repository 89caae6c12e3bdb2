"""The ledger: the sole writer of a notification's status.

Every move is a compare-and-set: it names the status that it leaves and, where a worker holds the row,
the claim under which it acts.
"""

from notifier.ledger.claims import Claimed, Recipient, claim, held_by
from notifier.ledger.edges import AT_REST, EDGES, ForbiddenMove
from notifier.ledger.rows import defer, expire, lapse, move, overdue, owe, rung, unknown, wake
from notifier.ledger.settling import Reply, Settlement, settle

__all__ = [
    "AT_REST",
    "EDGES",
    "Claimed",
    "ForbiddenMove",
    "Recipient",
    "Reply",
    "Settlement",
    "claim",
    "defer",
    "expire",
    "held_by",
    "lapse",
    "move",
    "overdue",
    "owe",
    "rung",
    "settle",
    "unknown",
    "wake",
]
