"""Every send repeated five times with its key, in parallel, while the web processes are killed one after the other."""

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, text

_HOST = "127.0.0.1"

#: How often each email is asked for at the same time, and for how many emails.
REPEATS = 5
WORKERS = 20

#: Seconds between two kills, and seconds after which a request without an answer is a breach.
KILL_EVERY = 1.5
PATIENCE = 60.0

#: Answers after which the same request is made again: the first one is still running, or the database is away.
_AGAIN = frozenset({409, 503})


@dataclass
class Told:
    """What the clients were told, and what was done to the servers."""

    #: The different answers to each key.
    answers: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    given: int = 0
    broken: int = 0
    kills: int = 0
    breaches: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def repeat(port: int, key: str, master: int, url: str, seconds: float, people: int) -> Told:
    """Send for `seconds`. `master`: the process whose children are killed; `url`: of the database.

    `breaches` of what is returned has a line for each promise that was broken.
    """
    told, until, numbers = Told(), time.monotonic() + seconds, iter(range(1_000_000))

    def run(pool: ThreadPoolExecutor) -> None:
        while time.monotonic() < until:
            keys = [f"repeat:{next(numbers)}" for _ in range(WORKERS // REPEATS)] * REPEATS
            random.shuffle(keys)
            list(pool.map(lambda each: _send(port, key, each, people, told), keys))

    with _killing(master, told), ThreadPoolExecutor(WORKERS) as pool:
        run(pool)
    _compare(told, url)
    return told


def _send(port: int, key: str, name: str, people: int, told: Told) -> None:
    """Ask for one email until there is an answer, as a client does whose requests break."""
    body = json.dumps({"to": f"u{len(name) % people}", "kind": "verification"})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Idempotency-Key": name}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(_HOST, port, timeout=10)
        try:
            connection.request("POST", "/v1/notifications", body, headers)
            answer = connection.getresponse()
            given = answer.read()
        except (OSError, http.client.HTTPException):
            with told.lock:
                told.broken += 1
            time.sleep(0.05)
            continue
        finally:
            connection.close()
        if answer.status in _AGAIN:
            time.sleep(0.2)
            continue
        with told.lock:
            told.given += 1
            told.answers[name].add(given)
            if answer.status != 201:
                told.breaches.append(f"{name}: {answer.status} {given!r}")
        return
    with told.lock:
        told.breaches.append(f"{name}: no answer within {PATIENCE:.0f} s")


@contextmanager
def _killing(master: int, told: Told) -> Iterator[None]:
    """Kill one child of this process after the other, at random moments."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(random.uniform(0.5, 1.5) * KILL_EVERY):
            children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
            if children:
                with suppress(ProcessLookupError):
                    os.kill(int(random.choice(children)), signal.SIGKILL)
                    told.kills += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _compare(told: Told, url: str) -> None:
    """Compare the answers with each other and with the rows."""
    told.breaches += [f"{name}: {len(each)} different answers" for name, each in told.answers.items() if len(each) > 1]
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT dedupe_key, id FROM notifier_notifications WHERE dedupe_key LIKE 'key:repeat:%'")
        ).all()
    engine.dispose()
    stored = {row[0].removeprefix("key:"): str(row[1]) for row in rows}
    if len(rows) != len(told.answers) or stored.keys() != told.answers.keys():
        told.breaches.append(f"{len(told.answers)} emails were asked for, and {len(rows)} rows are stored")
    for name, answers in told.answers.items():
        ids = {json.loads(each).get("id") for each in answers}
        if ids != {stored.get(name)}:
            told.breaches.append(f"{name}: the answer has {ids}, the row {stored.get(name)}")
