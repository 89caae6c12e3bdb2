"""Content that is corrected while a campaign goes out, with kill -9 of the sending and of the moving processes."""

import os
import random
import signal
from collections import Counter, defaultdict
from contextlib import ExitStack
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import event

from bench.faults.killer import Killer
from bench.faults.result import Result
from bench.faults.scene import SWEEP, Scene
from bench.faults.stage import Stage
from notifier import clock
from notifier.campaigns import content_moves, content_versions, control
from notifier.campaigns.content_versions import ContentChange
from notifier.campaigns.editing import create
from notifier.content import Content
from notifier.dev.ports import wait_until
from notifier.extensions import db
from notifier.models import Campaign
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of

#: The share of people who have an email when it is stopped.
STOPPED_AT = 0.2
#: Rows that move in one transaction, and the commit at which the moving process is killed.
PORTION, KILLED_AT = 300, 3
#: Seconds to wait: for the first emails, for held ones to be given back, for the last email.
PATIENCE, DRAIN = 60.0, 120.0

TEXT = {"subject": "News", "heading": "What is new", "paragraphs": ["One thing."]}


class Sent(NamedTuple):
    """The content of a row of the ledger."""

    pk: int
    recipient: str
    status: str
    unknowns: int
    run: int
    content: int | None
    key: str


