"""The standard library's IMAP client, with a limit on all that a server sends: its size, and the time that it takes."""

import imaplib
import socket
import ssl
import time

#: Seconds: for connecting, for each wait for more bytes, and for the whole answer to a command.
CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 15.0, 30.0, 180.0
#: Bytes of one line. The longest is a list of UIDs.
MAX_LINE = 1024 * 1024
#: Bytes of one answer. An email of 1 MiB is the largest thing that is asked for.
MAX_ANSWER = 2 * 1024 * 1024

_CHUNK = 64 * 1024


class NotImap(Exception):
    """What listens there speaks another protocol."""


class Wire(imaplib.IMAP4):
    """A connection. The methods below are those that imaplib names for overriding.

    imaplib itself reads a literal of any size that the server announces into memory, and waits for each byte anew.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        """Connect, and read the greeting. `context`: TLS from the first byte.

        Raise OSError, NotImap, or an error of imaplib.
        """
        self._context = context
        self._buffer = bytearray()
        self._is_greeted = False
        self._expect_answer()
        super().__init__(host, port)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Connect."""
        self.host, self.port = host, port
        self.sock = socket.create_connection((host, port), CONNECT_SECONDS)
        if self._context is not None:
            self.protect(self._context)

    def protect(self, context: ssl.SSLContext) -> None:
        """Begin TLS now. Raise OSError; the connection is closed then."""
        plain = self.sock
        try:
            # Bytes that came before TLS are nothing that the server has said (CVE-2011-0411).
            if self._buffer:
                raise ConnectionError("the server sent more than its answer before TLS began")
            plain.settimeout(CONNECT_SECONDS)
            self.sock = context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes."""
        if size > MAX_ANSWER:
            raise self.abort("the server announced more than was asked for")
        while len(self._buffer) < size:
            self._receive()
        return self._take(size)

    def readline(self) -> bytes:
        """Return a line with its end."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise self.abort("the server sent a line that is too long")
            self._receive()
        line = self._take(end + 1)
        if not self._is_greeted and not line.startswith(b"* "):
            raise NotImap
        self._is_greeted = True
        return line

    def send(self, data: bytes) -> None:  # type: ignore[override]
        """Send a command, or a part of one."""
        self._expect_answer()
        self.sock.settimeout(READ_SECONDS)
        self.sock.sendall(data)

    def shutdown(self) -> None:
        """Close the connection."""
        self.sock.close()

    def _expect_answer(self) -> None:
        self._until = time.monotonic() + ANSWER_SECONDS
        self._left = MAX_ANSWER

    def _receive(self) -> None:
        seconds = self._until - time.monotonic()
        if seconds <= 0 or self._left <= 0:
            raise self.abort("the answer takes too long" if seconds <= 0 else "the answer is too long")
        self.sock.settimeout(min(READ_SECONDS, seconds))
        data = self.sock.recv(min(_CHUNK, self._left))
        if not data:
            raise self.abort("the server ended the connection")
        self._left -= len(data)
        self._buffer += data

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data
