"""`gunicorn wsgi:app` and requests with broken bodies: 400 and a closed connection, never a fault of ours."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from notifier.dev.plan import is_healthy
from notifier.dev.ports import free_port, wait_until
from notifier.dev.process import die_with_parent
from tests.support.applications import migrate

ROOT = Path(__file__).parents[2]
CASES = json.loads((ROOT / "tests" / "data" / "log_injection.json").read_text())

#: Requests to pages that read a form, to pages that read no body, and to none.
STARTS = ("POST /signup", "POST /admin/sign-in", "POST /u/x", "GET /", "GET /metrics", "POST /healthz")

CHUNKED = "HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
FORM, PARTS, TEXT = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"

#: Bodies in chunks that are none.
BROKEN = {
    "no number": b"zz\r\n",
    "negative": b"-1\r\nx\r\n0\r\n\r\n",
    "signed": b"+1\r\nx\r\n0\r\n\r\n",
    "prefixed": b"0x1\r\nx\r\n0\r\n\r\n",
    "underscore": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "empty size": b"\r\n\r\n",
    "endless size": b"1" * 20_000,
    "no line end after data": b"1\r\nxyz\r\n0\r\n\r\n",
    "bare line feeds": b"1\nx\n0\n\n" + b" " * 9000,
    "flood of extensions": b"1" + b";a=b" * 5000 + b"\r\nx\r\n0\r\n\r\n",
    "broken extension": b"1;\x00\x1b[31m\r\nx\r\n0\r\n\r\n",
    "late": b"4\r\na=b&\r\nzz\r\n",
}


@dataclass(frozen=True)
class Served:
    """The documented command, and the file with all that it says."""

    port: int
    log: Path

    def say(self, *parts: bytes) -> bytes:
        """Send `parts`, and return all that is answered until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as client:
            for part in parts:
                client.sendall(part)
            answer = b""
            while data := client.recv(65536):
                answer += data
        return answer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("gunicorn")
    database = f"sqlite:///{folder / 'notifier.db'}"
    migrate(database)
    found = Served(free_port(), folder / "log")
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("WEB_", "GUNICORN_"))},
        "NOTIFIER_DATA_DIR": str(folder), "DATABASE_URL": database, "RATELIMIT_ENABLED": "0", "WEB_CONCURRENCY": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{found.port}"]
    with (
        found.log.open("wb") as log,
        subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log, preexec_fn=die_with_parent) as process,
    ):
        try:
            assert wait_until(lambda: is_healthy("127.0.0.1", found.port), 50), found.log.read_text()
            yield found
        finally:
            process.kill()


@pytest.mark.parametrize("name", BROKEN)
def test_a_body_in_broken_chunks_is_a_bad_request(served: Served, name: str) -> None:
    for start in STARTS:
        for kind in (FORM, PARTS, TEXT) if start.startswith("POST /signup") else (FORM,):
            answer = served.say(f"{start} {CHUNKED.format(kind=kind)}".encode(), BROKEN[name])
            assert answer.startswith(b"HTTP/1.1 400 "), (start, kind, answer[:300])
            assert answer.count(b"HTTP/1.1 ") == 1, (start, kind, answer)
    _assert_calm(served)


def _assert_calm(served: Served) -> None:
    said = served.log.read_bytes()
    assert b"Traceback" not in said
    assert b"request.crashed" not in said
    assert not set(said) & (set(range(32)) - {10}), "a control character of a request is in the log"


def test_a_body_in_chunks_is_read_up_to_its_limit(served: Served) -> None:
    start = f"POST /signup {CHUNKED.format(kind=FORM)}".replace("Host", "Connection: close\r\nHost", 1).encode()
    small = served.say(start, b"7\r\nemail=x\r\n0\r\n\r\n")
    assert small.startswith(b"HTTP/1.1 400 ")
    assert b"form" in small
    large = (b"50000\r\n" + b"x" * 0x50000 + b"\r\n0\r\n\r\n", b"f" * 5000 + b"\r\n" + b"x" * 0x50000)
    for body in large:
        assert served.say(start, body).startswith(b"HTTP/1.1 413 "), body[:20]
    _assert_calm(served)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_no_head_of_a_request_writes_into_the_log(served: Served, case: dict[str, str]) -> None:
    text = case["input"].encode()
    for head in (
        b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /signup HTTP/1.1\r\nHost: %s\r\n\r\n",
        b"GET /signup HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: %s\r\n\r\n",
        b"%s /signup HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /signup %s\r\nHost: 127.0.0.1\r\n\r\n",
    ):
        answer = served.say(head.replace(b"\r\nHost", b"\r\nConnection: close\r\nHost", 1) % text)
        assert not answer.startswith(b"HTTP/1.1 5"), (head, answer[:200])
    _assert_calm(served)
    assert max(map(len, served.log.read_bytes().splitlines())) < 20_000


def test_no_key_of_a_request_that_cannot_be_read_is_in_the_log(served: Served) -> None:
    key = b"nk_7_" + b"hushhush" * 5
    for head in (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nBearer %s\r\n\r\n",
        b"GET /u/%s x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"%s GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / %s\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /\xe9 %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ):
        assert served.say(head % key).startswith(b"HTTP/1.1 400 "), head
    said = served.log.read_bytes()
    assert said.count(b"Invalid request from ip=") >= 5
    assert b"hushhush" not in said
