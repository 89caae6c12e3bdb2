"""Faults of sending processes: rendering an email crashes them; they must stop during a batch."""

import os
import signal
import time
from contextlib import ExitStack

from bench.faults.checker import tally
from bench.faults.killer import is_gone
from bench.faults.result import Result
from bench.faults.scene import Scene
from bench.faults.stage import Stage
from notifier.dev.ports import wait_until

EMAILS = 1000
#: The longest time of a stop, in seconds: the default of STOP_GRACE.
GRACE = 25.0


def maker_dies(stage: Stage) -> Result:
    """One of 1,000 emails crashes the process that renders it: 999 are sent once, one has failed visibly."""
    result = Result("maker_dies", "I1 I2 I3 I4 I7 I8 I11")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        keys = scene.owe(EMAILS, grace=8)
        deadly = keys[EMAILS // 2]
        # With one connection no other email is being sent while one is rendered, so none becomes uncertain.
        worker = scene.worker(FAULTS_DEADLY=str(deadly), MAIL_CONNECTIONS="1")
        scene.ring(keys)
        result.expect(scene.settle(120), f"I11: {scene.under_way()} rows do not end")
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        reason = stage.execute("SELECT reason_code, reason FROM notifier_notifications WHERE id = %s", deadly)[0]
        deaths = stage.execute("SELECT count(*) FROM notifier_notifications WHERE deaths > 0")[0][0]
        result.figures |= {"reason": str(reason[1]), "others with a death": deaths}
        result.expect(found.statuses == {"sent": EMAILS - 1, "failed": 1}, f"I11: they ended as {dict(found.statuses)}")
        result.expect(reason[0] == "maker_died", f"I4: it has failed because of {reason}")
        result.expect(not found.extra and found.copies == EMAILS - 1, "I2: not each of the others was sent once")
        result.expect(worker.is_alive(), "I11: the worker itself stopped")
    return result


def stop_under_load(stage: Stage, *, seconds: float, whole: bool) -> Result:
    """SIGTERM to the first process, or the `whole` group, while the server takes `seconds` an email."""
    result = Result(f"stop_under_load ({'group' if whole else 'first process'})", "I1 I2 I4 I7 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        scene.sink.behave(f'{{"eod_delay": {seconds}}}')
        worker = scene.worker()
        scene.ring(scene.owe(EMAILS, policy="never", grace=600))
        result.expect(wait_until(lambda: scene.sink.look().accepted > 20, 60), "the batch does not go out")
        pid = worker.process.pid
        start = time.monotonic()
        (os.killpg if whole else os.kill)(pid, signal.SIGTERM)
        ended = wait_until(lambda: is_gone(pid), GRACE)
        result.figures["seconds to end"] = round(time.monotonic() - start, 1)
        result.expect(ended, f"it did not end within {GRACE:.0f} s")
        stopped = tally(scene.rows(), scene.sink.look())
        result.figures["sent when it ended"] = stopped.statuses["sent"]
        result.expect(stopped.unknowns == 0, f"I2: {stopped.unknowns} uncertain")
        result.expect(stopped.copies == stopped.statuses["sent"], "I4: copies that are not in the ledger")
        result.expect(0 < stopped.statuses["sent"] < EMAILS, "all were sent before it ended: no proof")
        scene.sink.behave()
        worker.stop()
        worker.start()
        result.expect(scene.settle(60), f"I8: {scene.under_way()} rows are under way after 60 s")
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.expect(found.statuses == {"sent": EMAILS} and not found.extra, "I2: not each was sent once")
    return result
