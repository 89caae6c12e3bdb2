"""Faults of the mail server: it refuses everyone for a while, or one person always; it hangs, or drips."""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import pstdev

from bench.faults.checker import tally
from bench.faults.result import Result
from bench.faults.scene import Scene, Worker
from bench.faults.stage import Stage
from notifier.delivery import retry
from notifier.dev.ports import wait_until

STORM = '{"rcpt": "451 4.3.0 Try again later"}'
#: A short timeout, in seconds, for a server that hangs: the test is that the attempt ends by itself.
HASTE = {
    "MAIL_TIMEOUT_CONNECT": "1",
    "MAIL_TIMEOUT_COMMAND": "2",
    "MAIL_TIMEOUT_BODY": "2",
    "MAIL_TIMEOUT_EOD": "2",
    "MAIL_TIMEOUT_QUIT": "1",
    "MAIL_TIMEOUT_TOTAL": "4",
    "MAIL_LEASE": "20",
}
#: Above MAIL_TIMEOUT_TOTAL, for a loaded machine.
SLACK = 4.0


def storm(stage: Stage, *, mails: int = 300) -> Result:
    """fault-023: 451 for everyone, twice; then all is well. The times in the rows replace hours of waiting."""
    result = Result("smtp_4xx_storm", "I1 I2 I4 I7 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        scene.sink.behave(STORM)
        scene.worker()
        keys = scene.owe(mails, grace=5)
        scene.ring(keys)
        for tries in (1, 2):
            query = "SELECT count(*) FROM notifier_notifications WHERE status = 'pending' AND attempts = %s"
            done = wait_until(lambda: stage.execute(query, tries)[0][0] == mails, 30)  # noqa: B023  # called at once
            result.expect(done, f"not every row has {tries} attempts after 30 s")
            _check_schedule(result, stage, tries)
            if tries == 2:
                scene.sink.behave()
            scene.skip_time()
        result.expect(scene.settle(60), "I8: rows are under way after 60 s")
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        attempts = [row.attempts for row in scene.rows()]
        result.expect(set(attempts) == {3}, f"I7: attempts are {sorted(set(attempts))} instead of 3")
        result.expect(not found.extra and found.statuses["sent"] == mails, "I2: not each was sent once")
    return result


def _check_schedule(result: Result, stage: Stage, tries: int) -> None:
    """Check that waits are half to all of the schedule's step, and not all the same."""
    query = """
        SELECT extract(epoch FROM n.next_attempt_at - a.at)::float FROM notifier_notifications AS n
        JOIN notifier_attempts AS a ON a.notification_id = n.id AND a.claim = n.claims"""
    waits = [row[0] for row in stage.execute(query)]
    step = retry.SCHEDULE[tries - 1].total_seconds()
    if not waits:
        result.problems.append(f"I4: no record of attempt {tries}")
        return
    result.figures[f"wait {tries} s"] = f"{min(waits):.0f} to {max(waits):.0f}"
    inside = all(step / 2 - 2 <= wait <= step + 2 for wait in waits)
    result.expect(
        inside, f"waits after attempt {tries} are {min(waits):.0f} to {max(waits):.0f} s, the step is {step:.0f} s"
    )
    result.expect(pstdev(waits) > step / 20, f"no jitter after attempt {tries}")


def refuse_one(stage: Stage) -> Result:
    """fault-025: one address does not exist: one attempt, suppressed, no effect on others."""
    result = Result("smtp_5xx_one", "I1 I2 I4 I6 I7 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        keys = scene.owe(200, grace=5)
        [(address,)] = stage.execute("SELECT recipient FROM notifier_notifications WHERE id = %s", keys[100])
        scene.sink.behave(f'{{"refuse": {{"{address}": "550 5.1.1 No such user here"}}}}')
        scene.worker()
        scene.ring(keys)
        result.expect(scene.settle(30), "I8: rows are under way after 30 s")
        result.add(tally(scene.rows(), scene.sink.look()))
        refused = next(row for row in scene.rows() if row.pk == keys[100])
        result.expect((refused.status, refused.attempts) == ("failed", 1), f"it ended {refused.status}")
        result.expect(result.figures["ended"] == {"sent": 199, "failed": 1}, "I1: others did not all get theirs")
        stage.execute("UPDATE notifier_notifications SET dedupe_key = 'first:' || id, kind = 'verification'")
        scene.ring(scene.owe(1, skip=100))
        result.expect(scene.settle(30), "I8: the second email is under way after 30 s")
        status = stage.execute("SELECT status FROM notifier_notifications ORDER BY id DESC LIMIT 1")[0][0]
        tried = scene.sink.look().refused[address]
        result.figures |= {"second email": status, "RCPT of that address": tried}
        result.expect(
            status == "suppressed" and tried == 1, f"I6: the second email is {status}, RCPT was sent {tried} times"
        )
    return result


def hang(stage: Stage, *, name: str, conduct: str, mails: int = 40, rounds: int = 3) -> Result:
    """fault-019, fault-020: it never answers, or one byte a second; the worker is free by its deadline."""
    result = Result(name, "I1 I2 I4 I8 I12")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        scene.sink.behave(conduct)
        worker = scene.worker(concurrency=1, **HASTE)
        keys = scene.owe(mails, grace=600)
        longest, files = 0.0, []
        for _ in range(rounds):
            start = time.monotonic()
            free = _round(scene, keys)
            longest = max(longest, time.monotonic() - start)
            result.expect(free, "I8: claims were still held by a worker of a server that hangs")
            files.append(_open_files(worker))
            scene.skip_time()
        scene.sink.behave()
        scene.ring(keys)
        result.expect(scene.settle(60), "I8: rows are under way after 60 s")
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        limit = float(HASTE["MAIL_TIMEOUT_TOTAL"]) + SLACK
        result.figures |= {"longest round s": longest, "open files": files}
        result.expect(longest <= limit, f"I8: the worker was held for {longest:.1f} s, its limit is {limit:.0f} s")
        result.expect(files[-1] <= files[0] + 2, f"I12: open files grow: {files}")
        result.expect(not found.extra and not found.unknowns, "I2: uncertain emails although no body was sent")
    return result


def _round(scene: Scene, keys: Sequence[int]) -> bool:
    """Enqueue keys, and wait until rows were claimed and none is held any more."""
    query = "SELECT count(*) FILTER (WHERE status = 'sending'), coalesce(sum(claims), 0) FROM notifier_notifications"
    before = scene.stage.execute(query)[0][1]
    scene.ring(keys)

    def free() -> bool:
        held, claims = scene.stage.execute(query)[0]
        return claims > before and not held

    return wait_until(free, 30, pause=0.05)


def _open_files(worker: Worker) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in worker.children())
