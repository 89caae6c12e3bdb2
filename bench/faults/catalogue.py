"""All faults, in the order in which they run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.faults.campaign import campaign_kill9
from bench.faults.kill9 import kill9
from bench.faults.rates import rates, rates_together
from bench.faults.result import Result
from bench.faults.servers import hang, refuse_one, storm
from bench.faults.stage import Stage
from bench.faults.stores import flush_broker, garbage, poison, restart_database
from bench.faults.workers import kill_after_dot, people_first, sigterm_midsend, two_sweeps

#: Bulk mails that wait in front of people, at least: fewer would be gone too soon.
BACKLOG = 8000
#: Rows that wait for a later try beside it.
DEFERRED = 50_000


@dataclass(frozen=True)
class Fault:
    """One fault; two may share a name and differ in a policy."""

    name: str
    run: Callable[[Stage], Result]


def catalogue(*, mails: int, kills: int, policy: str, seed: int, quick: bool, delay_ms: float) -> list[Fault]:
    """`mails` and `kills` are those of kill9; campaign_kill9 has as many mails."""
    policies = ("resend", "never") if policy == "both" else (policy,)
    return [
        *(
            Fault("kill9", partial(kill9, mails=mails, kills=kills, policy=each, seed=seed, delay_ms=delay_ms))
            for each in policies
        ),
        *(
            Fault("campaign_kill9", partial(campaign_kill9, users=mails, policy=each, seed=seed, delay_ms=delay_ms))
            for each in policies
        ),
        Fault("worker_kill9_after_dot", kill_after_dot),
        Fault("worker_sigterm_midsend", sigterm_midsend),
        Fault("broker_flushall", flush_broker),
        Fault("db_restart", restart_database),
        Fault("poison_message", poison),
        Fault("poison_garbage", garbage),
        Fault("two_sweeps", two_sweeps),
        Fault("smtp_4xx_storm", storm),
        Fault("smtp_5xx_one", refuse_one),
        Fault("smtp_half_open", partial(hang, name="smtp_half_open", conduct='{"silent": true}')),
        Fault("smtp_drip", partial(hang, name="smtp_drip", conduct='{"drip": 1.0}')),
        Fault(
            "transactional_under_bulk",
            partial(people_first, backlog=max(mails, BACKLOG), deferred=2000 if quick else DEFERRED),
        ),
        *_rates(quick=quick),
    ]


def _rates(*, quick: bool) -> list[Fault]:
    """Limits, each judged for a minute; in a quick run fewer of them, for 12 s."""
    seconds = 12.0 if quick else 60.0
    each = (50.0,) if quick else (0.5, 1.0, 10.0, 25.0, 50.0, 200.0)
    return [
        *(Fault("rates", partial(rates, rate=rate, seconds=seconds)) for rate in each),
        Fault("rates", partial(rates_together, rates=(5, 10, 25), mail_rate=None, seconds=seconds)),
        Fault("rates", partial(rates_together, rates=(40, 80), mail_rate=50.0, seconds=seconds)),
    ]
