"""A campaign of a million: `python -m bench.campaign --users 1000000 --emails 20000`.

Postgres, durable, with seeded users and activities. It measures the plan of a monthly report and the expansion of its
run (time, memory of the process, longest transaction), and a run of `--emails` through the real worker into a sink,
which is audited against the log of that sink. Exit with 1 if the audit is not clean.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from bench.children import READY_SECONDS, Child, ChildError
from bench.contenders import Notifier, Setting
from bench.machine import describe
from bench.mails import ROOT
from bench.main import WIDTH, told
from bench.servers import SECRET, Sink, Stage, open_sink, open_stage
from notifier import clock
from notifier.accounts.seeds import seed
from notifier.app import create_app
from notifier.config.settings import Settings
from notifier.extensions import db

DATABASE = "bench_campaign"

#: There is no other contender here.
NO_PYTHON = "no-other-python"

#: The longest time of a step, and the time without any email after which sending is given up, in seconds.
LIMIT, SILENCE = 3600.0, 60.0

#: Worker processes for bulk email; they also expand.
PROCESSES = 2


class Campaigner(Notifier):
    """The processes of notifier, on a database of their own."""

    def env(self, setting: Setting) -> dict[str, str]:
        """Return the environment with that database."""
        return super().env(setting) | {"DATABASE_URL": setting.stage.postgres.dsn(DATABASE)}


def measure(users: int, mails: int, activities: int) -> dict[str, Any]:
    """Measure everything. Return figures for JSON, in seconds and bytes."""
    with open_stage(1, NO_PYTHON) as stage:
        result: dict[str, Any] = {
            "measured_at": clock.now().isoformat(timespec="seconds"),
            "users": users,
            "mails": mails,
            "machine": describe(NO_PYTHON, stage.folder),
        }
        stage.postgres.create_database(DATABASE, template="bench")
        told.print(f"seeding {users:,} users …", highlight=False)
        start = time.monotonic()
        _populate(stage, users, activities)
        result["seeding_seconds"] = time.monotonic() - start
        with tempfile.TemporaryDirectory(dir=stage.folder) as folder, open_sink(Path(folder), 0) as sink:
            setting = Setting(stage, Path(folder), sink.port, 0, mails)
            for step in ("plan", "expand"):
                told.print(f"{step} …")
                result[step] = _step(setting, step)
            # A million emails are not sent here: drop the messages that the expansion enqueued.
            stage.forget()
            told.print(f"sending {mails:,} emails …", highlight=False)
            result["send"] = _send(setting, sink)
            result["audit"] = _audit(setting, result["send"]["run"], sink)
    return result


def _populate(stage: Stage, users: int, activities: int) -> None:
    url = stage.postgres.dsn(DATABASE)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE notifier_users RESTART IDENTITY CASCADE")
    app = create_app(Settings(_env_file=None, notifier_env="test", database_url=url, secret_keys=[SECRET]))
    with app.app_context():
        for _ in seed(db.session(), users=users, verified=1.0, activities=activities, now=clock.now()):
            pass
        db.session.remove()
        db.engine.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _step(setting: Setting, step: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "bench.programs.campaign_work", step]
    with Child(step, argv, Campaigner().env(setting), setting.folder) as child:
        child.hear("ready", READY_SECONDS)
        start = time.monotonic()
        child.say("go")
        facts: dict[str, Any] = json.loads(child.hear("done", LIMIT))
    return facts | {"went_at": start}


def _send(setting: Setting, sink: Sink) -> dict[str, Any]:
    """Measure from the due run to the last settled row."""
    pool = ["--concurrency", str(PROCESSES), "--pool", "prefork", "--without-gossip", "--without-mingle"]
    with ExitStack() as stack:
        worker, ready = Campaigner().start_worker(stack, setting, "worker", "notifier.bulk,notifier.expansion", pool)
        worker.wait_for(ready)
        facts = _step(setting, "send")
        _wait_for(setting, sink, facts["run"])
        facts["seconds"] = time.monotonic() - facts["went_at"]
    return facts


def _wait_for(setting: Setting, sink: Sink, run_id: int) -> None:
    last = time.monotonic()
    for under_way in _under_way(setting, run_id):
        last = time.monotonic() if sink.look() else last
        if not under_way:
            return
        if time.monotonic() - last > SILENCE:
            raise ChildError(f"nothing was sent for {SILENCE:.0f} s")
        time.sleep(0.1)


def _under_way(setting: Setting, run_id: int) -> Iterator[bool]:
    """Poll until the run is over."""
    query = """
    SELECT state IN ('due', 'expanding') OR EXISTS (
        SELECT FROM notifier_notifications WHERE run_id = %s AND status IN ('pending', 'sending')
    ) FROM notifier_campaign_runs WHERE id = %s
    """
    with psycopg.connect(setting.stage.postgres.dsn(DATABASE), autocommit=True) as connection:
        while row := connection.execute(query, (run_id, run_id)).fetchone():
            yield bool(row[0])


def _audit(setting: Setting, run_id: int, sink: Sink) -> dict[str, Any]:
    """Run the audit with the command of operators."""
    log = setting.folder / "accepted.log"
    argv = [sys.executable, "-m", "notifier", "audit", "--run", str(run_id), "--accepted", str(log), "--json"]
    start = time.monotonic()
    done = subprocess.run(argv, env=Campaigner().env(setting), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise ChildError(f"the audit failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return {"seconds": time.monotonic() - start, "accepted": len(sink.accepted) + len(sink.look()), **found}


def show(result: dict[str, Any], console: Console) -> None:
    """Print the figures."""
    table = Table(box=None, pad_edge=False, title=f"{result['users']:,} users", title_justify="left")
    for heading in ("", "people", "time", "a second", "memory before, peak", "longest transaction"):
        table.add_column(heading, justify="left" if not heading else "right")
    for step, people in (("plan", result["plan"]["count"]), ("expand", result["plan"]["count"])):
        facts = result[step]
        table.add_row(
            step,
            f"{people:,}",
            f"{facts['seconds']:.1f} s",
            f"{result['users'] / facts['seconds']:,.0f} users",
            f"{facts['rss_before'] / 1e6:.0f}, {facts['rss_peak'] / 1e6:.0f} MB",
            f"{facts['longest']:.2f} s",
        )
    sent, audit = result["send"], result["audit"]
    rate = result["mails"] / sent["seconds"]
    table.add_row(
        "run, worker, sink", f"{result['mails']:,}", f"{sent['seconds']:.1f} s", f"{rate:,.0f} emails", "", ""
    )
    console.print(table)
    counts = {sort: audit["beside"][sort]["count"] for sort in ("missing", "extra", "strangers")}
    words = ", ".join(f"{sort} {count:,}" for sort, count in counts.items())
    console.print(f"audit of the run: {'clean' if audit['ok'] else 'NOT CLEAN'} ({words}) in {audit['seconds']:.1f} s")


def main() -> None:
    """Run the command line. Exit with 1 if the audit is not clean."""
    parser = argparse.ArgumentParser(prog="python -m bench.campaign", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--emails", type=int, default=20_000, help="emails of the run that is sent")
    parser.add_argument("--activities", type=int, default=2, help="average for each user")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        result = measure(options.users, options.emails, options.activities)
    except ChildError as error:
        sys.exit(f"bench: {error}")
    show(result, Console() if sys.stdout.isatty() else Console(width=WIDTH))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if not result["audit"]["ok"]:
        sys.exit("bench: the audit is not clean")


if __name__ == "__main__":
    main()
