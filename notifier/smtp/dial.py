"""From a name to a socket that is on its way: one address after the other, never blocking but for DNS."""

import errno
import os
import socket
from functools import lru_cache
from time import monotonic
from typing import Any

from notifier.smtp.channel import wire_error
from notifier.smtp.outcome import Failure
from notifier.smtp.replies import WireError

#: A batch opens many connections at once and asks for the name once: seconds that an answer holds.
_NAME_HOLDS = 30


@lru_cache(maxsize=8)
def _resolve(host: str, port: int, period: int) -> list[tuple[Any, ...]]:
    """The addresses of a name. `period` makes an answer old; errors are not kept."""
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Dial:
    """One attempt to connect. `patience` (seconds) is what each address may take."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        """Asks for the addresses, which may block. Raises WireError (dns)."""
        try:
            self._addresses = list(_resolve(host, port, int(monotonic() / _NAME_HOLDS)))
        except (socket.gaierror, UnicodeError) as error:
            raise WireError(Failure.DNS, str(error)) from error
        # A black hole among the addresses must not use up the time of the others.
        self.patience = timeout / max(1, len(self._addresses))

    def next(self, last: WireError) -> socket.socket:
        """A socket connecting to the next address: writable means done, see `check`.

        Raises `last`, or a newer error, where no address is left.
        """
        while self._addresses:
            family, kind, protocol, _, address = self._addresses.pop(0)
            try:
                return _begin(family, kind, protocol, address)
            except OSError as error:
                last = wire_error(error)
        raise last


def check(sock: socket.socket) -> None:
    """Raises WireError where connecting has failed."""
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
