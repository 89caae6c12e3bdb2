"""One POST to another server: to an address that was checked, bounded in time and bytes, without redirect or proxy."""

import http.client
import io
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import NamedTuple
from urllib.parse import SplitResult

from notifier import clock
from notifier.mail.characters import escaped
from notifier.webhooks.addresses import port_of, refusal

#: Seconds for everything: the name, the connection, TLS, the request and the answer, however slowly it drips.
SECONDS = 15.0
#: Bytes that are read of an answer, with its headers.
MOST_BYTES = 64 * 1024
#: Characters of a refusing answer that are kept.
_EXCERPT = 120
#: Addresses of one name that are tried.
_MOST_ADDRESSES = 3

#: Returns the IP addresses of a host. Raises OSError.
Resolve = Callable[[str, int], Sequence[str]]


class Answer(NamedTuple):
    """How a call ended."""

    #: None: there was no answer.
    status: int | None
    #: For people; empty if the status is 2xx.
    error: str = ""
    #: Seconds that the receiver asks us to wait.
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Return whether the receiver took the event: only 2xx means that."""
        return self.status is not None and 200 <= self.status < 300


class Refused(Exception):
    """The call must not be made. The message says why."""


def addresses_of(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a host. Raise OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Wire:
    """Calls URLs. Has no state, so threads may share it."""

    def __init__(
        self,
        *,
        loopback: bool = False,
        resolve: Resolve = addresses_of,
        context: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """Create one.

        Args:
            loopback: This machine may be called; for development.
            resolve: Finds the addresses of a host.
            context: Verifies certificates; None: by the authorities of the system.
            seconds: Time for one call.
        """
        self._loopback = loopback
        self._resolve = resolve
        self._given_context = context
        self._seconds = seconds

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """What verifies certificates. Reading the system's authorities takes 40 ms, which most processes never need."""
        return self._given_context or ssl.create_default_context()

    def post(self, url: SplitResult, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send `body` once. Never raise for anything that the other side, its name or the network does."""
        until = time.monotonic() + self._seconds
        try:
            with self._connected(url, until) as connection:
                return _exchange(connection, _request(url, headers, body), until)
        except Refused as error:
            return Answer(None, str(error))
        except TimeoutError:
            return Answer(None, f"no answer within {self._seconds:g} seconds")
        except ssl.SSLCertVerificationError as error:
            return Answer(None, _short(f"its certificate is not valid: {error.verify_message}"))
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            return Answer(None, _short(f"no answer: {type(error).__name__}: {error}"))

    def _connected(self, url: SplitResult, until: float) -> socket.socket:
        host, port = url.hostname or "", port_of(url)
        addresses = _within(until, lambda: self._resolve(host, port))
        if not addresses:
            raise OSError("the name has no address")
        # One bad address is enough: a name that leads to our network is never called, not even by its other addresses.
        for address in addresses:
            if why := refusal(address, loopback=self._loopback):
                raise Refused(f"not called: the host leads to {why}")
        connection = _connect(addresses[:_MOST_ADDRESSES], port, until)
        if url.scheme != "https":
            return connection
        try:
            connection.settimeout(_left(until))
            return self._context.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise


def _connect(addresses: Sequence[str], port: int, until: float) -> socket.socket:
    for index, address in enumerate(addresses):
        try:
            # The other addresses need some of the time, too.
            return socket.create_connection((address, port), timeout=_left(until) / (len(addresses) - index))
        except OSError:
            if index + 1 == len(addresses):
                raise
    raise OSError("the name has no address")


def _request(url: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    host = url.netloc.rpartition("@")[2]
    lines = [
        f"POST {target} HTTP/1.1", f"Host: {host}", "User-Agent: notifier", "Accept: */*", "Connection: close",
        "Content-Type: application/json", f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()), "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode("ascii") + body


def _exchange(connection: socket.socket, request: bytes, until: float) -> Answer:
    connection.settimeout(_left(until))
    connection.sendall(request)
    response = http.client.HTTPResponse(_Bounded(connection, until), method="POST")  # type: ignore[arg-type]
    response.begin()
    status = response.status
    if 200 <= status < 300:
        # Its body says nothing that we need.
        return Answer(status)
    retry_after = _seconds_of(response.getheader("Retry-After"))
    try:
        said = response.read(4 * _EXCERPT).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        said = ""
    said = " ".join(said.split())
    if 300 <= status < 400:
        said = "a redirect, which is not followed"
    return Answer(status, _short(f"answered {status}" + (f": {said[:_EXCERPT]}" if said else "")), retry_after)


def _seconds_of(retry_after: str | None) -> float | None:
    """Return the value of Retry-After (RFC 9110, section 10.2.3) in seconds; None if there is no valid one."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at - clock.now()).total_seconds())
    except (TypeError, ValueError):
        return None


def _short(text: str) -> str:
    return escaped(text.replace("\0", " "))[:200]


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _within(until: float, ask: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Return what `ask` returns. Raise TimeoutError at `until`: the resolver of the system takes no timeout."""
    answers: queue.SimpleQueue[Sequence[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(ask())
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=run, daemon=True, name="webhook-resolver").start()
    try:
        answer = answers.get(timeout=_left(until))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


class _Raw(io.RawIOBase):
    """What a connection sends, until a moment and up to a number of bytes."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection, self._until, self._bytes = connection, until, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        if self._bytes >= MOST_BYTES:
            raise http.client.HTTPException(f"the answer is longer than {MOST_BYTES // 1024} kB")
        # A server that sends a byte now and then gets no more time.
        self._connection.settimeout(_left(self._until))
        number = self._connection.recv_into(buffer, min(len(buffer), MOST_BYTES - self._bytes))
        self._bytes += number
        return number


class _Bounded:
    """What `http.client.HTTPResponse` needs of a socket."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection, self._until = connection, until

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Raw(self._connection, self._until))
