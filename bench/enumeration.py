"""`python -m bench.enumeration`: check that the time of an answer does not reveal whether an address is known.

A real web server, worker, broker and mail server, on SQLite and on Postgres. For each door and each pair of states, as
in tests/data/enumeration.json, probes of both states alternate, each with an address of its own. It prints the
probability that a probe of the second state takes longer than one of the first (the area under the ROC curve: 0.5
reveals nothing), and the difference of the medians. Exit with 1 if a probability is outside of 0.4 to 0.6, or a
difference is above 10 ms.
"""

import argparse
import http.client
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from flask import Flask
from rich.console import Console
from rich.table import Table

from bench.arithmetic import auc
from bench.children import READY_SECONDS, Child, ChildError, clean_env
from bench.servers import DURABLE, SECRET, open_sink
from notifier import clock, migrating
from notifier.accounts import erasure
from notifier.accounts.signup import Applicant
from notifier.app import create_app
from notifier.config.settings import Settings
from notifier.consent import suppressions
from notifier.dev.plan import is_healthy
from notifier.dev.ports import free_port, wait_until
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import Preference, SuppressionReason, User
from notifier.operators.audit_log import SYSTEM
from notifier.services import services_of
from notifier.testing.forms import csrf_token
from notifier.testing.servers.postgres import PostgresServer
from notifier.testing.servers.valkey import ValkeyServer

DOORS = ("/signup", "/resend")
#: States that are compared with a new address.
STATES = ("verified", "unverified", "suppressed", "unsubscribed", "erased", "cooling down")
DATABASES = ("sqlite", "postgres")

#: The most that an answer may reveal.
FAIR, MOST_MS = (0.4, 0.6), 10.0

#: Seconds between two probes, random so that they are not in step with the worker.
PAUSE = 0.02
WARM_UP = 20
_HOST = "127.0.0.1"

