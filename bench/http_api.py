"""`python -m bench.http_api`: measure the HTTP API with two web processes, a durable Postgres and a real broker.

Activities in batches of 10,000 and emails in batches of 1,000; then single emails from several clients at once, as fast
as they are taken, and at half of that rate. The clients run on the same machine and take their share of it. No worker
runs: what is measured is the way to the committed row. At the end every email is asked for five times at once while web
processes are killed. It exits with 1 unless there is one row and one answer for each.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from os import sysconf
from pathlib import Path
from statistics import median
from sys import executable
from typing import Any, NamedTuple

from rich.console import Console

from bench.arithmetic import percentile
from bench.children import READY_SECONDS, Child, clean_env
from bench.http_repeats import REPEATS, repeat
from bench.servers import DURABLE, SECRET
from notifier import migrating
from notifier.app import create_app
from notifier.config.settings import Settings
from notifier.dev.plan import is_healthy
from notifier.dev.ports import free_port, wait_until
from notifier.extensions import db
from notifier.operators import api_keys
from notifier.operators.audit_log import COMMAND_LINE
from notifier.testing.servers.postgres import PostgresServer
from notifier.testing.servers.valkey import ValkeyServer

_HOST = "127.0.0.1"

PEOPLE = 100
ITEMS = 10_000
EMAILS = 1000
ROUNDS = 5
CLIENTS = 8

SCOPES = ("users:write", "activities:write", "notifications:write")

_numbers = count()


class Client:
    """One connection that stays open."""

    def __init__(self, port: int, key: str) -> None:
        """Connect to the server at `port` with this key."""
        self._connection = http.client.HTTPConnection(_HOST, port)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any, **headers: str) -> Any:
        """Return what is answered. Raise RuntimeError for an error."""
        given = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, f"/v1{path}", json.dumps(body), given)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text!r}")
        return json.loads(text)

    def send(self) -> float:
        """Ask for one email with a key of its own. Return the seconds that it took."""
        number = next(_numbers)
        body = {"to": f"u{number % PEOPLE}", "kind": "verification"}
        start = time.perf_counter()
        self.ask("POST", "/notifications", body, Idempotency_Key=f"email:{number}")
        return time.perf_counter() - start


class Site(NamedTuple):
    """What runs."""

    port: int
    #: An API key.
    key: str
    #: The first process of the web server, whose children answer.
    master: int
    #: Of the database.
    url: str

    def cpu(self) -> float:
        """Return the CPU seconds of the web processes so far."""
        pids = Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()
        stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
        return sum(int(each[11]) + int(each[12]) for each in stats) / sysconf("SC_CLK_TCK")


@contextmanager
def open_site() -> Iterator[Site]:
    """Start everything."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notifier-http-api-")))
        url = stack.enter_context(PostgresServer(own=True, settings=DURABLE)).create_database("http_api")
        valkey = stack.enter_context(ValkeyServer(own=True))
        settings = Settings(_env_file=None, notifier_env="test", database_url=url, secret_keys=[SECRET])
        app = create_app(settings, publish=lambda keys, bulk: None)
        with app.app_context():
            migrating.upgrade()
            made = api_keys.create(db.session(), name="bench", wanted=SCOPES, kinds=["verification"], by=COMMAND_LINE)
            db.session.commit()
            db.session.remove()
            db.engine.dispose()
        env = clean_env(
            {
                "NOTIFIER_ENV": "development",
                "NOTIFIER_DATA_DIR": str(folder),
                "SECRET_KEYS": SECRET,
                "DATABASE_URL": url,
                "REDIS_URL": valkey.url,
                "API_REQUESTS_PER_MINUTE": "10000000",
            }
        )
        port = free_port()
        argv = [
            executable, "-m", "gunicorn", "-c", "python:notifier.gunicorn_conf", "notifier.wsgi:app",
            "--bind", f"{_HOST}:{port}",
        ]  # fmt: skip
        web = stack.enter_context(Child("web", argv, env, folder))
        if not wait_until(lambda: is_healthy(_HOST, port), READY_SECONDS):
            raise web.error("was not ready")
        yield Site(port, made.text, web.pid, url)


