"""All faults, in the order in which they run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.faults.kill9 import kill9
from bench.faults.result import Result
from bench.faults.stage import Stage


@dataclass(frozen=True)
class Fault:
    """One fault; two may share a name and differ in a policy."""

    name: str
    run: Callable[[Stage], Result]


def catalogue(*, mails: int, kills: int, policy: str, seed: int, quick: bool, delay_ms: float) -> list[Fault]:
    """`mails` and `kills` are those of kill9."""
    policies = ("resend", "never") if policy == "both" else (policy,)
    return [
        *(Fault("kill9", partial(kill9, mails=mails, kills=kills, policy=each, seed=seed, delay_ms=delay_ms)) for each in policies),
    ]
