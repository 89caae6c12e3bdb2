"""kill -9 of sending processes, again and again, while batches go out."""

import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

from bench.faults.checker import judge_kills, tally, wire_at
from bench.faults.history import Kill
from bench.faults.killer import Killer
from bench.faults.metrics import check_counters
from bench.faults.result import Result
from bench.faults.scene import Scene
from bench.faults.stage import Stage

#: The share of kills that hit the whole worker: the parent and its children at once.
WHOLE = 0.15
#: Keys handed to the broker ahead of sending, so that batches are large and a kill always hits one.
AHEAD = 2500
#: Keys that are handed over at once: the size of the publisher's messages.
SLICE = 1000
#: Seconds after the last kill, for two sweeps and their emails.
DRAIN = 120.0


def kill9(stage: Stage, *, mails: int, kills: int, policy: str, seed: int, delay_ms: float = 4.0) -> Result:
    """No email is lost; doubled or unknown are at most those that were on the wire at the kills."""
    result = Result(f"kill9 ({policy})", "I1 I2 I3 I4 I7 I8")
    with ExitStack() as stack:
        scene = Scene(stage, stack, delay_ms=delay_ms)
        killer = Killer(scene, scene.worker(), random.Random(seed))
        massacre = _Massacre(killer, scene.owe(mails, policy=policy))
        start = time.monotonic()
        done = massacre.run(kills)
        killing = time.monotonic() - start
        result.expect(scene.settle(DRAIN), f"I8: {scene.under_way()} rows are under way {DRAIN:.0f} s after the kills")
        total = time.monotonic() - start
        rows, seen = scene.rows(), scene.sink.look()
        found, wire = tally(rows, seen), wire_at(seen, rows, done)
        result.add(found)
        result.problems += judge_kills(found, wire)
        check_counters(stage, result, found)
        result.expect(len(done) == kills, f"only {len(done)} of {kills} kills were made")
        result.figures |= {
            "kills": dict(Counter(kill.whom for kill in done)),
            "on the wire (server, all sessions)": sum(seen.counts),
            "on the wire (sessions killed)": wire.on_wire,
            "replied but unread": wire.unread,
            "longest unread ms": round(wire.longest_unread * 1000, 1),
            "noted but not begun": wire.unborn,
            "reset with replies unread (server)": wire.resets,
            "processes killed": wire.processes,
            "on the wire by the server alone": wire.by_the_server,
            "uncertain by the journals": wire.in_doubt,
            "bound": wire.bound,
            "connections killed": wire.connections,
            # The strictest reading is no verdict, because a sent reply may be on its way, or unread.
            "within the bodies not answered": "yes" if found.doubled_or_unknown <= sum(seen.counts) else "NO",
            "seconds of killing": round(killing, 1),
            "emails/s": round(mails / total),
        }
        result.expect(policy != "never" or not found.extra, "I2: copies although the policy is never")
    return result


@dataclass
class _Massacre:
    """Kills at random moments, spread evenly over the emails."""

    killer: Killer
    keys: list[int]
    published: int = 0

    def run(self, kills: int) -> list[Kill]:
        """Make the kills. The last emails are published only after the last kill."""
        done: list[Kill] = []
        for number in range(kills):
            self._publish(upto=(number + 1) * len(self.keys) // (kills + 1) + AHEAD)
            kill = self.killer.strike(WHOLE)
            if kill is None:
                break
            done.append(kill)
        self._publish(upto=len(self.keys))
        return done

    def _publish(self, upto: int) -> None:
        while self.published < min(upto, len(self.keys)):
            self.killer.scene.ring(self.keys[self.published : self.published + SLICE])
            self.published += SLICE
