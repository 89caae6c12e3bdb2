"""Faults of hosts: one is lost with its claims and its folder comes back later; one loses the database."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.faults.checker import tally
from bench.faults.history import Seen
from bench.faults.proxy import Proxy
from bench.faults.result import Result
from bench.faults.scene import Scene, Worker
from bench.faults.stage import Stage
from notifier import clock
from notifier.delivery.recovery import journal
from notifier.dev.ports import wait_until
from notifier.extensions import db
from notifier.observability import healthcheck

LOST, OTHER = "lost-host", "other-host"
#: Emails of a campaign that the lost host holds: less than one chunk, so all of them are claimed.
HELD = 200
#: Emails of the run in which a host is cut off.
CUT_OFF = 600
#: Seconds from a lease's end to the sweep that gives the row back, and for sending the email.
SLACK = 10.0
#: Seconds within which a person's email goes out again after its host is lost.
AGAIN = 60.0


@dataclass(frozen=True)
class Pause:
    """Times of a fault, in seconds."""

    lease: float
    #: How long a host is cut off.
    cut: float

    @property
    def fence(self) -> float:
        """Return the time without a renewal after which no email is begun."""
        return self.lease * 2 / 3


def _host(scene: Scene, name: str, queues: str, lease: float, **env: str) -> Worker:
    """A worker on a host of its own: its name and its data folder."""
    folder = scene.folder / name
    folder.mkdir(exist_ok=True)
    return scene.worker(queues, NOTIFIER_HOST=name, NOTIFIER_DATA_DIR=str(folder), MAIL_LEASE=str(lease), **env)


def host_lost(stage: Stage, *, pause: Pause) -> Result:
    """Kill a host with 200 claims under `never`. Its folder comes back: unbegun emails go once, begun are unknown."""
    result = Result("host_lost", "I1 I2 I3 I4 I7 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        scene.sink.behave('{"eod_delay": 1.0}')
        lost = _host(scene, LOST, "notifier.bulk,notifier.transactional", pause.lease)
        scene.ring(scene.owe(HELD, policy="never", grace=600))
        result.expect(wait_until(lambda: scene.sink.look().accepted > 20, 30), "the batch does not go out")
        (person,) = scene.owe(1, bulk=False, grace=600, skip=HELD)
        scene.ring([person], bulk=False)
        result.expect(wait_until(lambda: _status(stage, person) == "sending", 30), "the person's email is not held")
        with scene.sweeper.lock:
            lost.kill_all()
        killed = time.monotonic()
        in_doubt = _in_doubt(scene.folder / LOST)
        scene.sink.behave()
        _host(scene, OTHER, "notifier.transactional", pause.lease)
        sent = wait_until(lambda: _status(stage, person) == "sent", AGAIN)
        result.figures["seconds until the person's email"] = round(time.monotonic() - killed, 1)
        result.expect(sent, f"I8: the person's email did not go out within {AGAIN:.0f} s")
        lapsed = wait_until(lambda: not _count(stage, "sending"), pause.lease + SLACK)
        result.expect(lapsed, "I8: claims of the lost host are still held")
        result.figures["unknown before its folder is back"] = _count(stage, "unknown")
        result.expect(_names(stage, LOST), "health does not name the lost host")

        _host(scene, LOST, "notifier.bulk", pause.lease)
        # Its first process may be ready while its child still replays the journal.
        back = wait_until(lambda: _count(stage, "unknown") <= len(in_doubt - {person}), 30)
        result.expect(back, "I8: its journal corrects nothing")
        result.expect(scene.settle(60), f"I8: {scene.under_way()} rows are under way after its folder is back")
        rows = scene.rows()
        found = tally(rows, scene.sink.look())
        result.add(found)
        unknown = {row.pk for row in rows if row.status == "unknown"}
        result.figures["uncertain by its journal"] = len(in_doubt - {person})
        result.expect(unknown == in_doubt - {person}, f"I4: {len(unknown)} unknown, {len(in_doubt)} in its journal")
        never = [row for row in rows if row.on_unknown == "never"]
        copies = scene.sink.look().copies()
        twice = [row for row in never if len(copies.get(row.recipient, ())) > 1]
        result.expect(not twice, f"I2: {len(twice)} copies although the policy is never")
        result.expect({row.status for row in never} <= {"sent", "unknown"}, "I4: others than sent and unknown")
    return result


def host_cut_off(stage: Stage, *, pause: Pause) -> Result:
    """Cut a host off from the database under `resend`: it begins no email after the fence; copies as counted."""
    result = Result("host_cut_off", "I1 I2 I3 I4 I7 I8")
    parts = urlsplit(stage.postgres.url("faults"))
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(parts.port or 5432))
        behind = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()
        scene = Scene(stage, stack)
        scene.sink.behave('{"eod_delay": 1.0}')
        # Slow enough that it has claimed more than it can begin before the fence.
        slow = {"DATABASE_URL": behind, "MAIL_CONNECTIONS": "5"}
        _host(scene, LOST, "notifier.bulk", pause.lease, **slow)
        keys = scene.owe(CUT_OFF, grace=600)
        scene.ring(keys)
        result.expect(wait_until(lambda: scene.sink.look().accepted > 20, 30), "the batch does not go out")
        proxy.cut()
        cut = time.monotonic()
        begun = len(scene.sink.look().mails)
        held = _count(stage, "sending")
        time.sleep(pause.fence + SLACK / 2)
        late = _begun_after(scene.sink.look(), cut + pause.fence)
        last = max((mail.begun for mail in scene.sink.look().mails.values()), default=cut) - cut
        begun = len(scene.sink.look().mails) - begun
        result.figures |= {"held at the cut": held, "begun after it": begun, "the last one after s": round(last, 1)}
        result.expect(0 < begun < held - 10, f"it held {held} at the cut and began {begun}: no proof")
        result.expect(not late, f"I2: it began {late} emails more than {pause.fence:.0f} s after it was cut off")
        scene.sink.behave()
        _host(scene, OTHER, "notifier.bulk", pause.lease)
        # Rows that it had taken from the queue and not claimed are queued again by the next sweep.
        stage.execute("UPDATE notifier_notifications SET enqueue_at = now() WHERE status = 'pending'")
        time.sleep(max(0.0, cut + pause.cut - time.monotonic()))
        proxy.mend()
        result.expect(scene.settle(90), f"I8: {scene.under_way()} rows are under way 90 s after it is back")
        found = tally(scene.rows(), scene.sink.look())
        result.add(found)
        result.expect(found.statuses["sent"] == CUT_OFF, "I1: not all of them are sent")
    return result


def _begun_after(seen: Seen, moment: float) -> int:
    return sum(mail.begun > moment for mail in seen.mails.values())


def _in_doubt(folder: Path) -> set[int]:
    """Keys of rows whose email had begun and has no reply, by the journals of this host."""
    found: set[int] = set()
    for path in (folder / "journal").glob("*" + journal.SUFFIX):
        found |= journal.read(path).in_doubt
    return found


def _status(stage: Stage, pk: int) -> str:
    return str(stage.execute("SELECT status FROM notifier_notifications WHERE id = %s", pk)[0][0])


def _count(stage: Stage, status: str) -> int:
    return int(stage.execute("SELECT count(*) FROM notifier_notifications WHERE status = %s", status)[0][0])


def _names(stage: Stage, host: str) -> bool:
    """Return True if health counts this host's lost claims and uncertain emails."""
    with stage.app.app_context():
        findings = {each.name: each for each in healthcheck.examine(db.session(), clock.now())}
        db.session.remove()
    lost, unknown = findings["lost claims"], findings["unknown"]
    return host in lost.figures["hosts"] and host in unknown.figures["hosts"] and host in lost.detail