def batches(client: Client) -> list[float]:
    """Return the seconds of each batch of activities."""
    took = []
    for number in range(ROUNDS):
        items = [
            {
                "to": f"u{each % PEOPLE}",
                "kind": "like",
                "id": f"{number}:{each}",
                "actor": "Bo",
                "object_key": "photo:1",
            }
            for each in range(ITEMS)
        ]
        start = time.perf_counter()
        answer = client.ask("POST", "/activities/batch", {"activities": items})
        took.append(time.perf_counter() - start)
        if answer["stored"] != ITEMS:
            raise RuntimeError(f"only {answer['stored']} of {ITEMS} activities are new")
    return took


def email_batches(client: Client) -> list[float]:
    """Return the seconds of each batch of emails."""
    took = []
    for number in range(ROUNDS):
        items = [
            {"to": f"u{each % PEOPLE}", "kind": "verification", "key": f"{number}:{each}"} for each in range(EMAILS)
        ]
        start = time.perf_counter()
        answer = client.ask("POST", "/notifications/batch", {"notifications": items})
        took.append(time.perf_counter() - start)
        if len(answer["data"]) != EMAILS:
            raise RuntimeError(f"only {len(answer['data'])} of {EMAILS} emails are stored")
    return took


def singles(port: int, key: str, seconds: float, rate: float | None) -> tuple[float, list[float]]:
    """Send from CLIENTS at once for `seconds`. `rate`: emails a second of all; None: as fast as they are taken.

    Return the emails a second, and the seconds of each.
    """
    until = time.perf_counter() + seconds

    def run(place: int) -> list[float]:
        client, took = Client(port, key), []
        due = time.perf_counter() + (place / rate if rate else 0)
        while time.perf_counter() < until:
            if rate:
                time.sleep(max(0.0, due - time.perf_counter()))
                due += CLIENTS / rate
            took.append(client.send())
        return took

    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        took = [each for found in pool.map(run, range(CLIENTS)) for each in found]
    return len(took) / (time.perf_counter() - start), took


def main() -> int:
    """Run the command line. Return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.http_api", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15, help="time of each round of single emails (15)")
    options, console = parser.parse_args(), Console(highlight=False)
    with open_site() as site:
        client = Client(site.port, site.key)
        for number in range(PEOPLE):
            client.ask("PUT", f"/users/u{number}", {"email": f"u{number}@example.com"})
        took = batches(client)
        console.print(f"{ITEMS:,} activities in one request: {median(took):.2f} s, at most {max(took):.2f} s")
        took = email_batches(client)
        console.print(f"{EMAILS:,} emails in one request: {median(took):.2f} s, at most {max(took):.2f} s")
        singles(site.port, site.key, 2, None)
        before = site.cpu()
        most, each = singles(site.port, site.key, options.seconds, None)
        cost = (site.cpu() - before) / len(each) * 1000
        console.print(f"single emails, {CLIENTS} clients: {most:.0f} a second, {cost:.2f} ms of CPU each")
        rate, each = singles(site.port, site.key, options.seconds, most / 2)
        middle, late = (percentile(each, share) * 1000 for share in (0.5, 0.99))
        console.print(f"at {rate:.0f} a second: p50 {middle:.1f} ms, p99 {late:.1f} ms")
        told = repeat(site.port, site.key, site.master, site.url, options.seconds, PEOPLE)
    console.print(
        f"{len(told.answers):,} emails, each asked for {REPEATS} times at once, {told.kills} processes killed, "
        f"{told.broken} requests broken: {len(told.breaches)} breaches"
    )
    for line in told.breaches[:20]:
        console.print(line)
    return 1 if told.breaches or not told.kills or not told.answers else 0


if __name__ == "__main__":
    sys.exit(main())
