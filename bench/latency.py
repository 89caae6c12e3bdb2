"""Measure from a sign-up to the acceptance of its email, through gunicorn, worker and SMTP."""

import http.client
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.arithmetic import percentile
from bench.children import READY_SECONDS, ChildError
from bench.contenders import Notifier, Setting
from bench.servers import Sink, Stage, open_sink
from notifier.dev.plan import is_healthy
from notifier.dev.ports import free_port, wait_until
from notifier.testing.forms import csrf_token

#: The CSRF token in a form.
_HOST = "127.0.0.1"

#: Seconds to wait for one email.
PATIENCE = 30.0
#: Sign-ups that are not measured: they open the first connections and compile the first templates.
WARM_UP = 10
#: The longest random pause before each, in seconds, so that sign-ups are not in step with the workers' loops.
PAUSE = 0.03


class Visitor:
    """A client that signs up repeatedly over one kept connection, as behind a proxy."""

    def __init__(self, port: int) -> None:
        """Fetch the form once, for its token and cookie."""
        self._connection = http.client.HTTPConnection(_HOST, port, timeout=PATIENCE)
        self._connection.request("GET", "/signup")
        answer = self._connection.getresponse()
        page = answer.read().decode()
        if answer.status != 200:
            raise ChildError(f"the sign-up page answers {answer.status}")
        self._token = csrf_token(page)
        cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        self._headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}

    def sign_up(self, address: str) -> None:
        """Sign up. Raise ChildError if the page refuses it."""
        form = urlencode({"csrf_token": self._token, "email": address, "display_name": "Ada"})
        self._connection.request("POST", "/signup", form, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status not in {302, 303}:
            raise ChildError(f"the sign-up page answers {answer.status}")


def measure_latency(stage: Stage, signups: int, bulk: int) -> dict[str, Any]:
    """Return milliseconds, idle and while batches of `bulk` emails go out without a pause."""
    contender = Notifier()
    contender.reset(stage)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=stage.folder)))
        sink = stack.enter_context(open_sink(folder, 0))
        setting = Setting(stage, folder, sink.port, 0, bulk)
        port = _start(stack, contender, setting)
        visitor = Visitor(port)
        _rounds(visitor, sink, "warm", WARM_UP)
        idle = _rounds(visitor, sink, "idle", signups)
        flood = contender.start_sender(stack, setting, "--flood")
        flood.hear("ready", READY_SECONDS)
        flood.say("go")
        wait_until(lambda: bool(sink.look()), PATIENCE)
        start, before = time.time(), len(sink.accepted)
        busy = _rounds(visitor, sink, "busy", signups)
        rate = (len(sink.accepted) - before - signups) / (time.time() - start)
    return {"signups": signups, "idle": _summary(idle), "busy": _summary(busy), "bulk_per_second": rate}


def _start(stack: ExitStack, contender: Notifier, setting: Setting) -> int:
    """Start workers and web. Return the port of the web server."""
    pool = ["--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"]
    workers = [
        contender.start_worker(stack, setting, "mail", "notifier.transactional,notifier.control", pool),
        contender.start_bulk_worker(stack, setting),
    ]
    port = free_port()
    argv = [sys.executable, "-m", "gunicorn", "bench.worker:app", "--bind", f"{_HOST}:{port}"]
    options = ["--workers", "1", "--threads", "8", "--keep-alive", "60", "--no-control-socket"]
    web = setting.start(stack, "web", [*argv, *options], contender.env(setting))
    for worker, ready in workers:
        worker.wait_for(ready)
    if not wait_until(lambda: is_healthy(_HOST, port), READY_SECONDS):
        raise web.error("was not ready")
    return port


def _rounds(visitor: Visitor, sink: Sink, label: str, signups: int) -> list[float]:
    """Return the seconds from right before each form is sent to the acceptance, one after the other."""
    rng = random.Random(1)
    taken = []
    for number in range(signups):
        time.sleep(rng.random() * PAUSE)
        address = f"{label}-{number}@example.com"
        start = time.time()
        visitor.sign_up(address)
        taken.append(_accepted_at(sink, address) - start)
    return taken


def _accepted_at(sink: Sink, address: str) -> float:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for mail in sink.look():
            if mail.recipient == address:
                return mail.at
        time.sleep(0.002)
    raise ChildError(f"no email within {PATIENCE:.0f} s of a sign-up")


def _summary(seconds: list[float]) -> dict[str, float]:
    return {
        "p50_ms": percentile(seconds, 0.5) * 1000,
        "p99_ms": percentile(seconds, 0.99) * 1000,
        "most_ms": max(seconds) * 1000,
    }
