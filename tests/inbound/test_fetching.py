"""Fetching over real TLS on loopback: certificates are verified, redirects are not followed, answers are bounded."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from notifier.inbound import fetching
from notifier.inbound.fetching import fetch
from notifier.inbound.refusals import TryLater
from tests.support.certificates import certificates

Answer = Callable[[ssl.SSLSocket], None]


class Server:
    """Answers each request by `answer`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self.url = f"https://localhost:{self._socket.getsockname()[1]}/a.pem?b=c"
        self.asked: list[bytes] = []
        self.answer: Answer = lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._socket.accept()
                with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
                    self.asked.append(connection.recv(4096))
                    self.answer(connection)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates().authority))
    made = Server(certificates().good)
    yield made
    made.close()


def says(text: bytes) -> Answer:
    return lambda connection: connection.sendall(text)


def test_a_body_is_fetched(server: Server) -> None:
    assert fetch(server.url) == b"ok"
    assert server.asked[0].startswith(b"GET /a.pem?b=c HTTP/1.1\r\n")


@pytest.mark.parametrize("kind", ["self_signed", "expired", "wrong_host"])
def test_the_certificate_of_the_server_is_verified(server: Server, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    bad = Server(getattr(certificates(), kind))
    with pytest.raises(TryLater, match="did not answer: SSLCertVerificationError"):
        fetch(bad.url)
    bad.close()
    assert bad.asked == []


def test_a_redirect_is_not_followed(server: Server) -> None:
    place = server.url.encode()
    server.answer = says(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % place)
    with pytest.raises(TryLater, match="localhost answered 302"):
        fetch(server.url)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000],
)  # fmt: skip
def test_another_answer_may_be_better_later(server: Server, answer: bytes) -> None:
    server.answer = says(answer)
    with pytest.raises(TryLater):
        fetch(server.url)


def test_a_server_that_is_away_may_be_back_later(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(TryLater, match="did not answer"):
        fetch(f"https://127.0.0.1:{port}/")


def test_a_slow_server_does_not_hold_the_request(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(200):
            connection.sendall(b"x")
            time.sleep(0.02)

    monkeypatch.setattr(fetching, "TIMEOUT", 0.3)
    server.answer = drip
    with pytest.raises(TryLater, match="too long or too slow"):
        fetch(server.url)
