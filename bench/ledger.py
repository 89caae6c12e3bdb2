"""`python -m bench.ledger`: does a large ledger, an old snapshot or a long run slow down campaigns?

Real announcements, each by `notifier campaign run` into a sink: over an empty ledger and over one of `--rows` emails;
several while an idle transaction holds a snapshot, as a dump or a forgotten `psql` does, so that Postgres removes no
dead row; and one run of `--people`. It exits with 1 if an email was lost or doubled.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import psycopg
from rich.console import Console

from bench.campaigns import Announcement
from bench.race import Run, run_once
from bench.servers import Stage, open_stage

#: A sent email of the past: as long as those that the ledger really holds.
_FILL = """
INSERT INTO notifier_notifications (kind, user_id, recipient, dedupe_key, params, bulk, on_unknown, status,
    claims, attempts, unknowns, next_attempt_at, enqueue_at, created_at, sent_at, settled_at, server_id,
    message_id, last_phase, last_code, last_text)
SELECT 'announcement', u.id, u.email, 'past:' || n, '{}', true, 'never',
    CASE WHEN n %% 50 = 0 THEN 'bounced' ELSE 'sent' END, 1, 1, 0, at, at, at, at, at, '4cQ' || n,
    '<n' || n || '.abcdefghijklmnop@mail.example.com>', 'eod', 250, 'ok'
FROM (
    SELECT n, now() - interval '1 day' - n * interval '1 second' AS at
    FROM generate_series(%s::bigint, %s::bigint) AS n
) AS s
JOIN notifier_users AS u ON u.id = (SELECT min(id) FROM notifier_users) + s.n %% 1000
"""
_PART = 1_000_000


class Again(Announcement):
    """A campaign over the ledger as it is."""

    def reset(self, stage: Stage) -> None:
        """Empty the broker, and let the next campaign have the name of this one."""
        stage.forget()
        stage.execute("UPDATE notifier_campaigns SET name = 'earlier-' || id WHERE name = 'bench-announcement'")


def fill(stage: Stage, rows: int) -> None:
    """Add `rows` emails of the past."""
    with psycopg.connect(stage.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE notifier_notifications DISABLE TRIGGER USER")
        for first in range(1, rows + 1, _PART):
            connection.execute(_FILL, (first, min(first + _PART - 1, rows)))
        connection.execute("ALTER TABLE notifier_notifications ENABLE TRIGGER USER")
        connection.execute("VACUUM ANALYZE notifier_notifications")
        connection.execute("CHECKPOINT")


@contextmanager
def snapshot(stage: Stage) -> Iterator[None]:
    """Hold a snapshot of now."""
    with psycopg.connect(stage.dsn) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM notifier_campaigns")
        yield
        connection.rollback()


class Bench:
    """The campaigns of one call, and what they showed."""

    def __init__(self, stage: Stage, console: Console, emails: int) -> None:
        self._stage, self._console, self._emails = stage, console, emails
        self.runs: list[Run] = []

    def campaign(self, what: str, emails: int | None = None, *, limit: float = 180.0) -> Run:
        """Run one, and tell its rate."""
        number = len(self.runs) + 1
        run = run_once(self._stage, Again(), delay_ms=0, emails=emails or self._emails, number=number, limit=limit)
        self.runs.append(run)
        self._console.print(
            f"{what}: {run.mails_per_second:,.0f} emails/s, Postgres {run.postgres_cpu_per_1000:.2f} CPU s per 1,000, "
            f"lost {run.lost}, doubled {run.duplicates}"
        )
        return run

    def several(self, what: str, times: int) -> list[float]:
        """Return the rates of several."""
        return [self.campaign(f"{what} {number}").mails_per_second for number in range(1, times + 1)]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="emails of the past (10,000,000; 0: leave out)")
    parser.add_argument("--emails", type=int, default=20_000, help="emails of each campaign (20,000)")
    parser.add_argument("--campaigns", type=int, default=8, help="campaigns under one snapshot (8; 0: leave out)")
    parser.add_argument("--people", type=int, default=500_000, help="emails of the long run (500,000; 0: leave out)")
    options, console = parser.parse_args(), Console(highlight=False, width=120)
    with open_stage(max(options.emails, options.people), sys.executable) as stage:
        Again().prepare(stage)
        bench = Bench(stage, console, options.emails)
        bench.campaign("warm-up")
        if options.people:
            run = bench.campaign(f"one run of {options.people:,}", options.people, limit=1800.0)
            console.print(f"  emails in each whole minute: {', '.join(f'{each:,}' for each in run.per_minute)}")
            if len(run.per_minute) > 1:
                console.print(f"  the last minute is {run.per_minute[-1] / run.per_minute[0]:.0%} of the first")
        if options.rows:
            stage.execute("TRUNCATE notifier_notifications CASCADE", "CHECKPOINT")
            empty = median(bench.several("empty ledger", 3))
            fill(stage, options.rows)
            full = median(bench.several(f"{options.rows:,} emails", 3))
            console.print(f"over {options.rows:,} emails the rate is {full / empty:.0%} of that over none")
        if options.campaigns:
            with snapshot(stage):
                rates = bench.several("under one snapshot", options.campaigns)
            console.print(
                f"under one snapshot, the last campaign has {rates[-1] / rates[0]:.0%} of the first one's rate"
            )
    return 1 if any(run.lost or run.duplicates for run in bench.runs) else 0


if __name__ == "__main__":
    sys.exit(main())
