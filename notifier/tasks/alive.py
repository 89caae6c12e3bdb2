"""The health check of a single process, for containers, which can only restart it.

So it ignores all faults that a restart cannot fix: a broker or database that is away, uncertain emails.
`notifier health` reports those.
"""

from celery import Celery

from notifier.config.settings import Settings
from notifier.observability.check import HealthCheck
from notifier.observability.sign_of_life import SignOfLife, alerts_sign, beat_sign
from notifier.tasks.unread_queues import AWAY

#: The names of beat and of `notifier alerts watch`; every other name is that of a worker.
BEAT, ALERTS = "beat", "alerts"

#: Seconds without a trigger after which beat counts as stopped; it triggers jobs every 30 seconds at least.
BEAT_STOPPED = 120.0

#: Seconds beyond ALERT_INTERVAL that a round of alerts may take: a look, and several servers that hang.
ALERTS_STOPPED = 120.0

#: Seconds to wait for a worker's answer.
PING_TIMEOUT = 5.0


def is_alive(celery: Celery, settings: Settings, name: str, *, ping_timeout: float = PING_TIMEOUT) -> HealthCheck:
    """Check one process.

    `beat` must trigger jobs, `alerts` must check everything, and the worker `name` (mail@host) must answer within
    `ping_timeout` seconds.
    """
    if name == BEAT:
        return _by_sign(name, beat_sign(settings), BEAT_STOPPED, "triggered a job")
    if name == ALERTS:
        return _by_sign(name, alerts_sign(settings), settings.alert_interval + ALERTS_STOPPED, "checked everything")
    return _worker(celery, name, ping_timeout)


def _by_sign(name: str, sign: SignOfLife, stopped: float, does: str) -> HealthCheck:
    age = sign.age()
    if age is None:
        return HealthCheck(name, ok=False, detail=f"has not {does} yet: {sign.path} does not exist")
    return HealthCheck(name, ok=age <= stopped, detail=f"last {does} {age:.0f} s ago")


def _worker(celery: Celery, name: str, timeout: float) -> HealthCheck:
    try:
        answers = celery.control.inspect(destination=[name], timeout=timeout).ping()
    except AWAY as error:
        detail = f"unchecked: the broker is unreachable ({type(error).__name__}), and the worker waits for it"
        return HealthCheck(name, ok=True, detail=detail)
    if not answers:
        return HealthCheck(name, ok=False, detail=f"did not answer within {timeout:g} s")
    return HealthCheck(name, ok=True, detail="answers")
