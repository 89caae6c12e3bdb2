"""Faults of the broker, Redis and RabbitMQ alike: away for minutes, restarted under load, poisoned."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from bench.arithmetic import percentile
from bench.faults.campaign import announce, nobody_else
from bench.faults.checker import tally
from bench.faults.fleet import Fleet, Signups
from bench.faults.result import Result
from bench.faults.scene import Scene
from bench.faults.stage import Stage
from notifier.dev.ports import wait_until
from notifier.tasks.queues import BULK, CONTROL, EXPANSION, TRANSACTIONAL
from notifier.testing.brokers import Broker, RabbitBroker, RedisBroker
from notifier.testing.poison import ENTRIES, WRONG

#: Seconds after the broker's return within which all emails are sent, and beat triggers jobs again.
SOON = 10.0
#: Seconds after which a fault gives up waiting.
LATE = 60.0


@dataclass(frozen=True)
class Absence:
    """The length of the broker's absence, and the work created meanwhile."""

    seconds: float
    #: Seconds between two attempts to reach it, so that a short absence has as many attempts as a long one.
    reconnect: str = ""
    signups: int = 200
    recipients: int = 2000


def broker_away(stage: Stage, *, kind: str, absence: Absence) -> Result:
    """No process stops while the broker is away, and all emails created meanwhile are sent soon after, once."""
    result = Result(f"broker_away ({kind})", "I1 I2 I3 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack, chores=())
        nobody_else(stage, absence.recipients, 0.5)
        fleet = Fleet(scene, stack, stage.broker_env(kind), FAULTS_RECONNECT=absence.reconnect)
        server = stage.broker(kind)
        server.kill()
        begun = time.monotonic()
        people = _make_meanwhile(stage, fleet, kind, absence)
        time.sleep(max(0.0, begun + absence.seconds - time.monotonic()))
        result.figures["seconds away"] = round(time.monotonic() - begun)
        fleet.expect_unharmed(result)
        server.start()
        back = time.monotonic()
        everything = absence.signups + absence.recipients
        wait_until(lambda: _sent(stage) >= everything, LATE, pause=0.1)
        took, sent = time.monotonic() - back, _sent(stage)
        result.expect(sent == everything, f"I8: {sent} of {everything} emails are out after {LATE:.0f} s")
        result.expect(took <= SOON, f"I8: the emails took {took:.1f} s after the broker was back")
        fleet.expect_unharmed(result)
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.expect(
            not found.extra and not found.unknowns, "I2: copies or uncertain emails although nothing was killed"
        )
        result.figures |= {"seconds until all are out": took, "sign-up p99 s": percentile(people.seconds, 0.99)}
    return result


def _make_meanwhile(stage: Stage, fleet: Fleet, kind: str, absence: Absence) -> Signups:
    """Create a campaign that comes due, and people who sign up and are not among its recipients."""
    announce(stage, "never")
    people = Signups(fleet)
    people.run(absence.signups, absence.seconds * 0.8, f"away-{kind}-")
    return people


def _sent(stage: Stage) -> int:
    return int(stage.execute("SELECT count(*) FROM notifier_notifications WHERE status = 'sent'")[0][0])


def rabbit_restart(stage: Stage, *, mails: int) -> Result:
    """A normal restart and kill -9 while batches go out and people sign up: beat triggers jobs again soon."""
    result = Result("rabbit_restart", "I1 I2 I3 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack, delay_ms=20.0, chores=())
        fleet = Fleet(scene, stack, stage.broker_env("rabbitmq"))
        people, over = Signups(fleet), threading.Event()
        thread = threading.Thread(target=people.run, args=(10_000, 5_000.0, "restart", over.is_set), daemon=True)
        thread.start()
        # Only the sweep that beat triggers enqueues them.
        scene.owe(mails, grace=0)
        rabbit = stage.broker("rabbitmq")
        for number, restart in enumerate((rabbit.restart_in_order, rabbit.restart), start=1):
            came = wait_until(lambda n=number: scene.sink.look().accepted > mails * n // 4, LATE, pause=0.05)  # type: ignore[misc]
            result.expect(came, f"only {scene.sink.look().accepted} of {mails} emails went out before restart {number}")
            _restart(fleet, restart, number, result)
        over.set()
        thread.join(30)
        result.expect(scene.settle(LATE), f"I8: {scene.under_way()} rows are under way after {LATE:.0f} s")
        fleet.expect_unharmed(result)
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.figures |= {"sign-ups": len(people.seconds), "longest sign-up s": max(people.seconds)}
        result.expect(
            not found.extra and not found.unknowns, "I2: copies or uncertain emails although no worker was killed"
        )
    return result


def _restart(fleet: Fleet, restart: Callable[[], None], number: int, result: Result) -> None:
    restart()
    back, start = fleet.now(), time.monotonic()
    wait_until(lambda: fleet.ticked_after(back), LATE, pause=0.05)
    took = time.monotonic() - start
    result.figures[f"tick after restart {number} s"] = took
    result.expect(took <= SOON, f"I8: beat ticked {took:.1f} s after restart {number}")


def poison_body(stage: Stage, *, kind: str) -> Result:
    """Valid headers with wrong bodies, and similar messages, in every queue: counted, shown, no process stops."""
    result = Result(f"poison_body ({kind})", "I1 I8 I11")
    with ExitStack() as stack:
        scene = Scene(stage, stack, chores=())
        fleet = Fleet(scene, stack, stage.broker_env(kind), REJECTED_MESSAGES_KEPT="1000")
        count = _push_all(stage, kind)
        wait_until(lambda: fleet.health()["rejected messages"]["figures"]["count"] >= count, LATE, pause=0.1)
        shown = fleet.health()["rejected messages"]["figures"]
        result.figures |= {"poison": count, "counted": shown["count"], "shown": len(shown["newest"])}
        result.expect(shown["count"] == count, f"I11: {shown['count']} of {count} messages were counted")
        result.expect(all(each["reason"] for each in shown["newest"]), "I11: the newest are not shown with a reason")
        _still_works(scene, fleet, "afterwards", result)
        fleet.expect_unharmed(result)
        for worker in (fleet.people, fleet.bulk):
            worker.stop()
            worker.start()
        fleet.note_processes()
        _still_works(scene, fleet, "restarted", result)
        fleet.expect_unharmed(result)
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.expect(not found.extra, "I2: copies although nothing failed")
    return result


def _push_all(stage: Stage, kind: str) -> int:
    """Put each message into each queue. Return their number."""
    broker: Broker = RedisBroker(stage.valkey) if kind == "redis" else RabbitBroker(stage.rabbit)
    queues = (TRANSACTIONAL, BULK, CONTROL, EXPANSION)
    for queue in queues:
        for message in WRONG.values():
            broker.push(queue, message)
        if isinstance(broker, RedisBroker):
            for each in ENTRIES.values():
                broker.push_entry(queue, each)
    return len(queues) * (len(WRONG) + (len(ENTRIES) if kind == "redis" else 0))


def _still_works(scene: Scene, fleet: Fleet, who: str, result: Result) -> None:
    """Send one person's email and one bulk email."""
    before = scene.sink.look().accepted
    fleet.sign_up(f"{who}@example.com")
    scene.owe(1, grace=0, skip=before)
    came = wait_until(lambda: scene.sink.look().accepted >= before + 2, LATE, pause=0.1)
    result.expect(came, f"I11: emails created {who} did not go out")
