"""`python -m bench.imports`: import people by the command, twice, and once more after kill -9.

One Postgres of its own, durable. The file has an id, an address, a name, a language, a time zone, a date of
confirmation for nine of ten people, and two attributes; every thousandth line is to be refused. It prints the seconds
and the memory of the command: after a tenth of its time, and at most. Exit with 1 if a number is not the expected one,
the second import changes anything, the people after kill -9 and a new start are not those of the file, or memory grows
by more than 10 %.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from rich.console import Console
from rich.table import Table

from bench.children import clean_env
from bench.servers import DURABLE, SECRET
from notifier.dev.process import die_with_parent
from notifier.testing.applications import migrate
from notifier.testing.servers.postgres import PostgresServer

DATABASE: Final = "bench_imports"
#: The most that memory may grow, as a share.
MOST_GROWTH: Final = 0.1
#: When the command is killed, as a share of the time that it took before.
KILLED_AFTER: Final = 0.4
LIMIT_SECONDS: Final = 300.0
#: One line of this many is to be refused.
REFUSED_EVERY: Final = 1000

console = Console(width=120)


@dataclass(frozen=True)
class Measured:
    """One run of the command."""

    what: str
    seconds: float
    #: Bytes after a tenth of the time, and at most after that.
    tenth: int
    most: int
    #: What it printed; empty if it was killed.
    said: dict[str, Any]

    @property
    def growth(self) -> float:
        """Return by how much memory grew, as a share."""
        return self.most / self.tenth - 1 if self.tenth else 0.0


def write_file(path: Path, users: int) -> None:
    """Write the file of people."""
    with path.open("w") as file:
        file.write("external_id,email,name,locale,timezone,confirmed_at,attributes.plan,attributes.city\n")
        for number in range(1, users + 1):
            domain = "example.com" if number % 10 else f"d{number}.example.org"
            address = "refused" if number % REFUSED_EVERY == 0 else f"User.{number}@{domain}"
            date = "" if number % 10 == 1 else f"2025-{number % 12 + 1:02}-01T08:00:00Z"
            file.write(f"u{number},{address},User {number},pt-BR,Europe/Berlin,{date},pro,City {number % 100}\n")


def run(what: str, file: Path, url: str, *, kill_after: float | None = None) -> Measured:
    """Run the command, and kill it after this many seconds, if they are given."""
    env = clean_env({"DATABASE_URL": url, "SECRET_KEYS": SECRET, "NOTIFIER_DATA_DIR": str(file.parent)})
    argv = [sys.executable, "-m", "notifier", "users", "import", str(file), "--json"]
    begun, samples = time.perf_counter(), []
    with (file.parent / "log").open("ab") as log:
        process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=log, preexec_fn=die_with_parent)
    while process.poll() is None:
        elapsed = time.perf_counter() - begun
        samples.append((elapsed, _memory(process.pid)))
        if elapsed > (kill_after or LIMIT_SECONDS):
            process.send_signal(signal.SIGKILL)
            process.wait()
        time.sleep(0.05)
    seconds = time.perf_counter() - begun
    later = [memory for elapsed, memory in samples if elapsed > seconds / 10]
    assert process.stdout is not None
    said = process.stdout.read()
    return Measured(what, seconds, later[0], max(later), json.loads(said) if said else {})


def _memory(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        # It has just ended.
        return 0


def measure(dsn: str, url: str, folder: Path, users: int) -> bool:
    """Measure, and print. Return whether everything is as it must be."""
    file = folder / "people.csv"
    write_file(file, users)
    refused = users // REFUSED_EVERY
    first = run("first", file, url)
    again = run("again", file, url)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE notifier_users CASCADE")
    killed = run("killed", file, url, kill_after=first.seconds * KILLED_AFTER)
    before = _people(dsn)
    resumed = run("resumed", file, url)
    runs = (first, again, killed, resumed)
    _show(runs, before)
    counted = [first.said.get("created"), again.said.get("unchanged"), _people(dsn)]
    right = counted == [users - refused] * 3 and again.said.get("changed") == 0
    goes_on = 0 < before < users - refused and resumed.said.get("unchanged") == before
    return right and goes_on and all(each.growth <= MOST_GROWTH for each in (first, again, resumed))


def _people(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(DISTINCT external_id) FROM notifier_users").fetchone()
    assert row is not None
    return int(row[0])


def _show(runs: tuple[Measured, ...], before: int) -> None:
    table = Table("import", "new", "unchanged", "refused", "seconds", "MB at 10 %", "MB at most", "load")
    for each in runs:
        numbers = [f"{each.said[name]:,}" if each.said else "" for name in ("created", "unchanged", "refused")]
        if not each.said:
            numbers[0] = f"{before:,} stored"
        memory = (f"{each.tenth / 1e6:.1f}", f"{each.most / 1e6:.1f}")
        table.add_row(each.what, *numbers, f"{each.seconds:.1f}", *memory, f"{os.getloadavg()[0]:.1f}")
    console.print(table)


def main() -> int:
    """Run it. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PostgresServer(own=True, settings=DURABLE) as postgres:
        url = postgres.create_database(DATABASE)
        migrate(url)
        return 0 if measure(postgres.dsn(DATABASE), url, Path(folder), args.users) else 1


if __name__ == "__main__":
    sys.exit(main())
