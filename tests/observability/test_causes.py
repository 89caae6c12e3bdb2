"""The cause is named, and what follows from it is folded below it; each cause leads to a heading that exists."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.observability.cause_rules import RULES, Effect
from notifier.observability.causes import Sighting, diagnose
from notifier.observability.check import HealthCheck
from notifier.observability.watch import Memory
from notifier.testing.clocks import NOON

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


def bad(*names: str, detail: str = "x", **figures: object) -> list[HealthCheck]:
    return [HealthCheck(name, ok=False, detail=detail, figures=figures) for name in names]


def lacking(*queues: str) -> list[HealthCheck]:
    return bad("queues", without_reader=[f"notifier.{queue}" for queue in queues])


#: What fails, and the causes in order.
FAULTS: dict[str, tuple[Sequence[HealthCheck], list[str]]] = {
    "well": ([HealthCheck("broker", ok=True, detail="answers")], []),
    "broker frozen": (
        bad("ledger", "tick", "sweep", "purge", "broker", "workers", "queues", "rejected messages"), ["broker"],
    ),
    "broker frozen, and a mail server hangs": (bad("broker", "tick", "transport smtp", "mail server"),
                                               ["broker", "mail server"]),
    "beat silent": (bad("tick", "sweep", "campaign news", "ledger"), ["beat"]),
    "no worker": ([*bad("workers", "sweep", "tick"), *lacking("control", "bulk")], ["workers"]),
    "worker with a wrong queue": ([*lacking("control"), *bad("tick", "sweep", "ledger")], ["control queue"]),
    "worker of two queues with a wrong one": (
        [*lacking("control", "transactional"), *bad("tick", "ledger")], ["control and email queues"],
    ),
    "nobody reads emails": ([*lacking("transactional"), *bad("ledger", "sign-up requests")], ["email queues"]),
    "provider held": (bad("provider Microsoft"), ["provider Microsoft"]),
    "password wrong": (bad("transport smtp", "ledger"), ["transport smtp"]),
    "another transport held beside a dead server": (bad("mail server", "transport smtp", "transport backup"),
                                                    ["mail server", "transport backup"]),
    "database away": (bad("database", "clock", "database writes", "broker", detail="does not answer: X"),
                      ["database", "broker"]),
    "database hangs": (bad("database", "database writes", detail="did not answer within 7 s"), ["database"]),
    "database read-only": (bad("database writes", "tick", "sweep", "ledger"), ["database writes"]),
    "a brake is no consequence of the broker": ([*bad("broker"), *bad("run 5", stalled=False)], ["broker", "run 5"]),
    "a stalled run is one": ([*bad("broker"), *bad("run 5", stalled=True)], ["broker"]),
    "a check without a rule": (bad("something new"), ["something new"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_cause_comes_first_and_explains_the_rest(fault: str) -> None:
    checks, causes = FAULTS[fault]
    problems = diagnose(checks)
    assert [problem.key for problem in problems] == causes
    told = [check.name for problem in problems for check in problem.checks]
    assert sorted(told) == sorted(check.name for check in checks if not check.ok), "each failing check is told once"


def test_every_cause_leads_to_a_heading_of_the_runbook() -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert {rule.anchor for rule in RULES} - anchors == set()


def test_a_held_transport_stops_all_email_only_if_it_is_the_last() -> None:
    held = bad("transport smtp")
    assert diagnose(held, transports=["smtp"])[0].effect is Effect.stops
    assert diagnose(held, transports=["smtp", "backup"])[0].effect is Effect.delays
    assert diagnose([*held, *bad("transport backup")], transports=["smtp", "backup"])[0].effect is Effect.stops


def test_since_is_what_was_seen_or_what_the_jobs_show() -> None:
    sweep = HealthCheck("sweep", ok=False, detail="x", since=NOON)
    seen = NOON + timedelta(minutes=5)
    assert diagnose([*bad("broker"), sweep])[0].since == NOON
    assert diagnose([*bad("broker"), sweep], {"broker": Sighting(seen, is_exact=True)})[0].since == seen
    assert diagnose([*bad("broker"), sweep], {"broker": Sighting(seen, is_exact=False)})[0].since == NOON
    assert diagnose(bad("broker"), {"broker": Sighting(seen, is_exact=False)})[0].since is None


def test_memory_is_exact_only_about_what_it_saw_begin() -> None:
    memory, later = Memory(), NOON + timedelta(minutes=1)
    assert memory.note(bad("broker"), NOON) == {"broker": Sighting(NOON, is_exact=False)}
    assert memory.note(bad("broker", "tick"), later)["broker"].at == NOON
    assert memory.note([], later) == {}
    assert memory.note(bad("broker"), later) == {"broker": Sighting(later, is_exact=True)}
