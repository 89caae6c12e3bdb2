"""The ledger: the only code that writes a notification's status.

Every move is a compare-and-set: it names the status that it leaves and, if a worker holds the row, the claim under
which it acts.
"""

from notifier.database.keys import among
from notifier.ledger.bulk import (
    ENQUEUE_AGAIN_AFTER,
    Added,
    SharedColumns,
    add_many,
    cancel_run,
    hold_paused,
    is_over,
    latest_due,
    wake_run,
)
from notifier.ledger.claims import (
    ANY_DEATHS,
    Claimed,
    Recipient,
    claim,
    due_alone,
    held_by,
    load,
    mark_redirected,
)
from notifier.ledger.content import move_content, never_began
from notifier.ledger.counting import count_by_status
from notifier.ledger.giving_back import GIVEN_BACK, give_back_refused
from notifier.ledger.held_rows import count_held, name_hold, wake_held
from notifier.ledger.leases import (
    LEASE_EXPIRED,
    Lost,
    claimed_since,
    expire_leases,
    expired_leases_of,
    lost_claims,
    renew,
    store_facts,
)
from notifier.ledger.moving import RowMove, move_all
from notifier.ledger.once import Once, add_many_once, add_once, with_key, with_keys
from notifier.ledger.operator_emails import add_to_operator, operator_at
from notifier.ledger.owners import boot_of, host_of, owner_name
from notifier.ledger.restored import OPEN, enqueue_soon, mark_sent
from notifier.ledger.rows import (
    Why,
    add,
    add_skipped,
    decide_unknown,
    defer,
    enqueue_now,
    expire,
    mark_enqueued,
    move,
    overdue,
    unknown,
    wake,
    why,
)
from notifier.ledger.settling import Settlement, StoredReply, correct, settle
from notifier.ledger.transitions import AT_REST, EDGES, ForbiddenMove
from notifier.ledger.waiting import TurnQueue, WaitingRow, first_waiting, stop_waiting, turn_queues, wait_for_turn

__all__ = [
    "ANY_DEATHS",
    "AT_REST",
    "EDGES",
    "ENQUEUE_AGAIN_AFTER",
    "GIVEN_BACK",
    "LEASE_EXPIRED",
    "OPEN",
    "Added",
    "Claimed",
    "ForbiddenMove",
    "Lost",
    "Once",
    "Recipient",
    "RowMove",
    "Settlement",
    "SharedColumns",
    "StoredReply",
    "TurnQueue",
    "WaitingRow",
    "Why",
    "add",
    "add_many",
    "add_many_once",
    "add_once",
    "add_skipped",
    "add_to_operator",
    "among",
    "boot_of",
    "cancel_run",
    "claim",
    "claimed_since",
    "correct",
    "count_by_status",
    "count_held",
    "decide_unknown",
    "defer",
    "due_alone",
    "enqueue_now",
    "enqueue_soon",
    "expire",
    "expire_leases",
    "expired_leases_of",
    "first_waiting",
    "give_back_refused",
    "held_by",
    "hold_paused",
    "host_of",
    "is_over",
    "latest_due",
    "load",
    "lost_claims",
    "mark_enqueued",
    "mark_redirected",
    "mark_sent",
    "move",
    "move_all",
    "move_content",
    "name_hold",
    "never_began",
    "operator_at",
    "overdue",
    "owner_name",
    "renew",
    "settle",
    "stop_waiting",
    "store_facts",
    "turn_queues",
    "unknown",
    "wait_for_turn",
    "wake",
    "wake_held",
    "wake_run",
    "why",
    "with_key",
    "with_keys",
]
