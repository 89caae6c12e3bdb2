"""Define every allowed change of a notification's status."""

from types import MappingProxyType

from notifier.models import Status

#: The allowed next statuses by status.
EDGES: MappingProxyType[Status, frozenset[Status]] = MappingProxyType(
    {
        # Straight to sent: the worker's lease ran out, and later its journal shows that the email had been sent.
        Status.pending: frozenset({Status.sending, Status.cancelled, Status.expired, Status.sent}),
        Status.sending: frozenset(
            {
                Status.pending,
                Status.sent,
                Status.failed,
                Status.suppressed,
                Status.skipped,
                Status.unknown,
            }
        ),
        Status.sent: frozenset({Status.bounced, Status.complained}),
        # An operator decides, or a late journal or what comes back shows the outcome.
        Status.unknown: frozenset({Status.pending, Status.sent, Status.failed, Status.bounced, Status.complained}),
        Status.failed: frozenset(),
        Status.suppressed: frozenset(),
        Status.skipped: frozenset(),
        Status.cancelled: frozenset(),
        Status.expired: frozenset(),
        # A complaint proves that it arrived somewhere: its reader counts more than an earlier bounce.
        Status.bounced: frozenset({Status.complained}),
        Status.complained: frozenset(),
    }
)

#: Statuses in which no worker touches a row any more.
AT_REST = frozenset(Status) - {Status.pending, Status.sending}


class ForbiddenMove(ValueError):
    """A move that the ledger does not allow: a fault of the caller, never of the data."""


def check_edge(source: Status, to: Status) -> None:
    """Raise ForbiddenMove unless a row may go from `source` to `to`."""
    if to not in EDGES[source]:
        raise ForbiddenMove(f"a notification never goes from {source} to {to}")
