"""Which clients may connect, and how many at a time."""

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

LOOPBACK = ("127.0.0.0/8", "::1/128")


class Admission:
    """Count the connections of one listener. It belongs to one event loop."""

    def __init__(self, networks: Sequence[str], *, most: int, most_per_client: int) -> None:
        """Allow clients in `networks`; none are those of this machine."""
        self._networks = [ip_network(each) for each in networks or LOOPBACK]
        self._most = most
        self._most_per_client = most_per_client
        self._open: Counter[str] = Counter()

    def is_allowed(self, client: str) -> bool:
        """Return whether the client with this IP address may connect at all."""
        address = ip_address(client.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            # A socket for both families shows clients of IPv4 like this.
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def enter(self, client: str) -> bool:
        """Count one more connection. Return False, and count nothing, if there are too many."""
        if self._open.total() >= self._most or self._open[client] >= self._most_per_client:
            return False
        self._open[client] += 1
        return True

    def leave(self, client: str) -> None:
        """Count one connection less."""
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]
