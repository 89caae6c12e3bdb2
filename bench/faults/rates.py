"""Rates: the emails in each second under a limit, and the durations that the plan and the page announce."""

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.faults.history import Seen
from bench.faults.result import Result
from bench.faults.scene import SWEEP, Scene, Worker
from bench.faults.stage import Stage
from bench.usage import usage_of
from notifier import clock
from notifier.campaigns import control
from notifier.campaigns.editing import create
from notifier.campaigns.progress import progress
from notifier.delivery.sweep import ENQUEUE_AGAIN_AFTER
from notifier.dev.ports import wait_until
from notifier.extensions import db
from notifier.models import CampaignRun
from notifier.services import services_of

#: Seconds at the start that are not judged.
START = 3.0
#: The least share of the rate in the judged seconds, and the most of it in any second.
LEAST, WORST = 0.95, 1.10
#: Emails that were late before may be made up for: this many seconds of the rate, 2 % of a minute.
LATE = 1.2
#: Seconds within which the first email of a run is sent, with its expansion and the first task of a worker.
FIRST = 5.0
#: How far the plan and the page may be from the actual time: a share, and seconds for short runs.
NEAR, SOON = 0.10, 2.0
#: Seconds between two sweeps, as in production.
SWEEP_EVERY = 5.0

WORDS = {"subject": "News", "heading": "What is new", "paragraphs": ["One thing.", "Another thing."]}


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was started manually."""

    run_id: int
    campaign_id: int
    #: Monotonic seconds.
    at: float
    #: Seconds by the plan.
    planned: float | None


def rates(stage: Stage, *, rate: float, seconds: float, pool: str = "prefork") -> Result:
    """Run one campaign with a rate, with two sending processes and no other work."""
    result = Result(f"rates ({rate:g}/s)", "I2 I8")
    emails = round(rate * (START + seconds + 2))
    with ExitStack() as stack:
        scene = _scene(stage, stack)
        worker = scene.worker("notifier.bulk,notifier.expansion", pool=pool, concurrency=2)
        before, busy = _updates(stage), _cpu(worker)
        run = _start(stage, f"rate-{rate:g}".replace(".", "-"), rate, first=0, emails=emails)
        half = wait_until(lambda: scene.sink.look().accepted >= emails / 2, 10 + 4 * emails / rate, pause=0.02)
        result.expect(half, "half of them are not sent after four times the expected time")
        half_at, left = time.monotonic(), _left(stage, run.run_id)
        result.expect(scene.settle(10 + 4 * emails / rate), f"I8: {scene.under_way()} rows are under way")
        moments = _moments(scene.sink.look())
        took = moments[-1] - run.at
        _judge(result, moments, rate, seconds)
        # The plan announces the duration of sending; its start is judged separately.
        _near(result, "plan", run.planned, moments[-1] - moments[0])
        result.expect(moments[0] - run.at < FIRST, f"the first email was sent after {moments[0] - run.at:.1f} s")
        _near(result, "left at half", left, moments[-1] - half_at)
        closed = wait_until(lambda: _state(stage, run.run_id) == "done", 2 * SWEEP_EVERY, pause=0.2)
        result.expect(closed, "the run is not closed")
        time.sleep(1.5)  # Postgres counts with a delay..
        result.expect(len(moments) == emails, f"I2: {len(moments)} accepted instead of {emails}")
        result.figures |= {
            "took s": took,
            "first after s": moments[0] - run.at,
            "row updates an email": (_updates(stage) - before) / emails,
            "CPU s per 1,000": 1000 * (_cpu(worker) - busy) / emails,
            "load": os.getloadavg()[0],
        }
    return result


def rates_together(stage: Stage, *, rates: Sequence[float], mail_rate: float | None, seconds: float) -> Result:
    """Run several campaigns at a time, after a large one without a rate, with a sign-up every half second.

    With `mail_rate` all emails share one limit.
    """
    result = Result(f"rates ({' + '.join(f'{rate:g}' for rate in rates)}, all {mail_rate or 'free'})", "I2 I8 I10")
    emails = [round(rate * (START + seconds + 2)) for rate in rates]
    large = 5000
    with ExitStack() as stack:
        scene = _scene(stage, stack)
        env = {"MAIL_RATE": str(mail_rate)} if mail_rate else {}
        scene.worker("notifier.bulk,notifier.expansion", **env)
        scene.worker("notifier.transactional", pool="threads", concurrency=4, **env)
        runs, first = [_start(stage, "large", None, first=sum(emails), emails=large)], 0
        for number, (rate, count) in enumerate(zip(rates, emails, strict=True)):
            runs.append(_start(stage, f"limited-{number}", rate, first=first, emails=count))
            first += count
        waits = _people(stage, scene, first + large, seconds)
        limited = tuple(run.campaign_id for run in runs[1:])
        done = wait_until(lambda: not _waiting(stage, limited), 10 + 3 * (START + seconds), pause=0.5)
        result.expect(done or bool(mail_rate), "the limited campaigns did not finish")
        by_campaign = _by_campaign(stage, scene.sink.look())
        if mail_rate:
            _judge(result, _moments(scene.sink.look()), mail_rate, seconds)
        else:
            for rate, run in zip(rates, runs[1:], strict=True):
                _judge(result, by_campaign.get(run.campaign_id, []), rate, seconds, name=f"{rate:g}/s ")
        result.figures |= {
            "people": len(waits),
            "longest wait of a person s": max(waits, default=0.0),
            "load": os.getloadavg()[0],
        }
        result.expect(max(waits, default=0.0) < 2.0, "I10: a person waited for more than 2 s")
    return result


def _scene(stage: Stage, stack: ExitStack) -> Scene:
    """Set the intervals of sweeps as in production, and mark all accounts as unconfirmed."""
    sweep = services_of(stage.app).sweep
    stack.callback(setattr, sweep, "enqueue_again_after", sweep.enqueue_again_after)
    sweep.enqueue_again_after = ENQUEUE_AGAIN_AFTER
    stage.execute("UPDATE notifier_users SET verified_at = NULL")
    return Scene(stage, stack, sweep_every=SWEEP_EVERY, chores=(*SWEEP, "tick"))


def _start(stage: Stage, name: str, rate: float | None, *, first: int, emails: int) -> Started:
    """Plan an announcement to `emails` people after the first `first`, and start it."""
    chosen = "SELECT id FROM notifier_users ORDER BY id LIMIT %s OFFSET %s"
    ids = stage.execute(f"SELECT min(id), max(id) FROM ({chosen}) AS chosen", emails, first)
    stage.execute("UPDATE notifier_users SET verified_at = now() WHERE id BETWEEN %s AND %s", *ids[0])
    audience = {"user_from": ids[0][0], "user_to": ids[0][1]}
    values = {"name": name, "kind": "announcement", "settings": WORDS, "audience": audience, "rate": rate}
    with stage.app.app_context():
        kinds = services_of(stage.app).kinds
        campaign_id = create(db.session(), values, kinds, now=clock.now()).id
        db.session.commit()
        planner = services_of(stage.app).planner
        planned = planner.plan(name, "now").seconds
        at = time.monotonic()
        run_id = control.run_now(db.session(), control.find(db.session(), name), kinds)
        db.session.commit()
        run_effects = services_of(stage.app).run_effects
        run_effects.started([run_id])
        db.session.remove()
    return Started(run_id, campaign_id, at, planned)


def _people(stage: Stage, scene: Scene, skip: int, seconds: float) -> list[float]:
    """Send a verification email every half second. Return how long each took."""
    owed: dict[str, float] = {}
    for number in range(round(seconds * 2)):
        [(address,)] = stage.execute("SELECT email FROM notifier_users ORDER BY id LIMIT 1 OFFSET %s", skip + number)
        owed[address] = time.monotonic()
        scene.ring(scene.owe(1, bulk=False, skip=skip + number), bulk=False)
        time.sleep(0.5)
    wait_until(lambda: owed.keys() <= scene.sink.look().copies().keys(), 10)
    came = scene.sink.look().copies()
    return [(came[address][0].accepted or 0) - at if address in came else 999.0 for address, at in owed.items()]


def _judge(result: Result, moments: Sequence[float], rate: float, seconds: float, name: str = "") -> None:
    """Judge the share of the rate after the start, and the fullest second, wherever it begins."""
    if not moments:
        result.problems.append(f"{name}nothing was sent")
        return
    since = moments[0] + START
    judged = [moment for moment in moments if since <= moment < since + seconds]
    share, worst = len(judged) / (rate * seconds), fullest(judged)
    aligned = max(sum(since + n <= moment < since + n + 1 for moment in judged) for n in range(round(seconds)))
    result.figures |= {f"{name}share": share, f"{name}fullest second": worst, f"{name}fullest of {seconds:g}": aligned}
    result.expect(LEAST <= share <= 1 + LATE / seconds, f"{name}{share:.1%} of the rate in {seconds:g} s")
    # Below 10 a second, one more email is more than a tenth.
    result.expect(worst <= max(rate * WORST, rate + 1), f"{name}a second with {worst} at {rate:g} a second")


def fullest(moments: Iterable[float], second: float = 1.0) -> int:
    """Return the most moments in any second."""
    ordered, most, start = sorted(moments), 0, 0
    for end, moment in enumerate(ordered):
        while moment - ordered[start] >= second:
            start += 1
        most = max(most, end - start + 1)
    return most


def _near(result: Result, name: str, said: float | None, took: float) -> None:
    result.figures[f"{name} s"] = "unknown" if said is None else said
    right = said is not None and abs(said - took) <= max(NEAR * took, SOON)
    result.expect(right, f"{name}: {said} s instead of {took:.1f} s")


def _moments(seen: Seen) -> list[float]:
    return sorted(mail.accepted for mail in seen.mails.values() if mail.accepted is not None)


def _by_campaign(stage: Stage, seen: Seen) -> dict[int, list[float]]:
    rows = stage.execute("SELECT recipient, campaign_id FROM notifier_notifications WHERE campaign_id IS NOT NULL")
    campaigns = dict(rows)
    found: dict[int, list[float]] = {}
    for mail in seen.mails.values():
        if mail.accepted is not None and mail.recipient in campaigns:
            found.setdefault(campaigns[mail.recipient], []).append(mail.accepted)
    return {campaign: sorted(moments) for campaign, moments in found.items()}


def _left(stage: Stage, run_id: int) -> float | None:
    """Return the time left on the run's page."""
    with stage.app.app_context():
        left = progress(db.session(), db.session.get_one(CampaignRun, run_id), clock.now()).left
        db.session.remove()
    return left


def _state(stage: Stage, run_id: int) -> str:
    return str(stage.execute("SELECT state FROM notifier_campaign_runs WHERE id = %s", run_id)[0][0])


def _waiting(stage: Stage, campaigns: tuple[int, ...]) -> int:
    query = """
        SELECT count(*) FROM notifier_notifications
        WHERE campaign_id = ANY(%s) AND status IN ('pending', 'sending')"""
    return int(stage.execute(query, list(campaigns))[0][0])


def _cpu(worker: Worker) -> float:
    return usage_of([worker.process.pid]).cpu


def _updates(stage: Stage) -> int:
    """Return the updates of ledger rows since the server started."""
    query = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'notifier_notifications'"
    return int(stage.execute(query)[0][0])
