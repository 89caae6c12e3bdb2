"""TCP ports: find a free one, check whether one is taken, wait until a server answers."""

import socket
import time
from collections.abc import Callable


class PortTakenError(Exception):
    """Another program listens on the requested port. The text says what to do."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free right now. It is not reserved: bind soon, and try again if it is taken."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def can_listen(host: str) -> bool:
    """Return True if `host` is an IPv4 address or a name of this machine."""
    try:
        free_port(host)
    except OSError:
        return False
    return True


def is_free(host: str, port: int) -> bool:
    """Return True if this process can listen there. Old connections in TIME_WAIT don't count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def answers(host: str, port: int, timeout: float = 0.5) -> bool:
    """Return True if a server accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except OSError:
        return False


def wait_until(check: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Poll `check` until it returns True. Return False if the time is over."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
