"""`python -m bench.send_cost`: measure what `Notifier.send` adds to a request of a host, the commit included.

A host with users and orders of its own, on a durable Postgres, with a real broker. Each pair is an order stored without
an email, and one stored with it, in turns. What the broker costs after the commit is counted apart. Then the broker
hangs, and the same requests go on. Exit with 1 if a median is above its limit.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from rich.console import Console
from rich.table import Table
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.arithmetic import percentile
from bench.servers import DURABLE, SECRET
from notifier.embedding import Notifier, UserFields
from notifier.testing.servers.postgres import PostgresServer
from notifier.testing.servers.valkey import ValkeyServer

WARM_UP = 50

#: The most that a median may be, in milliseconds: up to and with the commit, and the enqueueing after it.
MOST_MS = 1.0
#: The most that the first request waits for a broker that hangs, in seconds.
MOST_HUNG = 0.2
#: Requests while the broker hangs.
HUNG_REQUESTS = 20


class Base(DeclarativeBase):
    """The tables of the host."""


db = SQLAlchemy(model_class=Base)


class Customer(db.Model):  # type: ignore[name-defined, misc]  # made by Flask-SQLAlchemy
    """A user of the host."""

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]


class Order(db.Model):  # type: ignore[name-defined, misc]  # made by Flask-SQLAlchemy
    """What a request stores."""

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))


@dataclass
class Request:
    """The seconds of one request."""

    total: float
    #: Of handing the key to the broker, after the commit.
    enqueueing: float

    @property
    def up_to_commit(self) -> float:
        """Return the seconds up to and with the commit."""
        return self.total - self.enqueueing


@dataclass
class Clocked:
    """A way to the broker that measures itself."""

    enqueue: Callable[[Sequence[int]], object]
    taken: list[float] = field(default_factory=list)

    def __call__(self, keys: Sequence[int]) -> object:
        """Enqueue these keys."""
        begun = time.perf_counter()
        try:
            return self.enqueue(keys)
        finally:
            self.taken.append(time.perf_counter() - begun)


class Shop:
    """The host, with notifier inside."""

    def __init__(self, dsn: str, broker: str, folder: Path) -> None:
        """Create its tables and ours, and a customer."""
        self.app = Flask("shop", instance_path=str(folder))
        self.app.config |= {
            "SQLALCHEMY_DATABASE_URI": dsn,
            "NOTIFIER_REDIS_URL": broker,
            "NOTIFIER_SECRET_KEYS": SECRET,
            "NOTIFIER_DATA_DIR": str(folder),
        }
        db.init_app(self.app)
        self.notifier = Notifier()

        @self.notifier.user(Customer, watch=("email",))
        def fields(customer: Customer) -> UserFields:
            return UserFields(id=customer.id, email=customer.email)

        self.notifier.init_app(self.app, session=db.session, mount="/mail")
        self.clocked = Clocked(self.notifier._commits.enqueue or _no_broker)
        self.notifier._commits.enqueue = self.clocked
        with self.app.app_context():
            db.create_all()
            self.notifier.create_all(db.engine)
            db.session.add(Customer(id=1, email="ada@example.com"))
            db.session.commit()

    def order(self, *, send: bool) -> Request:
        """Store an order, with an email or without, as a request does."""
        self.clocked.taken.clear()
        with self.app.app_context():
            customer = db.session.get_one(Customer, 1)
            begun = time.perf_counter()
            db.session.add(Order(customer_id=customer.id))
            if send:
                self.notifier.send("verification", to=customer)
            db.session.commit()
            total = time.perf_counter() - begun
        return Request(total, sum(self.clocked.taken))


def _no_broker(_keys: Sequence[int]) -> object:
    raise AssertionError("the host has a broker")


def measure(shop: Shop, pairs: int) -> tuple[list[Request], list[Request]]:
    """Return the requests without an email and with one, in turns; which one is first changes too."""
    plain: list[Request] = []
    sending: list[Request] = []
    for number in range(pairs + WARM_UP):
        for send in (True, False) if number % 2 else (False, True):
            (sending if send else plain).append(shop.order(send=send))
    return plain[WARM_UP:], sending[WARM_UP:]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.send_cost", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    pairs: int = parser.parse_args(arguments).pairs
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notifier-bench-")))
        postgres = stack.enter_context(PostgresServer(own=True, settings=DURABLE))
        valkey = stack.enter_context(ValkeyServer(own=True))
        shop = Shop(postgres.create_database("shop"), valkey.url, folder)
        plain, sending = measure(shop, pairs)
        valkey.pause()
        hung = [shop.order(send=True) for _ in range(HUNG_REQUESTS)]
        valkey.cont()
    return report(plain, sending, hung)


def report(plain: Sequence[Request], sending: Sequence[Request], hung: Sequence[Request]) -> int:
    """Print the figures. Return 1 if one is above its limit."""
    base = [each.total for each in plain]
    added = (median(each.up_to_commit for each in sending) - median(base)) * 1000
    enqueueing = median(each.enqueueing for each in sending) * 1000
    first, later = hung[0].enqueueing, median(each.enqueueing for each in hung[1:])
    table = Table("what", "median", "p99", "limit")
    table.add_row("request without an email", f"{median(base) * 1000:.2f} ms", _p99(base), "")
    with_email = [each.up_to_commit for each in sending]
    table.add_row("request with an email, commit included", f"{median(with_email) * 1000:.2f} ms", _p99(with_email), "")
    table.add_row("send adds", f"{added:.2f} ms", "", f"{MOST_MS:g} ms")
    table.add_row(
        "enqueueing after the commit", f"{enqueueing:.2f} ms", _p99([r.enqueueing for r in sending]), f"{MOST_MS:g} ms"
    )
    table.add_row("broker hangs: the first request waits", f"{first:.3f} s", "", f"{MOST_HUNG:g} s")
    table.add_row("broker hangs: the requests after it", f"{later * 1000:.2f} ms", "", "")
    Console().print(table)
    return int(added > MOST_MS or enqueueing > MOST_MS or max(each.enqueueing for each in hung) > MOST_HUNG)


def _p99(seconds: Sequence[float]) -> str:
    return f"{percentile(seconds, 0.99) * 1000:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
