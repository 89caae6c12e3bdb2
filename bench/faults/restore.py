"""A backup is restored after 3,000 emails were sent since it was made: none of them is sent a second time."""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from bench.faults.checker import tally
from bench.faults.history import Seen
from bench.faults.result import Result
from bench.faults.scene import SWEEP, Scene
from bench.faults.stage import Stage
from notifier import clock
from notifier.campaigns.editing import create
from notifier.dev.ports import wait_until
from notifier.extensions import db
from notifier.services import services_of
from notifier.testing.servers.postgres import postgres_binaries

WORDS = {"subject": "News", "heading": "What is new", "paragraphs": ["One thing.", "Another thing."]}

#: The share of emails since the backup that were rows in it; the others belong to a campaign that ran later.
OLD_SHARE = 1 / 3
#: Emails not sent yet when the database was lost.
LEFT = 200
#: Seconds in which a worker that was started too early must send nothing, and those for all due emails.
TOO_EARLY, DRAIN = 4.0, 120.0


def restore(stage: Stage, *, sent: int) -> Result:
    """Dump, send `sent` more, lose the database, restore: the documented way sends none of them again."""
    result = Result("restore", "I1 I2 I3 I4 I5 I8")
    old = round(sent * OLD_SHARE)
    with ExitStack() as stack:
        scene = Scene(stage, stack, chores=(*SWEEP, "tick"))
        stack.callback(stage.execute, "UPDATE notifier_users SET verified_at = NULL")
        result.expect(_notifier(scene, "db", "upgrade").returncode == 0, "the database could not be upgraded")
        _people(stage, old + LEFT, sent - old)
        keys = scene.owe(old + LEFT, grace=3600)
        _announce(stage)
        dump = scene.folder / "dump"
        _postgres(stage, "pg_dump", "-Fc", "-f", str(dump), stage.postgres.dsn("faults"))

        workers = [scene.worker("notifier.expansion", concurrency=1), scene.worker("notifier.bulk")]
        scene.ring(keys[:old])
        everything = wait_until(lambda: scene.sink.look().accepted >= sent, DRAIN, pause=0.1)
        result.expect(everything, f"only {scene.sink.look().accepted} of {sent} emails went out after the dump")
        for worker in workers:
            worker.stop()

        _lose_and_restore(scene, dump)
        before = scene.sink.look().accepted
        result.figures |= {"sent since the dump": before, "pending again in the dump": scene.under_way()}
        workers = [scene.worker("notifier.expansion", concurrency=1), scene.worker("notifier.bulk")]
        scene.ring(keys)
        time.sleep(TOO_EARLY)
        early = scene.sink.look().accepted - before
        result.expect(not early, f"I2: {early} emails went out of the restored database before it was reconciled")

        _reconcile(scene, result)
        closed = wait_until(lambda: _is_over(scene), DRAIN, pause=0.2)
        result.expect(closed, f"I8: {scene.under_way()} rows are under way {DRAIN:.0f} s after the reconciliation")
        _judge(scene, result, sent)
    return result


def _people(stage: Stage, unconfirmed: int, readers: int) -> None:
    """Prepare people: the first are unconfirmed, `readers` after them want news, and all others want none."""
    others = "SELECT id FROM notifier_users ORDER BY id OFFSET %s"
    stage.execute(f"UPDATE notifier_users SET verified_at = now() WHERE id IN ({others})", unconfirmed)
    query = """
        INSERT INTO notifier_preferences (user_id, category, wanted, updated_at)
        SELECT id, 'news', false, now() FROM (
            SELECT id, row_number() OVER (ORDER BY id) AS number FROM notifier_users) AS people
        WHERE number <= %s OR number > %s"""
    stage.execute(query, unconfirmed, unconfirmed + readers)


def _announce(stage: Stage) -> None:
    """Create a campaign that is due after the dump: its run and rows will be lost with the database."""
    now = clock.now()
    values = {"name": "news", "kind": "announcement", "once_at": now + timedelta(seconds=3), "settings": WORDS}
    with stage.app.app_context():
        create(db.session(), values, services_of(stage.app).kinds, now=now)
        db.session.commit()
        db.session.remove()


def _lose_and_restore(scene: Scene, dump: Path) -> None:
    with scene.sweeper.lock, scene.stage.app.app_context():
        db.engine.dispose()
        scene.stage.postgres.drop_database("faults")
        scene.stage.postgres.create_database("faults")
        _postgres(scene.stage, "pg_restore", "-d", scene.stage.postgres.dsn("faults"), str(dump))


def _postgres(stage: Stage, program: str, *arguments: str) -> None:
    subprocess.run([postgres_binaries(stage.postgres.home) / program, *arguments], check=True, capture_output=True)


def _notifier(scene: Scene, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command of operators."""
    command = [sys.executable, "-m", "notifier", *arguments]
    return subprocess.run(command, env=scene.env(), capture_output=True, text=True, check=False)


def _log(scene: Scene, seen: Seen) -> Path:
    """Write the accepted emails as an operator would extract them from a log."""
    path = scene.folder / "accepted"
    mails = [mail for mail in seen.mails.values() if mail.accepted is not None]
    path.write_text("".join(f"{mail.message_id} {mail.recipient}\n" for mail in mails))
    return path


def _reconcile(scene: Scene, result: Result) -> None:
    path = str(_log(scene, scene.sink.look()))
    done = _notifier(scene, "restore", "reconcile", "--accepted", path, "--yes", "--json")
    result.expect(done.returncode == 0, f"reconcile failed: {done.stderr[-300:]}")
    if done.returncode == 0:
        result.figures |= json.loads(done.stdout)["reconciled"]


def _is_over(scene: Scene) -> bool:
    """Check that the campaign ran again, and that no email is due."""
    states = {state for (state,) in scene.stage.execute("SELECT state FROM notifier_campaign_runs")}
    return states == {"done"} and not scene.under_way()


def _judge(scene: Scene, result: Result, sent: int) -> None:
    seen = scene.sink.look()
    found = tally(scene.rows(), seen)
    result.add(found)
    result.expect(not found.extra, f"I2: {found.extra} people have an email twice")
    result.expect(found.copies == sent + LEFT, f"I1: {found.copies} copies instead of {sent + LEFT}")
    result.expect(found.statuses["sent"] == sent + LEFT, f"I4: the rows ended as {dict(found.statuses)}")
    audited = _notifier(scene, "audit", "--accepted", str(_log(scene, seen)))
    result.figures["audit"] = "clean" if audited.returncode == 0 else "NOT CLEAN"
    result.expect(audited.returncode == 0, f"the audit does not add up: {audited.stdout[-300:]}")