console = Console()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of the times of two states."""

    database: str
    door: str
    state: str
    auc: float
    #: The median of new addresses, and by how much the other one is longer, in milliseconds.
    median: float
    difference: float

    @property
    def is_fair(self) -> bool:
        """Return True if the times do not reveal the state."""
        return FAIR[0] <= self.auc <= FAIR[1] and abs(self.difference) < MOST_MS


class Prober:
    """A client that posts the forms over one kept connection, each from another network."""

    def __init__(self, port: int) -> None:
        """Fetch a form, for its token and cookie."""
        self._connection = http.client.HTTPConnection(_HOST, port, timeout=READY_SECONDS)
        self._connection.request("GET", "/signup")
        answer = self._connection.getresponse()
        page = answer.read().decode()
        if answer.status != 200:
            raise ChildError(f"the sign-up page answers {answer.status}")
        self._token = csrf_token(page)
        self._cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        self._network = 0

    def probe(self, door: str, address: str) -> float:
        """Return the seconds that the answer took. Raise ChildError if the form is refused."""
        self._network += 1
        form = urlencode({"csrf_token": self._token, "email": address})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": self._cookie,
            "X-Forwarded-For": f"10.{self._network // 250}.{self._network % 250}.9",
        }
        begun = time.perf_counter()
        self._connection.request("POST", door, form, headers)
        answer = self._connection.getresponse()
        answer.read()
        took = time.perf_counter() - begun
        if answer.status != http.HTTPStatus.SEE_OTHER:
            raise ChildError(f"{door} answers {answer.status}")
        return took


class People:
    """A source of addresses in each state."""

    def __init__(self, app: Flask) -> None:
        """Create it with an application on the database, without a broker."""
        self._app = app
        self._made = 0

    def of(self, state: str, count: int) -> list[str]:
        """Return addresses of this state, after creating their rows."""
        first, self._made = self._made, self._made + count
        addresses = [f"person{number}@example.com" for number in range(first, first + count)]
        if state != "new":
            with self._app.app_context():
                for address in addresses:
                    self._put(address, state)
                db.session.commit()
                db.session.remove()
        return addresses

    def _put(self, address: str, state: str) -> None:
        session = db.session()
        if state == "cooling down":
            services_of(self._app).accounts.register(session, Applicant(parse_address(address)))
            return
        user = User(email=address, identity_key=address, verified_at=None if state == "unverified" else clock.now())
        session.add(user)
        session.flush()
        if state in {"suppressed", "erased"}:
            reason = SuppressionReason.hard_bounce
            suppressions.add(session, user.identity_key, reason=reason, source="smtp", evidence="")
        if state == "unsubscribed":
            session.add_all(Preference(user_id=user.id, category=name, wanted=False) for name in ("news", "report"))
        if state == "erased":
            erasure.erase(session, user, keys=[SECRET], by=SYSTEM)


def compare(port: int, people: People, database: str, door: str, state: str, probes: int) -> Comparison:
    """Probe a new address and one of this state in turns, each pair in random order."""
    rng = random.Random(f"{door} {state}")
    waiting = {name: people.of(name, probes) for name in ("new", state)}
    took: dict[str, list[float]] = {name: [] for name in waiting}
    prober = Prober(port)
    for address in people.of("new", WARM_UP):
        prober.probe(door, address)
    for _ in range(probes):
        for name in rng.sample(sorted(waiting), 2):
            time.sleep(rng.random() * PAUSE)
            took[name].append(prober.probe(door, waiting[name].pop()))
    new, known = (median(took[name]) * 1000 for name in ("new", state))
    return Comparison(database, door, state, auc(took["new"], took[state]), new, known - new)


@contextmanager
def open_site(database: str) -> Iterator[tuple[int, People]]:
    """Start everything on a database of its own. Yield the port of the web server, and the source of addresses."""
    folder = Path(tempfile.mkdtemp(prefix="notifier-enumeration-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        url = f"sqlite:///{folder / 'notifier.db'}"
        if database == "postgres":
            url = stack.enter_context(PostgresServer(own=True, settings=DURABLE)).create_database("enumeration")
        valkey = stack.enter_context(ValkeyServer(own=True))
        sink = stack.enter_context(open_sink(folder, 5.0))
        settings = Settings(_env_file=None, notifier_env="test", database_url=url, secret_keys=[SECRET])
        app = create_app(settings, publish=lambda keys, bulk: None)
        with app.app_context():
            migrating.upgrade()
            db.session.remove()
        env = clean_env(
            {
                "NOTIFIER_ENV": "test",
                "NOTIFIER_DATA_DIR": str(folder),
                "SECRET_KEYS": SECRET,
                "DATABASE_URL": url,
                "REDIS_URL": valkey.url,
                "MAIL_SERVER": _HOST,
                "MAIL_PORT": str(sink.port),
                "MAIL_SUPPRESS_SEND": "0",
                "TRUSTED_PROXIES": "1",
            }
        )
        yield _start(stack, env, folder), People(app)
        with app.app_context():
            db.engine.dispose()


def _start(stack: ExitStack, env: dict[str, str], folder: Path) -> int:
    ready = folder / "worker.ready"
    worker = [
        sys.executable, "-m", "celery", "-A", "bench.faults.worker:celery_app", "worker", "-n", "people@%h",
        "-Q", "notifier.transactional,notifier.control", "--pool", "threads", "--concurrency", "4", "--without-gossip",
        "--without-mingle", "--loglevel", "WARNING",
    ]  # fmt: skip
    child = stack.enter_context(Child("worker", worker, env | {"NOTIFIER_READY_FILE": str(ready)}, folder))
    port = free_port()
    argv = [
        sys.executable, "-m", "gunicorn", "bench.faults.worker:app", "--bind", f"{_HOST}:{port}", "--workers", "1",
        "--threads", "8", "--keep-alive", "60", "--no-control-socket",
    ]  # fmt: skip
    web = stack.enter_context(Child("web", argv, env, folder))
    child.wait_for(ready)
    if not wait_until(lambda: is_healthy(_HOST, port), READY_SECONDS):
        raise web.error("was not ready")
    return port


def measure(options: argparse.Namespace, told: Callable[[Comparison], None]) -> list[Comparison]:
    """Compare the states with a new address, at the requested doors and databases."""
    found = []
    for database in options.database or DATABASES:
        with open_site(database) as (port, people):
            for door in options.door or DOORS:
                for state in options.state or STATES:
                    found.append(compare(port, people, database, door, state, options.probes))
                    told(found[-1])
    return found


def _times(one: Comparison) -> tuple[str, str]:
    return f"{one.median:.1f} ms", f"{one.difference:+.2f} ms"


def _tell(one: Comparison) -> None:
    Console(stderr=True).print(f"{one.database} {one.door} {one.state}: {one.auc:.3f}", highlight=False)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.enumeration", description=__doc__)
    parser.add_argument("--probes", type=int, default=200, help="probes of each state (200)")
    for name, choices in (("database", DATABASES), ("door", DOORS), ("state", STATES)):
        parser.add_argument(f"--{name}", choices=choices, action="append", help="only this one; repeatable")
    found = measure(parser.parse_args(), _tell)
    table = Table(box=None, pad_edge=False)
    for heading in ("database", "door", "new address against", "AUC", "median", "the other one", ""):
        table.add_column(heading)
    for one in found:
        verdict = "" if one.is_fair else "TELLS"
        table.add_row(one.database, one.door, one.state, f"{one.auc:.3f}", *_times(one), verdict)
    console.print(table)
    if not all(one.is_fair for one in found):
        sys.exit("bench: the time of an answer reveals whether an address is known")


if __name__ == "__main__":
    main()
