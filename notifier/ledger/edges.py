"""The life of a notification: every move that exists."""

from types import MappingProxyType

from notifier.models import Status

#: Nothing else moves.
EDGES: MappingProxyType[Status, frozenset[Status]] = MappingProxyType(
    {
        # Straight to sent: the lease of its worker ran out, and later its journal says that it had been sent.
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
        # A person decides, or a journal that comes late tells.
        Status.unknown: frozenset({Status.pending, Status.sent, Status.failed}),
        Status.failed: frozenset(),
        Status.suppressed: frozenset(),
        Status.skipped: frozenset(),
        Status.cancelled: frozenset(),
        Status.expired: frozenset(),
        Status.bounced: frozenset(),
        Status.complained: frozenset(),
    }
)

#: Where a row comes to rest.
AT_REST = frozenset(Status) - {Status.pending, Status.sending}


class ForbiddenMove(ValueError):
    """A move that the ledger does not know: a fault of the caller, never of the data."""


def check_edge(source: Status, to: Status) -> None:
    """Raise ForbiddenMove where no row ever goes from `source` to `to`."""
    if to not in EDGES[source]:
        raise ForbiddenMove(f"a notification never goes from {source} to {to}")
