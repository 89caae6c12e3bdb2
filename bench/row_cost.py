"""`python -m bench.row_cost`: what one email costs in the database: row versions, dead rows, index entries, WAL.

A real announcement by `notifier campaign run` into a sink, after one that is not counted. Statistics of Postgres count
the rows, and `pg_waldump` counts the records of the WAL. The figures are for the whole run: the row of the email, its
expansion, its sending, and all that goes with them. It exits with 1 if an email was lost or doubled.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from rich.console import Console
from rich.table import Table

from bench.campaigns import Announcement
from bench.race import Run, run_once
from bench.servers import Stage, open_stage
from notifier.testing.servers.postgres import postgres_binaries

_ROWS = """
SELECT n_tup_ins AS inserted, n_tup_upd AS updated, n_tup_hot_upd AS hot, n_tup_del AS deleted
FROM pg_stat_user_tables WHERE relname = 'notifier_notifications'
"""
#: Seconds after which all sessions have told their statistics: an idle one tells them within ten.
_TOLD = 11.0

#: A line of `pg_waldump --stats=record`: its kind, its number, and the bytes of records and of whole pages.
_RECORDS = re.compile(r"^(\w+)/(\S+)\s+(\d+)\s+\([^)]*\)\s+(\d+)\s+\([^)]*\)\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wal:
    """What was written to the WAL."""

    records: int
    #: Without the images of whole pages, of which there is one for each page after a checkpoint.
    bytes: int
    image_bytes: int
    #: Insertions into leaves of B-tree indexes.
    index_entries: int


def _position(stage: Stage) -> str:
    with psycopg.connect(stage.dsn) as connection:
        row = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    assert row is not None
    return str(row[0])


def _rows(stage: Stage) -> Mapping[str, int]:
    time.sleep(_TOLD)
    with psycopg.connect(stage.dsn) as connection:
        cursor = connection.execute(_ROWS)
        row = cursor.fetchone()
    assert row is not None
    assert cursor.description is not None
    return dict(zip([each.name for each in cursor.description], row, strict=True))


def _wal(stage: Stage, since: str, until: str) -> Wal:
    home = stage.postgres.home
    program = postgres_binaries(home) / "pg_waldump"
    argv = [str(program), "--path", str(home / "data" / "pg_wal"), "--start", since, "--end", until, "--stats=record"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = [(manager, kind, *map(int, counts)) for manager, kind, *counts in _RECORDS.findall(told)]
    return Wal(
        sum(count for _, _, count, _, _ in found),
        sum(size for _, _, _, size, _ in found),
        sum(images for *_, images in found),
        sum(count for manager, kind, count, _, _ in found if manager == "Btree" and kind.startswith("INSERT_LEAF")),
    )


def measure(emails: int) -> tuple[Run, Mapping[str, int], Wal]:
    """Return the run, the rows of the ledger by what was done to them, and the WAL."""
    with open_stage(emails, sys.executable) as stage:
        # What it writes is the campaign's alone: nothing else cleans up meanwhile, and all WAL stays.
        stage.execute(
            "ALTER SYSTEM SET autovacuum = off",
            "ALTER SYSTEM SET max_wal_size = '20GB'",
            "ALTER SYSTEM SET wal_keep_size = '20GB'",
            "SELECT pg_reload_conf()",
        )
        contender = Announcement()
        contender.prepare(stage)
        run_once(stage, contender, delay_ms=0, emails=emails, number=1)
        stage.execute("VACUUM ANALYZE", "CHECKPOINT")
        contender.reset(stage)
        before, since = _rows(stage), _position(stage)
        run = run_once(stage, contender, delay_ms=0, emails=emails, number=2)
        after, until = _rows(stage), _position(stage)
        return run, {name: after[name] - before[name] for name in after}, _wal(stage, since, until)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.row_cost", description=__doc__.splitlines()[0])
    parser.add_argument("--emails", type=int, default=20_000, help="emails of the campaign (20,000)")
    options, console = parser.parse_args(), Console(highlight=False, width=120)
    run, rows, wal = measure(options.emails)
    table = Table("of one email", "number")
    each = {
        "row versions": rows["inserted"] + rows["updated"],
        "of them dead afterwards": rows["updated"] + rows["deleted"],
        "updates in place (HOT)": rows["hot"],
        "index entries, of all tables": wal.index_entries,
        "records of WAL": wal.records,
        "bytes of WAL": wal.bytes,
        "bytes of whole pages in it": wal.image_bytes,
    }
    for name, count in each.items():
        table.add_row(name, f"{count / options.emails:,.2f}")
    console.print(table)
    console.print(f"lost {run.lost}, doubled {run.duplicates}")
    return 1 if run.lost or run.duplicates else 0


if __name__ == "__main__":
    sys.exit(main())
