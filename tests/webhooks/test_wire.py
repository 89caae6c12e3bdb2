"""One call over real sockets: verified TLS to the address that was checked, bounded in time and bytes."""

import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from notifier.webhooks.wire import Answer, Wire
from tests.support.certificates import certificates
from tests.support.receiver import Receiver, Reply, drips, floods, hangs, says

#: Seconds of a call in these tests.
SHORT = 0.6


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(reply: Reply | None = None, context: ssl.SSLContext | None = None) -> Receiver:
        made.append(Receiver(reply or says(), context))
        return made[-1]

    yield make
    for each in made:
        each.close()


def call(url: str, wire: Wire | None = None) -> Answer:
    return (wire or Wire(loopback=True, seconds=SHORT)).post(urlsplit(url), {"webhook-id": "evt_1"}, b'{"a":1}')


def test_the_request_is_one_post_with_the_body(receive: Callable[..., Receiver]) -> None:
    here = receive()
    assert call(here.url) == Answer(204)
    (request,) = here.requests
    assert request.line == "POST /hooks?a=b HTTP/1.1"
    assert request.body == b'{"a":1}'
    assert request.headers == {
        "host": f"127.0.0.1:{here.port}", "user-agent": "notifier", "accept": "*/*", "connection": "close",
        "content-type": "application/json", "content-length": "7", "webhook-id": "evt_1",
    }  # fmt: skip


def test_a_redirect_is_a_failure_and_is_not_followed(receive: Callable[..., Receiver]) -> None:
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"]

    here, there = receive(), receive()
    for location in ("http://169.254.169.254/latest/meta-data/", there.url):
        here.reply = says(302, f"Location: {location}\r\n")
        answer = call(f"http://localhost:{here.port}/", Wire(loopback=True, resolve=resolve))
        assert (answer.status, answer.ok) == (302, False)
    assert looked_up == ["localhost"] * 2
    assert there.connections == 0


def test_a_name_that_leads_elsewhere_after_the_check_is_not_called(receive: Callable[..., Receiver]) -> None:
    here = receive()
    answers = [["127.0.0.1"], ["169.254.169.254"], ["9.9.9.9", "10.0.0.1"]]
    wire = Wire(loopback=True, resolve=lambda host, port: answers.pop(0), seconds=SHORT)
    url = f"http://localhost:{here.port}/"
    assert call(url, wire).ok
    assert len(answers) == 2, "one look-up for each call: the address that was checked is the one that is called"
    assert "link-local" in call(url, wire).error
    assert "private" in call(url, wire).error
    assert here.connections == 1


def test_this_machine_is_not_called_in_production(receive: Callable[..., Receiver]) -> None:
    here = receive()
    for address in ("127.0.0.1", "::ffff:127.0.0.1"):
        answer = call(f"https://hooks.example:{here.port}/", Wire(resolve=lambda host, port, at=address: [at]))
        assert answer == Answer(None, "not called: the host leads to this machine (a loopback address)")
    assert here.connections == 0


def _trusting(**values: object) -> Wire:
    context = ssl.create_default_context(cafile=certificates().authority)
    return Wire(loopback=True, resolve=lambda host, port: ["127.0.0.1"], context=context, **values)  # type: ignore[arg-type]


def test_the_certificate_must_be_for_the_name_although_the_address_is_called(receive: Callable[..., Receiver]) -> None:
    here = receive(context=certificates().wrong_host)
    assert call(f"https://elsewhere.example:{here.port}/", _trusting()).ok
    assert "certificate" in call(f"https://hooks.example:{here.port}/", _trusting()).error
    assert len(here.requests) == 1


@pytest.mark.parametrize("bad", ["self_signed", "expired"])
def test_a_bad_certificate_gets_no_request(receive: Callable[..., Receiver], bad: str) -> None:
    here = receive(context=getattr(certificates(), bad))
    assert "certificate" in call(f"https://localhost:{here.port}/", _trusting()).error
    assert here.requests == []


@pytest.mark.parametrize(
    "reply",
    [
        hangs(),
        drips(b"HTTP/1.1 200 OK\r\nX-A: "),
        drips(b"HT"),
        drips(b"HTTP/1.1 500 No\r\nContent-Length: 999\r\n\r\n"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silence", "headers", "status line", "body", "continue"],
)
def test_slow_answers_end_in_time(receive: Callable[..., Receiver], reply: Reply) -> None:
    here, before = receive(reply), time.monotonic()
    assert not call(here.url).ok
    assert time.monotonic() - before < SHORT + 0.5


def test_a_slow_handshake_and_a_slow_resolver_end_in_time(receive: Callable[..., Receiver]) -> None:
    here = receive()

    def stuck(host: str, port: int) -> list[str]:
        time.sleep(2 * SHORT)
        return ["127.0.0.1"]

    before = time.monotonic()
    # It speaks no TLS, and waits for the end of a request that never comes.
    silent = call(f"https://localhost:{here.port}/", _trusting(seconds=SHORT))
    slow = call(here.url, Wire(loopback=True, resolve=stuck, seconds=SHORT))
    assert (silent.status, slow.status) == (None, None)
    assert slow.error == f"no answer within {SHORT} seconds"
    assert time.monotonic() - before < 2 * SHORT + 1


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: ", None),
        (b"HTTP/1.1 500 No\r\nContent-Length: 10737418240\r\n\r\n", 500),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", 200),
        (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", 500),
        (b"\0\xff not http", None),
    ],
    ids=["headers", "error", "success", "chunks", "no http"],
)
def test_ten_gigabytes_are_not_read(receive: Callable[..., Receiver], head: bytes, status: int | None) -> None:
    here, before = receive(floods(head)), time.monotonic()
    answer = call(here.url)
    assert answer.status == status
    assert len(answer.error) <= 200
    assert time.monotonic() - before < SHORT + 0.5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("0", 0.0), ("", None), ("soon", None), ("-5", None), ("9" * 40, 999_999_999.0),
     ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after_is_read(receive: Callable[..., Receiver], value: str, seconds: float | None) -> None:
    here = receive(says(503, f"Retry-After: {value}\r\n", b"\x1b[31mlater\0"))
    answer = call(here.url)
    assert answer.retry_after == seconds
    assert "later" in answer.error
    assert answer.error.isprintable()


def test_nothing_that_listens_is_an_answer_too(receive: Callable[..., Receiver]) -> None:
    here = receive()
    here.close()
    assert "ConnectionRefusedError" in call(here.url).error


def test_a_name_without_an_address_is_a_failure() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    assert "not known" in call("https://hooks.example/", Wire(resolve=unknown)).error
    assert call("https://hooks.example/", Wire(resolve=lambda host, port: [])).status is None


def test_headers_count_as_bytes_of_the_answer(receive: Callable[..., Receiver]) -> None:
    here = receive(floods(b"HTTP/1.1 200 OK\r\n", (b"X-A: " + b"y" * 1000 + b"\r\n") * 60))
    assert "the answer is longer than 64 kB" in call(here.url).error
