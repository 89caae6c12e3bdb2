"""The web client against a real server on loopback."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from notifier.sender_auth import UrlClient, WebUnreachable, WebUntrusted
from notifier.sender_auth.web import MOST_OCTETS
from tests.support.certificates import certificates


class Handler(BaseHTTPRequestHandler):
    """Answers what the path says: /302, /large, or an echo of the form."""

    def do_GET(self) -> None:
        self._answer(b"x" * (MOST_OCTETS + 9) if self.path == "/large" else b"hello \xff")

    def do_POST(self) -> None:
        self._answer(
            self.rfile.read(int(self.headers["Content-Length"])) + b" " + self.headers["Content-Type"].encode()
        )

    def _answer(self, body: bytes) -> None:
        self.send_response(302 if self.path == "/302" else 404 if self.path == "/404" else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("X-Path", self.path)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_answers_of_every_status_come_back_and_no_redirect_is_followed(server: ThreadingHTTPServer) -> None:
    base, client = f"http://127.0.0.1:{server.server_port}", UrlClient()
    found = client.get(f"{base}/302")
    assert (found.status, found.headers["location"], found.headers["x-path"]) == (302, "/elsewhere", "/302")
    assert (client.get(f"{base}/404").status, client.get(base).text) == (404, "hello \ufffd")
    assert len(client.get(f"{base}/large").text) == MOST_OCTETS
    posted = client.post(f"{base}/", "List-Unsubscribe=One-Click")
    assert posted.text == "List-Unsubscribe=One-Click application/x-www-form-urlencoded"


def test_no_answer_is_unreachable(server: ThreadingHTTPServer) -> None:
    with pytest.raises(WebUnreachable, match="refused"):
        UrlClient().get("http://127.0.0.1:9/")
    with pytest.raises(WebUnreachable):
        UrlClient().get(f"https://127.0.0.1:{server.server_port}/")


@pytest.mark.parametrize(("kind", "said"), [("self_signed", "unable to get local issuer"), ("expired", "local issuer")])
def test_a_certificate_that_is_not_valid_is_told_apart(server: ThreadingHTTPServer, kind: str, said: str) -> None:
    server.socket = getattr(certificates(), kind).wrap_socket(server.socket, server_side=True)
    with pytest.raises(WebUntrusted, match=said):
        UrlClient().get(f"https://127.0.0.1:{server.server_port}/")
