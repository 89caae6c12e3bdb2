"""Faults of the broker and the database: emptied, poisoned, restarted."""

import base64
import json
import time
from contextlib import ExitStack

from bench.faults.checker import tally
from bench.faults.result import Result
from bench.faults.scene import Scene
from bench.faults.stage import Stage
from notifier.delivery.settler import RETRY_PAUSES
from notifier.delivery.verdict import COMPOSE_TRIES
from notifier.dev.ports import wait_until

#: Seconds without a database: longer than storing an outcome is retried.
AWAY = sum(RETRY_PAUSES) + 3

#: Raw entries of the queue that are not messages, as an accident might leave them.
GARBAGE = (b"not json at all", b"{}", b"\xff\xfe\x00")


def _envelope(body: str, task: str, content_type: str = "application/json") -> bytes:
    """Return a message as kombu stores it in Redis."""
    properties = {
        "body_encoding": "base64",
        "delivery_tag": task,
        "delivery_info": {"routing_key": "notifier.bulk", "exchange": ""},
    }
    headers = {"lang": "py", "task": task, "id": task, "argsrepr": "", "kwargsrepr": ""}
    encoded = base64.b64encode(body.encode()).decode()
    message = {"body": encoded, "content-encoding": "utf-8", "content-type": content_type}
    return json.dumps(message | {"headers": headers, "properties": properties}).encode()


#: Messages that no worker understands: a broken body, a foreign type, an unknown task, wrong arguments.
POISON = (
    _envelope("{{{", "notifier.deliver_batch"),
    _envelope("x", "notifier.deliver_batch", "application/x-python-serialize"),
    _envelope("[[], {}, {}]", "notifier.no_such_task"),
    _envelope('[["a", "b", "c"], {}, {}]', "notifier.deliver_batch"),
    _envelope('[[["x"]], {}, {}]', "notifier.deliver_batch"),
)


def flush_broker(stage: Stage) -> Result:
    """fault-007: FLUSHALL while 1,000 are queued: the ledger, not the broker, is the truth."""
    result = Result("broker_flushall", "I1 I2 I3 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        scene.ring(scene.owe(1000, grace=3))
        with stage.redis() as client:
            result.figures["messages lost"] = client.llen("notifier.bulk")
            client.flushall()
        result.expect(bool(result.figures["messages lost"]), "nothing was queued")
        scene.worker()
        result.expect(scene.settle(60), "I8: rows are under way after 60 s")
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.expect(not found.extra, "I2: copies although nothing was killed")
    return result


def restart_database(stage: Stage) -> Result:
    """fault-012: in the middle of a batch Postgres is restarted, then away for longer than a settle waits."""
    result = Result("db_restart", "I1 I2 I3 I4 I7 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        scene.worker()
        scene.ring(scene.owe(4000, grace=8))
        _wait_for_mails(scene, result, 1000)
        with scene.sweeper.lock:
            stage.postgres.restart_in_order()
        _wait_for_mails(scene, result, 2000)
        with scene.sweeper.lock:
            stage.postgres.kill()
            time.sleep(AWAY)
            stage.postgres.start()
        result.expect(scene.settle(90), "I8: rows are under way after 90 s")
        seen = scene.sink.look()
        found = tally(scene.rows(), seen)
        result.add(found)
        # A batch that fails closes its connections; each was sending one email at most.
        cut = sum(session.cut for session in seen.sessions.values())
        result.figures |= {"connections given up": cut, "sweeps that failed": scene.sweeper.failed}
        result.expect(found.doubled_or_unknown <= cut, f"I2: {found.doubled_or_unknown} doubled or unknown, {cut} cut")
    return result


def _wait_for_mails(scene: Scene, result: Result, count: int) -> None:
    came = wait_until(lambda: scene.sink.look().accepted > count, 60)
    result.expect(came, f"{count} emails did not go out within 60 s")


def poison(stage: Stage) -> Result:
    """fault-027: undecodable payloads and unrenderable rows; the others go out, the worker keeps running."""
    result = Result("poison_message", "I1 I2 I8 I11")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        worker = scene.worker()
        good = scene.owe(200, grace=3)
        poisoned = {good[0]: "no_such_kind", good[100]: "no_such_kind"}
        for pk, kind in poisoned.items():
            stage.execute("UPDATE notifier_notifications SET kind = %s WHERE id = %s", kind, pk)
        with stage.redis() as client:
            for payload in POISON:
                client.lpush("notifier.bulk", payload)
        pids = [worker.process.pid, *worker.children()]
        scene.ring(good)
        others = len(good) - len(poisoned)
        came = wait_until(lambda: scene.sink.look().accepted >= others, 30)
        result.expect(came, f"I11: {scene.sink.look().accepted} of {others} others came within 30 s")
        for _ in range(COMPOSE_TRIES):
            time.sleep(2.5)
            scene.skip_time()
        result.expect(scene.settle(20), f"I11: {scene.under_way()} rows never end")
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.expect(found.statuses["failed"] == len(poisoned), "I11: the poisoned rows did not end as failed")
        result.expect([worker.process.pid, *worker.children()] == pids, "I11: it crashed a process of the worker")
        with stage.redis() as client:
            result.expect(not client.llen("notifier.bulk"), "I11: the queue is not empty")
    return result


def garbage(stage: Stage) -> Result:
    """The queue holds entries that are not messages: nothing is lost, and the worker keeps running."""
    result = Result("poison_garbage", "I1 I2 I8 I11")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        worker = scene.worker()
        keys = scene.owe(200, grace=3)
        with stage.redis() as client:
            for payload in GARBAGE:
                client.lpush("notifier.bulk", payload)
        scene.ring(keys)
        exits = 0
        while not scene.settle(4) and exits < len(GARBAGE) + 1:
            # Restart it as `./run up`, Compose and systemd do.
            if not worker.is_alive():
                exits += 1
                worker.stop()
                worker.start()
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.figures["exits of the worker"] = exits
        result.expect(not exits, f"I11: the worker stopped {exits} times and had to be restarted")
    return result
