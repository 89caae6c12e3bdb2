"""Faults of workers and sweeps: a kill or stop after the dot, two sweeps at once, bulk before people."""

import os
import signal
import time
from contextlib import ExitStack

from bench.arithmetic import percentile
from bench.faults.checker import tally
from bench.faults.result import Result
from bench.faults.scene import Scene, Sweeper
from bench.faults.stage import Stage
from notifier.dev.ports import wait_until

#: Seconds that the server holds back its reply to a final dot.
BEHIND_THE_DOT = 2.0


def kill_after_dot(stage: Stage) -> Result:
    """fault-002: killed between the final dot and its reply; five rows may be sent again, five must not."""
    result = Result("worker_kill9_after_dot", "I1 I2 I3 I4 I7 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        scene.sink.behave(f'{{"eod_delay": {BEHIND_THE_DOT}}}')
        worker = scene.worker(concurrency=1)
        resend, never = scene.owe(5, policy="resend"), scene.owe(5, policy="never", skip=5)
        # Alternating, so that the first connections carry both sorts.
        scene.ring([key for pair in zip(resend, never, strict=True) for key in pair])
        result.expect(wait_until(lambda: scene.sink.look().accepted == 10, 20), "the emails did not go out")
        os.kill(worker.children()[0], signal.SIGKILL)
        scene.sink.behave()
        result.expect(scene.settle(60), "I8: rows are under way after 60 s")
        rows = scene.rows()
        found = tally(rows, scene.sink.look())
        result.add(found)
        again = [row for row in rows if row.on_unknown == "resend"]
        doubt = sum(row.unknowns for row in again)
        result.expect({row.status for row in again} == {"sent"}, "I4: with resend not all are sent")
        ends = {row.status for row in rows if row.on_unknown == "never"}
        result.expect(ends <= {"sent", "unknown"}, f"I4: with never they end as {ends}")
        result.expect(found.unknowns > 0, "nothing was uncertain: no proof")
        result.expect(found.extra == doubt, f"I2: {found.extra} copies beyond the first instead of {doubt}")
    return result


def sigterm_midsend(stage: Stage) -> Result:
    """fault-004: SIGTERM while the server holds back its reply; the worker reads it, settles and stops."""
    result = Result("worker_sigterm_midsend", "I1 I2 I4 I7 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        scene.sink.behave(f'{{"eod_delay": {BEHIND_THE_DOT}}}')
        worker = scene.worker()
        scene.ring(scene.owe(10, grace=60))
        result.expect(wait_until(lambda: scene.sink.look().accepted == 10, 20), "the emails did not go out")
        start = time.monotonic()
        os.kill(worker.process.pid, signal.SIGTERM)
        ended = wait_until(lambda: not os.path.exists(f"/proc/{worker.process.pid}/fd/0"), 20)
        result.figures["seconds to end"] = round(time.monotonic() - start, 1)
        result.expect(ended, "the worker did not stop within 20 s")
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.expect(not found.extra and not found.unknowns, "I2: a normal stop doubled an email or left it uncertain")
    return result


def two_sweeps(stage: Stage) -> Result:
    """Three sweeps at once over rows that were never enqueued, each created twice: each goes out once."""
    result = Result("two_sweeps", "I1 I2 I3 I5 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack, sweep_every=0.05)
        for _ in range(2):
            stack.callback(Sweeper(stage.app, 0.05).stop)
        scene.worker()
        owed, again = scene.owe(2000, grace=0), scene.owe(2000, grace=0)
        result.expect(not again, f"I5: {len(again)} rows for a reason that had one")
        result.expect(scene.settle(60), "I8: rows are under way after 60 s")
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.expect(found.rows == len(owed) and not found.extra, "I2: copies although nothing failed")
    return result


def people_first(stage: Stage, *, backlog: int, deferred: int, people: int = 100) -> Result:
    """Send verification emails while a backlog of bulk email waits and `deferred` rows come due."""
    result = Result("transactional_under_bulk", "I10")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        keys = scene.owe(backlog, grace=600)
        scene.defer(deferred)
        scene.ring(keys)
        scene.worker()
        scene.worker("notifier.transactional", pool="threads", concurrency=4)
        result.expect(wait_until(lambda: scene.sink.look().accepted > 100, 30), "the bulk run did not start")
        owed: dict[str, float] = {}
        for number in range(people):
            query = "SELECT email FROM notifier_users ORDER BY id LIMIT 1 OFFSET %s"
            [(address,)] = stage.execute(query, backlog + number)
            owed[address] = time.monotonic()
            scene.ring(scene.owe(1, bulk=False, skip=backlog + number), bulk=False)
            time.sleep(0.02)
        waiting = scene.under_way()
        result.expect(
            wait_until(lambda: owed.keys() <= scene.sink.look().copies().keys(), 60), "I10: some did not come"
        )
        came = scene.sink.look().copies()
        taken = [(came[address][0].accepted or 0) - at for address, at in owed.items() if address in came]
        result.figures |= {"people": people, "deferred rows": deferred, "bulk waiting at the last one": waiting}
        result.expect(waiting > people, "the backlog was gone before the last one: no proof")
        if taken:
            p95 = percentile(taken, 0.95)
            result.figures |= {"p50 s": percentile(taken, 0.5), "p95 s": p95, "longest s": max(taken)}
            result.expect(p95 < 5, f"I10: p95 is {p95:.1f} s")
    return result