def content_correction(stage: Stage, *, users: int, seed: int, delay_ms: float) -> Result:
    """Stop at a fifth, correct, run again; then a new message, paused at a fifth, corrected, moved and resumed.

    No recipient is missing or has an edition twice. Recipients who had it keep its version, all others have the
    corrected one.
    """
    result = Result("content_correction", "I1 I2 I5 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack, delay_ms=delay_ms, chores=(*SWEEP, "tick"))
        story = _Story(scene, users, random.Random(seed))
        story.stopped_and_run_again(result)
        story.paused_and_moved(result)
        report = story.audited()
        result.expect(report, "the audit does not add up")
        result.figures |= {"kills": story.kills, "moved": story.moved, "rows": len(story.rows())}
    return result


class _Story:
    """One campaign, its worker, and the actions of an operator."""

    def __init__(self, scene: Scene, users: int, rng: random.Random) -> None:
        self.scene, self.users = scene, users
        self.kills, self.moved = 0, 0
        self._app, self._services = scene.stage.app, services_of(scene.stage.app)
        self._kinds = self._services.kinds
        self._slot = clock.now().replace(microsecond=0) - timedelta(hours=1)
        scene.worker("notifier.expansion", concurrency=1)
        self._killer = Killer(scene, scene.worker("notifier.bulk"), rng)
        scene.stage.execute(
            "INSERT INTO notifier_preferences (user_id, category, wanted, updated_at) "
            "SELECT id, 'news', false, now() FROM notifier_users ORDER BY id OFFSET %s",
            users,
        )
        with self._app.app_context():
            values = {"name": "news", "kind": "announcement", "settings": TEXT, "on_unknown": "never",
                      "audience": {"verified": "any"}}  # fmt: skip
            create(db.session(), values, self._kinds, now=clock.now())
            db.session.commit()
            db.session.remove()

    def stopped_and_run_again(self, result: Result) -> None:
        """Cancel and correct the first edition, and send it by another run."""
        first = self._start()
        self._wait(self.users * STOPPED_AT)
        self._strike()
        with self._app.app_context():
            control.cancel_run(db.session(), control.find_run(db.session(), first), reason="a typo")
            db.session.commit()
            self._services.run_effects.cancelled([first])
            db.session.remove()
        result.expect(self.scene.settle(DRAIN), "I8: the cancelled run does not end")
        before = {row.recipient for row in self.rows() if row.status in ("sent", "unknown")}
        corrected = self._save("News, corrected", ContentChange.correction)
        second = self._start()
        result.expect(self._planned(second) == self.users - len(before), "I1: the second run misses people")
        self._wait(self.users * (1 + STOPPED_AT) / 2)
        self._strike()
        result.expect(self.scene.settle(DRAIN), "I8: the correction does not finish")
        self._judge(result, edition=1, first=None, corrected=corrected, before=before)
        result.figures |= {"had it": len(before), "sent corrected": self.users - len(before)}

    def paused_and_moved(self, result: Result) -> None:
        """Pause, correct and move the second edition in spite of a kill, and resume it."""
        accepted = self.scene.sink.look().accepted
        new = self._save("Other news", ContentChange.new_message)
        run = self._start()
        self._wait(accepted + self.users * STOPPED_AT)
        with self._app.app_context():
            control.pause(db.session(), self._campaign(), reason="a typo")
            db.session.commit()
            db.session.remove()
        wait_until(lambda: not self.scene.stage.execute(_HELD)[0][0], DRAIN, pause=0.1)
        corrected = self._save("Other news, corrected", ContentChange.correction)
        before = {row.recipient for row in self.rows() if row.run == run and row.status in ("sent", "unknown")}
        self._move_and_die(run)
        halfway = Counter(row.content for row in self.rows() if row.run == run and row.status == "pending")
        result.expect(len(halfway) == 2, f"the kill came too early or too late to prove anything: {halfway}")
        with self._app.app_context():
            self.moved = self._services.moving.move([run], by=COMMAND_LINE)
            resumed = control.resume(db.session(), self._campaign())
            db.session.commit()
            self._services.run_effects.resumed(resumed)
            db.session.remove()
        self.scene.skip_time()
        self._strike()
        result.expect(self.scene.settle(DRAIN), "I8: the moved emails are not all sent")
        self._judge(result, edition=2, first=new, corrected=corrected, before=before)

    def audited(self) -> bool:
        """Return True if `notifier audit` is clean."""
        with self._app.app_context():
            report = self._services.audit.of()
            db.session.remove()
        return bool(report.ok)

    def rows(self) -> list[Sent]:
        """Return the ledger."""
        query = """
            SELECT id, recipient, status, unknowns, run_id, content_id, dedupe_key
            FROM notifier_notifications ORDER BY id"""
        return [Sent(*row) for row in self.scene.stage.execute(query)]

    def _start(self) -> int:
        self._slot += timedelta(minutes=1)
        with self._app.app_context():
            run_id = control.run_now(db.session(), self._campaign(), self._kinds, slot=self._slot)
            db.session.commit()
            self._services.run_effects.started([run_id])
            db.session.remove()
        return run_id

    def _planned(self, run_id: int) -> int:
        query = "SELECT planned FROM notifier_campaign_runs WHERE id = %s AND expanded_at IS NOT NULL"
        wait_until(lambda: bool(self.scene.stage.execute(query, run_id)), PATIENCE, pause=0.05)
        return int(self.scene.stage.execute(query, run_id)[0][0])

    def _save(self, subject: str, change: ContentChange) -> int:
        with self._app.app_context():
            campaign = self._campaign()
            words = Content(subject, "What is new", "One thing.")
            row = content_versions.save(
                db.session(), campaign, words, self._kinds, seen=campaign.content_id or 0, by=COMMAND_LINE, note="",
                now=clock.now(), change=change,
            )  # fmt: skip
            key = row.id
            db.session.commit()
            db.session.remove()
        return key

    def _campaign(self) -> Campaign:
        return control.find(db.session(), "news")

    def _wait(self, accepted: float) -> None:
        wait_until(lambda: self.scene.sink.look().accepted >= accepted, PATIENCE, pause=0.005)

    def _strike(self) -> None:
        self.kills += self._killer.strike(0.0) is not None
        # Rows that a dead child had taken from the queue are queued again by the next sweep, not after ten minutes.
        self.scene.stage.execute("UPDATE notifier_notifications SET enqueue_at = now() WHERE status = 'pending'")

    def _move_and_die(self, run_id: int) -> None:
        """Move emails in a child that is killed in the middle of a transaction."""
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        # The child has its own connections, and no thread of the parent.
        with self._app.app_context():
            db.engine.dispose(close=False)
            content_moves.CHUNK, done = PORTION, 0

            def commit(_: object) -> None:
                nonlocal done
                done += 1
                if done == KILLED_AT:
                    os.kill(os.getpid(), signal.SIGKILL)

            event.listen(db.session(), "before_commit", commit)
            self._services.moving.move([run_id], by=COMMAND_LINE)
        os._exit(0)

    def _judge(self, result: Result, *, edition: int, first: int | None, corrected: int, before: set[str]) -> None:
        """Compare the copies of this edition in the ledger and at the mail server."""
        rows = [row for row in self.rows() if f":e{edition}:" in row.key]
        pks = {row.pk: row for row in rows}
        copies: dict[str, list[Sent]] = defaultdict(list)
        for mails in self.scene.sink.look().copies().values():
            for mail in mails:
                row = pks.get(int(mail.message_id.split(".")[0].removeprefix("<n")))
                if row is not None:
                    copies[mail.recipient].append(row)
        live: dict[str, list[Sent]] = defaultdict(list)
        for row in rows:
            if row.status != "cancelled":
                live[row.recipient].append(row)
        name = f"edition {edition}"
        twice = [who for who, found in copies.items() if len(found) > 1]
        doubled = [who for who, found in live.items() if len(found) > 1]
        missing = [who for who, found in live.items() if who not in copies and found[0].status != "unknown"]
        wrong = [who for who, found in live.items() if found[0].content != (first if who in before else corrected)]
        result.expect(len(live) == self.users, f"I1: {name} has rows for {len(live)} people, not {self.users}")
        result.expect(not twice, f"I2: {name}: {len(twice)} people have two copies")
        result.expect(not doubled, f"I5: {name}: {len(doubled)} people have two rows that count")
        result.expect(not missing, f"I1: {name}: {len(missing)} people are missing")
        result.expect(not wrong, f"{name}: {len(wrong)} people have the wrong version")
        unknown = sum(found[0].status == "unknown" for found in live.values())
        result.figures |= {f"{name}: copies": sum(map(len, copies.values())), f"{name}: unknown": unknown}


_HELD = "SELECT count(*) FROM notifier_notifications WHERE status = 'sending'"
