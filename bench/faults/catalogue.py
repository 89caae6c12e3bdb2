"""All faults, in the order in which they run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.faults.bombing import email_bombing
from bench.faults.brokers import Absence, broker_away, poison_body, rabbit_restart
from bench.faults.campaign import campaign_kill9
from bench.faults.content import content_correction
from bench.faults.hosts import Pause, host_cut_off, host_lost
from bench.faults.kill9 import kill9
from bench.faults.makers import maker_dies, stop_under_load
from bench.faults.provider import FULL, QUICK, provider_hold
from bench.faults.rates import rates, rates_together
from bench.faults.restore import restore
from bench.faults.result import Result
from bench.faults.servers import hang, refuse_one, storm
from bench.faults.stage import Stage
from bench.faults.stores import flush_broker, garbage, poison, restart_database
from bench.faults.workers import kill_after_dot, people_first, sigterm_midsend, two_sweeps

#: The least number of bulk emails that wait before people's own: fewer would be sent too soon.
BACKLOG = 8000
#: The most emails that are sent between a dump and its restore.
RESTORED = 3000
#: Emails of provider_hold, a third of them at the provider that refuses us.
HELD = 3000
#: Rows that wait for a later attempt besides the backlog.
DEFERRED = 50_000
#: The brokers for the faults of brokers.
BROKERS = ("redis", "rabbitmq")
#: Longer than Celery by itself tries to reach a broker. A quick run makes as many attempts in less time.
AWAY, AWAY_QUICK = Absence(360.0), Absence(20.0, reconnect="0.1")

#: The default lease, and a host that is cut off for two minutes. A quick run has shorter ones.
PAUSE, PAUSE_QUICK = Pause(lease=30.0, cut=120.0), Pause(lease=6.0, cut=20.0)


@dataclass(frozen=True)
class Fault:
    """One fault. Two may share a name and differ in a policy."""

    name: str
    run: Callable[[Stage], Result]


def catalogue(*, mails: int, kills: int, policy: str, seed: int, quick: bool, delay_ms: float) -> list[Fault]:
    """Return all faults. `mails` and `kills` are those of kill9; two others have as many emails."""
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
        Fault("content_correction", partial(content_correction, users=mails, seed=seed, delay_ms=delay_ms)),
        Fault("worker_kill9_after_dot", kill_after_dot),
        Fault("worker_sigterm_midsend", sigterm_midsend),
        Fault("host_lost", partial(host_lost, pause=PAUSE_QUICK if quick else PAUSE)),
        Fault("host_cut_off", partial(host_cut_off, pause=PAUSE_QUICK if quick else PAUSE)),
        Fault("maker_dies", maker_dies),
        *(
            Fault("stop_under_load", partial(stop_under_load, seconds=0.5 if quick else 2.0, whole=whole))
            for whole in (False, True)
        ),
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
        Fault("email_bombing", email_bombing),
        *_rates(quick=quick),
    ]


def _rates(*, quick: bool) -> list[Fault]:
    """Return the rates, each judged for a minute; in a quick run fewer of them, for 12 s."""
    seconds = 12.0 if quick else 60.0
    each = (50.0,) if quick else (0.5, 1.0, 10.0, 25.0, 50.0, 200.0)
    return [
        *(Fault("rates", partial(rates, rate=rate, seconds=seconds)) for rate in each),
        Fault("rates", partial(rates_together, rates=(5, 10, 25), mail_rate=None, seconds=seconds)),
        Fault("rates", partial(rates_together, rates=(40, 80), mail_rate=50.0, seconds=seconds)),
    ]
