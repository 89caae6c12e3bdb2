"""`python -m bench.bounce_reader`: read 100,000 emails that came back, twice, and once more with kill -9 in between.

One Postgres of its own, durable (`--sqlite`: a file). A ledger of a million sent emails, and an mbox about them with
what servers write: dead addresses in many forms, full mailboxes, refusals of us, complaints, automatic replies, emails
about nothing of ours, the same ones again. `notifier bounces read --mbox` reads it as a process. Printed are its rate
and its memory after a tenth and at the end. Then it reads the file again, which must change no table. Then it reads the
file in a fresh copy of the ledger, and is killed at random points and started again; in the end each row must equal
that of the first reading. Exit with 1 if one does not, or if memory grows by more than 10 % after the first tenth.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import text

from bench.bounce_ledger import TABLES, connected, populate, sent_emails
from bench.bounce_mails import write_mbox
from bench.children import clean_env
from bench.servers import DURABLE, SECRET
from bench.usage import parse_stat
from notifier.dev.process import die_with_parent
from notifier.testing.servers.postgres import PostgresServer

#: The most that memory may grow after the first tenth of the emails, as a share.
MOST_GROWTH = 0.1
#: Seconds between two looks at the process that reads, while it is measured and while it is to be killed.
EVERY, CLOSELY = 0.2, 0.01
#: Rows of a table that are compared at once.
CHUNK = 10_000

say = partial(Console(width=120).print, highlight=False)


@dataclass(slots=True)
class Reading:
    """What was seen of one reader, as (share of the file that is read, seconds since its start, bytes of memory)."""

    samples: list[tuple[float, float, int]] = field(default_factory=list)
    tally: dict[str, Any] = field(default_factory=dict)
    #: Seconds of its CPU, its start included.
    cpu: float = 0.0

    @property
    def seconds(self) -> float:
        """Return the time from the first read byte to the end: starting Python is not counted."""
        return self.samples[-1][1] - next(at for share, at, _ in self.samples if share)

    def memory(self, share: float) -> float:
        """Return the most MB of memory after it had read this share of the file."""
        return max(memory for read, _, memory in self.samples if read >= share) / 1e6

    def memory_at(self, share: float) -> float:
        """Return the MB of memory when it had read this share of the file."""
        return next(memory for read, _, memory in self.samples if read >= share) / 1e6


@contextmanager
def reader(url: str, mbox: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start `notifier bounces read`; it does not outlive this process."""
    env = {"DATABASE_URL": url, "SECRET_KEYS": SECRET, "NOTIFIER_ENV": "test", "NOTIFIER_DATA_DIR": str(folder)}
    argv = [sys.executable, "-m", "notifier", "bounces", "read", "--mbox", str(mbox), "--json"]
    with (folder / "reader.log").open("ab") as log:
        process = subprocess.Popen(
            argv, env=clean_env(env), cwd=folder, stdout=subprocess.PIPE, stderr=log, preexec_fn=die_with_parent
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read(url: str, mbox: Path, folder: Path) -> Reading:
    """Read the whole file, and watch. Raise SystemExit if it fails."""
    seen, size, begun = Reading(), mbox.stat().st_size, time.monotonic()
    with reader(url, mbox, folder) as process:
        while process.poll() is None:
            with suppress(OSError, StopIteration):
                seen.samples.append((_position(process.pid, mbox) / size, time.monotonic() - begun, _pss(process.pid)))
                seen.cpu = parse_stat(Path(f"/proc/{process.pid}/stat").read_text()).ticks / os.sysconf("SC_CLK_TCK")
            with suppress(subprocess.TimeoutExpired):
                process.wait(EVERY)
        out = process.stdout.read() if process.stdout else b""
    if process.returncode:
        log = (folder / "reader.log").read_text()[-2000:]
        raise SystemExit(f"`bounces read` exited with {process.returncode}: {log}")
    seen.samples.append((1.0, time.monotonic() - begun, seen.samples[-1][2]))
    seen.tally = json.loads(out.splitlines()[-1])  # log lines come before it
    return seen


def _position(pid: int, path: Path) -> int:
    """Return how much of the file the process has read; 0 if it has not opened it."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(link) == str(path):
            said = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
            return int(said.split()[1])
    return 0


def _pss(pid: int) -> int:
    said = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in said if line.startswith("Pss:"))


def read_with_kills(url: str, mbox: Path, folder: Path, kills: int, seed: int) -> int:
    """Read the file with kill -9 at random points of it. Return how many readers were killed."""
    chance, size, killed = random.Random(seed), mbox.stat().st_size, 0
    for target in sorted(chance.uniform(0.0, 1.0) for _ in range(kills)):
        with reader(url, mbox, folder) as process:
            while process.poll() is None:
                with suppress(OSError):
                    if _position(process.pid, mbox) >= target * size:
                        break
                time.sleep(CLOSELY)
            # Anywhere within the next batch, and not always right after a read.
            time.sleep(chance.uniform(0.0, 0.2))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
    read(url, mbox, folder)
    return killed


def checksums(url: str) -> dict[str, str]:
    """Return a checksum of each table that a reader may write, keys and moments included."""
    sums = {}
    with connected(url) as engine, engine.connect() as connection:
        for table in ("feedback", "notifications", "suppressions", "preferences", "consents", "campaign_runs"):
            order = "user_id, category" if table == "preferences" else "id"
            found = hashlib.sha256()
            rows = connection.execution_options(yield_per=CHUNK).execute(
                text(f"SELECT * FROM notifier_{table} ORDER BY {order}")
            )
            for row in rows:
                found.update(repr(tuple(row)).encode())
            sums[table] = found.hexdigest()
    return sums


def differences(one: str, other: str) -> dict[str, int]:
    """Return, by table, how many rows of these databases differ. Print the first of each."""
    found = {}
    with connected(one) as first, connected(other) as second, first.connect() as left, second.connect() as right:
        for name, query in TABLES.items():
            pairs = zip_longest(
                *(each.execution_options(yield_per=CHUNK).execute(text(query)) for each in (left, right))
            )
            unequal = [(a, b) for a, b in pairs if a is None or b is None or tuple(a) != tuple(b)]
            found[name] = len(unequal)
            for a, b in unequal[:2]:
                say(f"[red]{name}[/]: {a} is not {b}", markup=True)
    return found


@dataclass(frozen=True)
class Place:
    """A database with the ledger, and a copy of it that was never read into."""

    url: str
    fresh: str


@contextmanager
def place(emails: int, folder: Path, *, sqlite: bool) -> Iterator[Place]:
    """Make the ledger, twice."""
    if sqlite:
        one, other = folder / "one.db", folder / "other.db"
        populate(f"sqlite:///{one}", emails)
        shutil.copy(one, other)
        yield Place(f"sqlite:///{one}", f"sqlite:///{other}")
        return
    with PostgresServer(own=True, settings=DURABLE) as postgres:
        populate(url := postgres.create_database("bench_bounces"), emails)
        yield Place(url, postgres.create_database("bench_killed", template="bench_bounces"))


def measure(at: Place, mbox: Path, folder: Path, args: argparse.Namespace) -> bool:
    """Read once, twice, and with kills. Print what was seen. Return whether all is as it must be."""
    first = read(at.url, mbox, folder)
    new, tenth, most = sum(first.tally["effects"].values()), first.memory_at(0.1), first.memory(0.1)
    say(f"effects: {first.tally['effects']}; known or foreign {first.tally['known_or_foreign']:,}")
    rate, cpu = first.tally["emails"] / first.seconds, 1000 * first.cpu / first.tally["emails"]
    say(f"read {first.tally['emails']:,} emails, {new:,} new events, in {first.seconds:.1f} s: {rate:,.0f} emails/s, "
        f"{new / first.seconds:,.0f} events/s, {cpu:.2f} ms of CPU each; load {os.getloadavg()[0]:.1f}; "
        f"memory {tenth:.1f} MB after a tenth, {most:.1f} MB at most after it")  # fmt: skip
    before = checksums(at.url)
    again = read(at.url, mbox, folder)
    is_same = checksums(at.url) == before and not sum(again.tally["effects"].values())
    say(f"the same file again: {again.tally['emails'] / again.seconds:,.0f} emails/s; "
        f"{'no table changed' if is_same else 'TABLES CHANGED'}")  # fmt: skip
    begun = time.monotonic()
    killed = read_with_kills(at.fresh, mbox, folder, args.kills, args.seed)
    unequal = differences(at.url, at.fresh)
    say(f"killed {killed} of {args.kills} readers (kill -9), {time.monotonic() - begun:.0f} s: rows that differ from "
        f"the first reading: {unequal}")  # fmt: skip
    return is_same and not any(unequal.values()) and most <= tenth * (1 + MOST_GROWTH) and killed * 2 >= args.kills


def main() -> int:
    """Run it. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--emails", type=int, default=100_000, help="emails that came back")
    parser.add_argument("--ledger", type=int, default=1_000_000, help="emails of the ledger, at least as many")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sqlite", action="store_true")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="notifier-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        mbox = folder / "came-back.mbox"
        sorts = write_mbox(mbox, sent_emails(args.ledger, args.emails, args.seed), args.emails, args.seed)
        say(f"{mbox.stat().st_size / 1e6:.0f} MB: {dict(sorts)}")
        at = stack.enter_context(place(args.ledger, folder, sqlite=args.sqlite))
        return 0 if measure(at, mbox, folder, args) else 1


if __name__ == "__main__":
    sys.exit(main())
