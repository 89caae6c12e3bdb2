"""kill -9 of a campaign: while its run becomes rows, and while the rows are sent."""

import random
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta

from bench.faults.checker import judge_kills, tally, wire_at
from bench.faults.expanding import Expanding, Standing
from bench.faults.history import Kill, Seen
from bench.faults.killer import Killer
from bench.faults.metrics import check_counters
from bench.faults.result import Result
from bench.faults.scene import SWEEP, Scene
from bench.faults.stage import Stage
from notifier import clock
from notifier.campaigns.editing import create
from notifier.dev.ports import wait_until
from notifier.explain import audit_evidence
from notifier.explain.audit import Report
from notifier.extensions import db
from notifier.services import services_of

#: Kills in each of the two phases.
KILLS = 5
#: The share of kills that hit the whole worker: the parent and its children at once.
WHOLE = 0.3
#: Transactions of the expansion, enough that a kill always hits one.
CHUNKS = 40
#: Seconds: from the last kill to the last email, and from there to the end of the run.
DRAIN, CLOSE = 120.0, 30.0

WORDS = {"subject": "News", "heading": "What is new", "paragraphs": ["One thing.", "Another thing."]}


def campaign_kill9(stage: Stage, *, users: int, policy: str, seed: int, delay_ms: float) -> Result:
    """Send an announcement to `users` people: none missing, none twice except uncertain rows of the ledger."""
    result = Result(f"campaign_kill9 ({policy})", "I1 I2 I3 I4 I5 I7 I8")
    rng = random.Random(seed)
    with ExitStack() as stack:
        scene = Scene(stage, stack, delay_ms=delay_ms, chores=(*SWEEP, "tick"))
        nobody_else(stage, users, rng.random())
        people = stage.execute("SELECT count(*) FROM notifier_users")[0][0]
        worker = scene.worker(
            "notifier.expansion", concurrency=1, FAULTS_CHUNK=str(people // CHUNKS), PGAPPNAME="expansion"
        )
        announce(stage, policy)
        start = time.monotonic()
        expanding = Expanding(scene, worker, rng, WHOLE)
        stood = expanding.kill(KILLS)
        expanded = expanding.over(DRAIN)
        result.expect(expanded, "I8: the expansion does not finish")
        result.figures |= _of_expansion(stood, scene, time.monotonic() - start)
        result.expect(len(stood) == KILLS, f"only {len(stood)} of {KILLS} kills hit the expansion")
        # Its rows exist and none is sent yet: this is the work of the expansion alone.
        result.problems += _owed(stage, users, people)

        start = time.monotonic()
        kills = _kill_sending(scene, Killer(scene, scene.worker("notifier.bulk"), rng), users)
        result.expect(len(kills) == KILLS, f"only {len(kills)} of {KILLS} kills hit the sending")
        result.expect(scene.settle(DRAIN), f"I8: {scene.under_way()} rows are under way {DRAIN:.0f} s after the kills")
        seconds = time.monotonic() - start
        closed = wait_until(lambda: expanding.state() == "done", CLOSE, pause=0.2)
        result.expect(closed, f"I8: the run is {expanding.state()}, not done")
        _judge(result, scene, kills, policy, users)
        result.figures["mails/s"] = round(users / seconds)
    return result


def nobody_else(stage: Stage, users: int, salt: float) -> None:
    """Opt all but `users` people out of news; those who want it are in every chunk."""
    query = """
        INSERT INTO notifier_preferences (user_id, category, wanted, updated_at)
        SELECT id, 'news', false, now()
        FROM (SELECT id FROM notifier_users ORDER BY md5(id || %s) OFFSET %s) AS others"""
    stage.execute(query, f"-{salt}", users)


def announce(stage: Stage, policy: str) -> None:
    """Create a campaign for all present accounts. It is due in a moment, and the tick creates the run."""
    now = clock.now()
    values = {
        "name": "news",
        "kind": "announcement",
        "once_at": now + timedelta(seconds=1),
        "settings": WORDS,
        "on_unknown": policy,
        # The other faults need accounts that still have to confirm, so these are not confirmed either.
        "audience": {"verified": "any", "user_to": stage.execute("SELECT max(id) FROM notifier_users")[0][0]},
    }
    with stage.app.app_context():
        create(db.session(), values, services_of(stage.app).kinds, now=now)
        db.session.commit()
        db.session.remove()


def _of_expansion(stood: list[Standing], scene: Scene, seconds: float) -> dict[str, object]:
    return {
        "kills in the expansion": dict(Counter(each.whom for each in stood)),
        "inside a transaction": sum(each.inside for each in stood),
        "rows at the kills": "/".join(str(each.rows) for each in stood),
        "restarted by the tick": scene.sweeper.resumed,
        "seconds of expansion": round(seconds, 1),
    }


def _owed(stage: Stage, users: int, people: int) -> list[str]:
    """Yield the problems of the rows, before the first is sent."""
    rows, persons = stage.execute("SELECT count(*), count(DISTINCT user_id) FROM notifier_notifications")[0]
    wanting = """
        SELECT count(*) FROM (
            SELECT id FROM notifier_users AS u WHERE NOT EXISTS (SELECT FROM notifier_preferences WHERE user_id = u.id)
            EXCEPT SELECT user_id FROM notifier_notifications) AS missing"""
    missing = stage.execute(wanting)[0][0]
    planned, excluded = stage.execute("SELECT planned, excluded FROM notifier_campaign_runs")[0]
    checks = (
        ("I1", missing == 0, f"{missing} people are missing"),
        ("I5", rows == persons == users, f"{rows} rows for {persons} people instead of {users}"),
        ("I8", planned == users, f"the run counted {planned} rows instead of {users}"),
        ("I8", sum(excluded.values()) == people - users, f"the run excluded {excluded} of {people - users}"),
    )
    return [f"{invariant}: {what}" for invariant, right, what in checks if not right]


def _kill_sending(scene: Scene, killer: Killer, users: int) -> list[Kill]:
    done: list[Kill] = []
    for number in range(KILLS):
        wait_until(lambda n=number: scene.sink.look().accepted >= users * n // (KILLS + 1), DRAIN, pause=0.005)  # type: ignore[misc]
        kill = killer.strike(WHOLE)
        if kill is None:
            break
        done.append(kill)
        # Rows that a dead child had taken from the queue are queued again by the next sweep, not after ten minutes.
        scene.stage.execute("UPDATE notifier_notifications SET enqueue_at = now() WHERE status = 'pending'")
    return done


def _judge(result: Result, scene: Scene, kills: list[Kill], policy: str, users: int) -> None:
    """Compare the ledger, the mail server, the journals and the audit."""
    rows, seen = scene.rows(), scene.sink.look()
    found, wire = tally(rows, seen), wire_at(seen, rows, kills)
    result.add(found)
    result.problems += judge_kills(found, wire)
    check_counters(scene.stage, result, found)
    result.expect(policy != "never" or not found.extra, "I2: copies although the policy is never")
    totals = scene.stage.execute("SELECT totals FROM notifier_campaign_runs")[0][0]
    result.expect(totals == dict(found.statuses), f"I8: the run says {totals}, its rows {dict(found.statuses)}")
    result.expect(
        sum(found.statuses.values()) == users, f"I8: {sum(found.statuses.values())} emails ended, not {users}"
    )
    report = _audited(scene, seen)
    compared = report.compared
    result.expect(
        report.ok, f"the audit does not add up: {[run.difference for run in report.runs]} rows, {compared}"[:600]
    )
    result.figures |= {
        "kills in the sending": dict(Counter(kill.whom for kill in kills)),
        "bound": wire.bound,
        "uncertain by the journals": wire.in_doubt,
        "audit": "clean" if report.ok else "NOT CLEAN",
    }
    if compared is not None:
        result.figures["of the unknown arrived"] = compared.arrived


def _audited(scene: Scene, seen: Seen) -> Report:
    """Run `notifier audit --accepted` with all emails that the mail server accepted."""
    mails = [mail for copies in seen.copies().values() for mail in copies]
    app = scene.stage.app
    with app.app_context():
        auditor = services_of(app).audit
        report = auditor.of(
            None, [audit_evidence.Seen(audit_evidence.bare(mail.message_id), mail.recipient) for mail in mails]
        )
        db.session.remove()
    return report
