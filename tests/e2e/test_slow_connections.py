"""The README's `gunicorn wsgi:app` with 50 slow clients beside people who sign up."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from notifier.dev.plan import is_healthy
from notifier.dev.ports import free_port, wait_until
from notifier.dev.process import die_with_parent
from tests.support.applications import migrate
from tests.support.up import sign_up

ROOT = Path(__file__).parents[2]

SLOW = 50

#: What a slow client has said so far: nothing, half a head, a head without its body.
BEGINNINGS = (
    b"",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
    b"POST /signup HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 100000\r\n\r\nemail=",
)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Where the documented command listens."""
    port = free_port()
    database = f"sqlite:///{tmp_path / 'notifier.db'}"
    migrate(database)
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("WEB_", "GUNICORN_"))},
        "NOTIFIER_DATA_DIR": str(tmp_path), "DATABASE_URL": database, "RATELIMIT_ENABLED": "0",
    }  # fmt: skip
    command = [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{port}"]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log, preexec_fn=die_with_parent) as process,
    ):
        try:
            assert wait_until(lambda: is_healthy("127.0.0.1", port), 30), (tmp_path / "log").read_text()
            yield port
        finally:
            process.kill()


class SlowClients:
    """Each keeps its connection and says a byte now and then."""

    def __init__(self, port: int, count: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(count)]
        for number, client in enumerate(self._sockets):
            client.sendall(BEGINNINGS[number % len(BEGINNINGS)])
        self._stop = threading.Event()
        self._lost: OSError | None = None
        self._thread = threading.Thread(target=self._drip, daemon=True)
        self._thread.start()

    def _drip(self) -> None:
        while not self._stop.wait(0.5):
            try:
                for client in self._sockets:
                    client.sendall(b"x")
            except OSError as error:
                self._lost = error
                return

    def close(self) -> None:
        """Hang up. Raises where the server did so first: then it held nobody."""
        self._stop.set()
        self._thread.join()
        for client in self._sockets:
            client.close()
        if self._lost is not None:
            raise self._lost


def test_fifty_slow_clients_keep_nobody_from_signing_up(port: int) -> None:
    slow = SlowClients(port, SLOW)
    time.sleep(1)  # until each has a thread that waits for it
    waits: list[float] = []

    def visit(number: int) -> None:
        begun = time.monotonic()
        sign_up(f"http://127.0.0.1:{port}", f"person{number}@example.com")
        waits.append(time.monotonic() - begun)

    with ThreadPoolExecutor(4) as people:
        list(people.map(visit, range(24), timeout=40))
    slow.close()
    assert len(waits) == 24
    # Not a measurement: without threads enough nobody is answered at all.
    assert max(waits) < 10
