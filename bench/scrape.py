"""What monitoring costs: `python -m bench.scrape --rows 1000000`.

Postgres with a million notifications, and 60,000 that are due. It measures a scrape of `/metrics`, with the gauges read
anew and with those of the cache, and what the triggers that count add to a claim and its settlement: of one email, and
of 250 together, in processor time of both sides, because commits wait for the disk.
"""

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from flask import Flask
from rich.console import Console
from rich.table import Table

from bench import processor
from bench.admin_rows import analyze, execute, populate
from bench.servers import SECRET, open_stage
from notifier import clock, ledger
from notifier.app import create_app
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.metrics import folding
from notifier.models import Status
from notifier.observability.exposition import Exposition
from notifier.services import services_of

DATABASE = "bench_scrape"

#: The target for a scrape, in milliseconds.
TARGET = 20.0

#: Rows that are due besides those of the ledger; a tenth of them are people's own.
DUE = 60_000

_OWED = """
    INSERT INTO notifier_notifications (kind, user_id, recipient, dedupe_key, params, bulk, on_unknown, status, claims,
        attempts, unknowns, next_attempt_at, enqueue_at, created_at)
    SELECT 'verification', 1, 'u@example.com', 'due:' || n, '{}', n % 10 <> 0, 'resend', 'pending', 0, 0, 0,
        {at:n / 60000.0}, {at:0}, {at:0} FROM {series:due}"""

#: One run of each campaign is under way.
_DONE = "UPDATE notifier_campaign_runs SET state = 'done' WHERE id <= 18"

#: How often each batch is claimed and settled in one turn, by its size, and turns with and without triggers.
_ROUNDS = {1: 60, 250: 12}
_TURNS = 4


def measure(rows: int, users: int, times: int) -> dict[str, Any]:
    """Measure everything. Return figures for JSON: milliseconds, and microseconds for each email."""
    with open_stage(1, "no-other-python") as stage:
        url = stage.postgres.create_database(DATABASE, template="bench")
        app = create_app(
            Settings(
                _env_file=None, notifier_env="test", database_url=url, secret_keys=[SECRET], ratelimit_enabled=False,
                public_url="http://notifier.test", redis_url=stage.valkey.url,
            )
        )  # fmt: skip
        with app.app_context():
            _populate(app, rows, users)
            found: dict[str, Any] = {"rows": rows, "due": DUE}
            found |= {f"scrape, {name} (ms)": each for name, each in _scrapes(app, times).items()}
            for size in _ROUNDS:
                found |= {f"{name}, {size} at once (us an email)": each for name, each in _counting(size).items()}
            return found


def _populate(app: Flask, rows: int, users: int) -> None:
    populate(services_of(app).kinds, rows, users)
    for statement in (_DONE, _OWED):
        execute(db.session.connection(), statement, {"due": DUE})
    db.session.commit()
    folding.fold(db.session)
    analyze()


def _scrapes(app: Flask, times: int) -> dict[str, float]:
    services = services_of(app)

    def expose(cache_seconds: float) -> Exposition:
        names = services.transports.names
        return Exposition(
            db.session, services.sender.leases.now, transports=names, kinds=services.kinds, cache_seconds=cache_seconds
        )

    anew, cached = expose(-1), expose(15)
    found = {}
    for name, each in (("gauges read anew", anew), ("gauges cached", cached)):
        median, worst, processor = _times(each.render, times)
        found |= {name: median, f"{name}, worst": worst, f"{name}, processor": processor}
    return found


def _counting(size: int) -> dict[str, float]:
    """Return microseconds for each email, with the triggers and without, in turns: the machine may be busy."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    # In turns, because the machine may be busy. The first ones after a change plan their statements anew.
    for number in range(2 * _TURNS):
        on = number % 2 == 0
        _triggers(on=on)
        used = [_claim_and_settle(size) * 1e6 / size for _ in range(_ROUNDS[size])]
        taken[on] += used[_ROUNDS[size] // 2 :]
    _triggers(on=True)
    with_, without = (statistics.median(taken[on]) for on in (True, False))
    return {"processor, claimed and settled": with_, "processor, without triggers": without, "added": with_ - without}


def _triggers(*, on: bool) -> None:
    for name in ("added", "moved"):
        state = "ENABLE" if on else "DISABLE"
        db.session.connection().exec_driver_sql(
            f"ALTER TABLE notifier_notifications {state} TRIGGER notifier_notifications_count_{name}"
        )
    db.session.commit()


def _claim_and_settle(size: int) -> float:
    now = clock.now()
    found = db.session.connection().exec_driver_sql(
        "SELECT id FROM notifier_notifications WHERE dedupe_key LIKE 'due:%%' AND status = 'pending' LIMIT %(size)s",
        {"size": size},
    )
    pks = list(found.scalars())
    db.session.rollback()
    backends = processor.backends_of(db.engine)
    began = processor.used(backends)
    rows = ledger.claim(db.session(), pks, now=now, lease=timedelta(minutes=1), owner="bench")
    db.session.commit()
    ends = [ledger.Settlement(row.id, row.claim, Status.sent, 1, 0, sent_at=now) for row in rows]
    settled = ledger.settle(db.session(), ends, now=now)
    db.session.commit()
    assert settled == size
    return processor.used(backends) - began


def _times(act: Callable[[], object], times: int) -> tuple[float, float, float]:
    """Return the median and the longest time of `act`, and the processor time of both sides, in milliseconds.

    The server runs on this machine.
    """
    act()  # the first one compiles statements
    backends, taken, costs = processor.backends_of(db.engine), [], []
    for _ in range(times):
        began, start = processor.used(backends), time.perf_counter()
        act()
        taken.append((time.perf_counter() - start) * 1000)
        costs.append((processor.used(backends) - began) * 1000)
    return statistics.median(taken), max(taken), statistics.median(costs)


def main() -> None:
    """Run the command line. Exit with 1 if a scrape takes more than TARGET of the processors."""
    parser = argparse.ArgumentParser(description="Measure what monitoring costs over a large ledger.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="notifications")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=21, help="scrapes")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found = measure(options.rows, options.users, options.times)
    table = Table("what", "figure")
    for name, each in found.items():
        table.add_row(name, f"{each:,.1f}" if isinstance(each, float) else f"{each:,}")
    Console(width=100).print(table)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    raise SystemExit(found["scrape, gauges read anew, processor (ms)"] >= TARGET)


if __name__ == "__main__":
    main()
