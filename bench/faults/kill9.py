"""kill -9 of sending processes, again and again, while batches go out."""

import os
import random
import re
import signal
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.faults.checker import judge_kills, tally, wire_at
from bench.faults.history import Kill
from bench.faults.result import Result
from bench.faults.scene import Scene, Worker
from bench.faults.stage import Stage
from notifier.delivery import journal
from notifier.embedded.ports import wait_until

#: Of all kills, so many hit the whole worker: the parent and its children at once.
WHOLE = 0.15
#: Keys handed to the broker ahead of what has been sent, so that batches are large and a kill always has one.
AHEAD = 2500
#: Keys that are handed over at once: the size of the publisher's messages.
SLICE = 1000
#: Seconds that a kill waits at most for a process that has mails under way.
PATIENCE = 30.0
#: After the last kill: two rings of the sweep and their mails.
DRAIN = 120.0
#: A kill comes a random moment after a process was seen to be sending, up to so many seconds.
LATER = 0.08

_OWNER = re.compile(r"-(\d+)-[0-9a-f]+$")


def kill9(stage: Stage, *, mails: int, kills: int, policy: str, seed: int, delay_ms: float = 4.0) -> Result:
    """Lost 0; doubled or unknown at most what was on the wire at the kills."""
    result = Result(f"kill9 ({policy})", "I1 I2 I3 I4 I7 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack, delay_ms=delay_ms)
        massacre = _Massacre(scene, scene.worker(), scene.owe(mails, policy=policy), random.Random(seed))
        start = time.monotonic()
        done = massacre.run(kills)
        killing = time.monotonic() - start
        result.expect(scene.settle(DRAIN), f"I8: {scene.under_way()} rows are under way {DRAIN:.0f} s after the kills")
        total = time.monotonic() - start
        rows, seen = scene.rows(), scene.sink.look()
        found, wire = tally(rows, seen), wire_at(seen, rows, done)
        result.add(found)
        result.problems += judge_kills(found, wire)
        result.expect(len(done) == kills, f"only {len(done)} of {kills} kills were made")
        result.figures |= {
            "kills": dict(Counter(kill.whom for kill in done)),
            "on the wire (server, all sessions)": sum(seen.counts),
            "on the wire (sessions killed)": wire.on_wire,
            "replied but unread": wire.unread,
            "longest unread ms": round(wire.longest_unread * 1000, 1),
            "noted but not begun": wire.unborn,
            "in doubt by the journals": wire.in_doubt,
            "bound": wire.bound,
            "connections killed": wire.connections,
            # The strict reading: not a verdict here, because a reply that was sent may still be unread.
            "within the server's own count": "yes" if found.doubled_or_unknown <= sum(seen.counts) else "NO",
            "seconds of killing": round(killing, 1),
            "mails/s": round(mails / total),
        }
        result.expect(policy != "never" or not found.extra, "I2: copies although the policy is never")
    return result


@dataclass
class _Massacre:
    """Kills at random moments, spread evenly over the mails."""

    scene: Scene
    worker: Worker
    keys: list[int]
    rng: random.Random
    published: int = 0

    def run(self, kills: int) -> list[Kill]:
        """Make them; the last mails are published only after the last kill."""
        done: list[Kill] = []
        for number in range(kills):
            self._publish(upto=(number + 1) * len(self.keys) // (kills + 1) + AHEAD)
            victim = self._victim()
            if victim is None:
                break
            time.sleep(self.rng.uniform(0, LATER))
            whole = self.rng.random() < WHOLE
            # No sweep meanwhile: the journals of the dead are read here first.
            with self.scene.sweeper.lock:
                alive = [pid for pid in self.worker.children() if not _is_gone(pid)]
                done.append(self._kill(alive if whole else [victim], whole))
            if whole:
                self.worker.stop()
                self.worker.start()
        self._publish(upto=len(self.keys))
        return done

    def _publish(self, upto: int) -> None:
        while self.published < min(upto, len(self.keys)):
            self.scene.ring(self.keys[self.published : self.published + SLICE])
            self.published += SLICE

    def _victim(self) -> int | None:
        """A child with mails under way: its journal is not empty."""
        busy: list[int] = []

        def found() -> bool:
            sending = {pid for pid, path in self._journals() if _size(path)}
            # One that was just killed is a child until its parent has noticed.
            busy[:] = [pid for pid in self.worker.children() if pid in sending and not _is_gone(pid)]
            return bool(busy)

        return self.rng.choice(sorted(busy)) if wait_until(found, PATIENCE, pause=0.005) else None

    def _kill(self, pids: list[int], whole: bool) -> Kill:
        self.scene.sink.count()
        before = time.monotonic()
        if whole:
            self.worker.kill_all()
        else:
            os.kill(pids[0], signal.SIGKILL)
        # From here on it runs no more; to be gone altogether takes it some milliseconds.
        killed = time.monotonic()
        wait_until(lambda: all(map(_is_gone, pids)), 10, pause=0.001)
        traces = [journal.read(path) for pid, path in self._journals() if pid in pids]
        doubtful = frozenset(pk for trace in traces for pk in trace.begun - trace.replied.keys())
        return Kill(before, killed, doubtful, "all" if whole else "child")

    def _journals(self) -> list[tuple[int, Path]]:
        """(process id, journal) of everybody, also of the dead."""
        paths = (self.scene.stage.folder / "journal").glob("*" + journal.SUFFIX)
        owners = [(_OWNER.search(path.stem), path) for path in paths]
        return [(int(match[1]), path) for match, path in owners if match]


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _is_gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"
