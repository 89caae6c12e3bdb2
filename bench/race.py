"""The race: the same work for each contender, in turns, and the measurements."""

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.arithmetic import affordable, per_minute, tally
from bench.children import READY_SECONDS, Child
from bench.contenders import Contender, Setting
from bench.servers import Sink, Stage, open_sink
from bench.usage import PeakMemory, usage_of

#: Target duration of a run with slow replies, in seconds.
SLOW_RUN = 12.0
#: Seconds after which any run is given up; emails that have not arrived by then are lost.
LIMIT = 180.0
#: Seconds without any email after which a run is given up, too.
SILENCE = 60.0
#: Seconds to wait for late copies.
GRACE = 0.3
LOOK_EVERY = 0.02


@dataclass(frozen=True)
class Plan:
    """The amount of work. `delays` are in milliseconds."""

    mails: int
    rounds: int
    delays: Sequence[float]
    contenders: Sequence[Contender]


@dataclass(frozen=True)
class Run:
    """The result of one run, in seconds and megabytes (10^6 bytes); `delay_ms` in milliseconds."""

    contender: str
    delay_ms: float
    round: int
    mails: int
    #: From the start of enqueueing to the last acceptance.
    seconds: float
    mails_per_second: float
    #: User and system time of all processes of the contender, until everything was recorded.
    cpu_per_1000: float
    peak_mb: float
    lost: int
    duplicates: int
    #: From the start until everything was recorded.
    settled_seconds: float
    postgres_cpu_per_1000: float
    valkey_cpu_per_1000: float
    sink_cpu_per_1000: float
    #: Emails accepted in each whole minute.
    per_minute: list[int]
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)


def race(stage: Stage, plan: Plan) -> Iterator[Run]:
    """Yield all runs as they end: for each delay A B C D, A B C D, and so on."""
    for contender in plan.contenders:
        contender.prepare(stage)
    stage.execute("ANALYZE notifier_users")
    for delay, number, contender in _order(plan):
        mails = affordable(
            plan.mails,
            delay_ms=delay,
            round_trips=contender.round_trips,
            connections=contender.connections(delay),
            seconds=SLOW_RUN,
        )
        yield run_once(stage, contender, delay_ms=delay, emails=mails, number=number)


def _order(plan: Plan) -> Iterator[tuple[float, int, Contender]]:
    for delay in plan.delays:
        for number in range(1, plan.rounds + 1):
            for contender in plan.contenders:
                if delay >= contender.least_delay:
                    yield delay, number, contender


def run_once(
    stage: Stage, contender: Contender, *, delay_ms: float, emails: int, number: int, limit: float = LIMIT
) -> Run:
    """Make one run, with its own folder and sink; it is given up after `limit` seconds.

    Raise ChildError if a process fails.
    """
    contender.reset(stage)
    with (
        tempfile.TemporaryDirectory(dir=stage.folder) as folder,
        open_sink(Path(folder), delay_ms) as sink,
        contender.processes(Setting(stage, Path(folder), sink.port, delay_ms, emails)) as children,
    ):
        children[0].hear("ready", READY_SECONDS * 2)
        return _Measurement(stage, contender, sink, children, emails, limit).run(delay_ms, number)


class _Measurement:
    """The clock and the meters of a run, and the check whether it is over."""

    def __init__(
        self, stage: Stage, contender: Contender, sink: Sink, children: list[Child], mails: int, limit: float
    ) -> None:
        self._stage, self._contender, self._sink, self._children = stage, contender, sink, children
        self._mails, self._limit = mails, limit
        self._intended = set(stage.recipients(mails))
        self._meters = {
            "own": [child.pid for child in children],
            "postgres": [stage.postgres.pid],
            "valkey": [stage.valkey.pid],
            "sink": [sink.pid],
        }

    def run(self, delay_ms: float, number: int) -> Run:
        before = {name: usage_of(pids).cpu for name, pids in self._meters.items()}
        with PeakMemory(self._meters["own"]) as memory:
            start = time.time()
            self._children[0].say("go")
            facts, settled = self._watch(start)
            spent = {name: usage_of(pids).cpu - before[name] for name, pids in self._meters.items()}
        time.sleep(GRACE)
        self._sink.look()
        accepted = self._sink.accepted
        counted = tally(self._intended, accepted)
        seconds = max((mail.at for mail in accepted), default=time.time()) - start
        thousands = max(1, self._mails - counted.lost) / 1000
        return Run(
            contender=self._contender.name,
            delay_ms=delay_ms,
            round=number,
            mails=self._mails,
            seconds=seconds,
            mails_per_second=thousands * 1000 / seconds,
            cpu_per_1000=spent["own"] / thousands,
            peak_mb=memory.peak / 1e6,
            lost=counted.lost,
            duplicates=counted.duplicates + counted.strangers,
            settled_seconds=settled - start,
            postgres_cpu_per_1000=spent["postgres"] / thousands,
            valkey_cpu_per_1000=spent["valkey"] / thousands,
            sink_cpu_per_1000=spent["sink"] / thousands,
            per_minute=per_minute([mail.at for mail in accepted]),
            facts=facts,
        )

    def _watch(self, start: float) -> tuple[dict[str, Any], float]:
        """Watch until all is accepted and recorded, or nothing more happens. Return the facts, and the end."""
        seen: set[str] = set()
        done: str | None = None
        last = time.time()
        while True:
            new = self._sink.look()
            seen.update(mail.recipient for mail in new)
            now = time.time()
            last = now if new else last
            done = self._children[0].heard("done") if done is None else done
            complete = len(seen) >= len(self._intended) and done is not None
            if complete and self._contender.settled(self._stage):
                break
            if now - start > self._limit or now - last > SILENCE:
                break
            time.sleep(LOOK_EVERY)
        return json_facts(done), time.time()


def json_facts(line: str | None) -> dict[str, Any]:
    """Return the program's facts about its run; `unfinished` if it had not finished."""
    return {"unfinished": True} if line is None else dict(json.loads(line))
