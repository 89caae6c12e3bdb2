"""All faults, in the order in which they run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.faults.brokers import Absence, broker_away, poison_body, rabbit_restart
from bench.faults.campaign import campaign_kill9
from bench.faults.kill9 import kill9
from bench.faults.provider import FULL, QUICK, provider_hold
from bench.faults.restore import restore
from bench.faults.result import Result
from bench.faults.servers import hang, refuse_one, storm
from bench.faults.stage import Stage
from bench.faults.stores import flush_broker, garbage, poison, restart_database
from bench.faults.workers import kill_after_dot, people_first, sigterm_midsend, two_sweeps

#: Bulk mails that wait in front of people, at least: fewer would be gone too soon.
BACKLOG = 8000
#: Emails that go out between a dump and its restore, at most.
RESTORED = 3000
#: Emails of provider_hold, a third of them at the provider that refuses us.
HELD = 3000
#: Rows that wait for a later try beside it.
DEFERRED = 50_000
#: What the faults of the broker are tried on.
BROKERS = ("redis", "rabbitmq")
#: Longer than Celery by itself tries to reach a broker. A quick run tries as often in less time.
AWAY, AWAY_QUICK = Absence(360.0), Absence(20.0, reconnect="0.1")


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
        *(
            Fault("broker_away", partial(broker_away, kind=kind, absence=AWAY_QUICK if quick else AWAY))
            for kind in BROKERS
        ),
        Fault("rabbit_restart", partial(rabbit_restart, mails=mails)),
        *(Fault("poison_body", partial(poison_body, kind=kind)) for kind in BROKERS),
        Fault("worker_kill9_after_dot", kill_after_dot),
        Fault("worker_sigterm_midsend", sigterm_midsend),
        Fault("broker_flushall", flush_broker),
        Fault("db_restart", restart_database),
        Fault("restore", partial(restore, sent=min(mails, RESTORED))),
        Fault("poison_message", poison),
        Fault("poison_garbage", garbage),
        Fault("two_sweeps", two_sweeps),
        Fault("smtp_4xx_storm", storm),
        Fault("smtp_5xx_one", refuse_one),
        Fault("provider_hold", partial(provider_hold, mails=300 if quick else HELD, patience=QUICK if quick else FULL)),
        Fault("smtp_half_open", partial(hang, name="smtp_half_open", conduct='{"silent": true}')),
        Fault("smtp_drip", partial(hang, name="smtp_drip", conduct='{"drip": 1.0}')),
        Fault(
            "transactional_under_bulk",
            partial(people_first, backlog=max(mails, BACKLOG), deferred=2000 if quick else DEFERRED),
        ),
    ]
