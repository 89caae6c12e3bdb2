"""Resolve a host and connect to its addresses in turn, without blocking except for DNS."""

import errno
import os
import socket
from functools import lru_cache
from time import monotonic
from typing import Any

from notifier.smtp.channel import wire_error
from notifier.smtp.outcome import Failure
from notifier.smtp.replies import WireError

#: Seconds that a DNS answer is reused: a batch opens many connections at once and must resolve the name only once.
_DNS_TTL_SECONDS = 30


@lru_cache(maxsize=8)
def _resolve(host: str, port: int, period: int) -> list[tuple[Any, ...]]:
    """Return the addresses of a host. A new `period` misses the cache; errors are never cached."""
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Dial:
    """One attempt to connect. `patience` is the time limit for each address, in seconds."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        """Resolve the host, which may block. `timeout` is for all addresses, in seconds. Raise WireError (dns)."""
        try:
            self._addresses = list(_resolve(host, port, int(monotonic() / _DNS_TTL_SECONDS)))
        except (socket.gaierror, UnicodeError) as error:
            raise WireError(Failure.DNS, str(error)) from error
        # An address that drops all packets must not use up the time of the others.
        self.patience = timeout / max(1, len(self._addresses))

    def next(self, last: WireError) -> socket.socket:
        """Return a socket that connects to the next address; once it is writable, call `check`.

        Raise `last`, or a newer error, if no address is left.
        """
        while self._addresses:
            family, kind, protocol, _, address = self._addresses.pop(0)
            try:
                return _begin(family, kind, protocol, address)
            except OSError as error:
                last = wire_error(error)
        raise last


def check(sock: socket.socket) -> None:
    """Raise WireError if connecting has failed."""
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise wire_error(OSError(code, os.strerror(code)))


def _begin(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        code = sock.connect_ex(address)
        if code not in {0, errno.EINPROGRESS}:
            raise OSError(code, os.strerror(code))
    except OSError:
        sock.close()
        raise
    return sock
