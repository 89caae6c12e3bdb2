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
from notifier.ledger.rows import defer, expire, lapse, move, overdue, owe, rung, unknown, wake, why
from notifier.ledger.settling import Reply, Settlement, settle
from notifier.ledger.waiting import Line, Waiting, first_of, lines, stop_waiting, wait_for_turn

__all__ = [
    "AT_REST",
    "EDGES",
    "RING_AGAIN",
    "Claimed",
    "Debt",
    "ForbiddenMove",
    "Line",
    "Made",
    "Recipient",
    "Reply",
    "Settlement",
    "Waiting",
    "among",
    "cancel_run",
    "claim",
    "defer",
    "expire",
    "first_of",
    "held_by",
    "hold_paused",
    "is_over",
    "lapse",
    "lines",
    "look",
    "move",
    "newest_of",
    "overdue",
    "owe",
    "owe_many",
    "rung",
    "settle",
    "standing",
    "stop_waiting",
    "unknown",
    "wait_for_turn",
    "wake",
    "wake_run",
    "why",
]
