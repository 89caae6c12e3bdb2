"""TCP ports: find a free one, see whether one is taken, wait until somebody answers."""

import socket
import time
from collections.abc import Callable


class PortTakenError(Exception):
    """Another program listens on a port that we were told to use."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on right now. It is not reserved: bind soon, and try again if lost."""
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
    """Can we listen there? Old connections in TIME_WAIT do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def answers(host: str, port: int, timeout: float = 0.5) -> bool:
    """Does somebody accept connections there?"""
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except OSError:
        return False


def wait_until(check: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Poll `check` until it is true. False when the time is over."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
