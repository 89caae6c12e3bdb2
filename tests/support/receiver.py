"""A server of another application that gets webhooks: real sockets on loopback, with answers by script."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

#: What is done with one connection after its request was read.
Reply = Callable[[socket.socket], None]


def says(status: int = 204, headers: str = "", body: bytes = b"") -> Reply:
    """Answer at once."""
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return lambda connection: connection.sendall(head.encode() + body)


def hangs(seconds: float = 30.0) -> Reply:
    """Answer nothing until the client hangs up."""

    def reply(connection: socket.socket) -> None:
        connection.settimeout(seconds)
        connection.recv(1)

    return reply


def drips(head: bytes, byte: bytes = b"x", pause: float = 0.02) -> Reply:
    """Send a byte now and then, without end."""

    def reply(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            time.sleep(pause)
            connection.sendall(byte)

    return reply


def floods(head: bytes, block: bytes = b"x" * 65536) -> Reply:
    """Send 10 GB, as fast as the client reads."""

    def reply(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(10 * 1024**3 // len(block)):
            connection.sendall(block)

    return reply


@dataclass(frozen=True)
class Request:
    """One request: its first line, its headers with names in lower case, its body."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers each request in a thread of its own by `reply`. `context`: with TLS."""

    reply: Reply = field(default_factory=says)
    context: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    #: Connections that were accepted, also those without a request.
    connections: int = 0
    #: Calls under way at once, at most.
    most_at_once: int = 0

    def __post_init__(self) -> None:
        """Listen."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hooks?a=b"
        self._now, self._lock = 0, threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(20)
            wrapped = self.context.wrap_socket(connection, server_side=True) if self.context else connection
            with wrapped:
                request = _read(wrapped)
                with self._lock:
                    self.requests.append(request)
                    self._now += 1
                    self.most_at_once = max(self.most_at_once, self._now)
                try:
                    self.reply(wrapped)
                finally:
                    with self._lock:
                        self._now -= 1

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


def _read(connection: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or _gone()
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536) or _gone()
    return Request(line, headers, body)


def _gone() -> bytes:
    raise ConnectionError
