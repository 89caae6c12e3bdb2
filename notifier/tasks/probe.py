"""Does the broker answer?"""

from celery import Celery
from kombu.exceptions import OperationalError

from notifier.healthcheck import Finding


def probe_broker(celery: Celery, *, configured: bool) -> Finding:
    """Connect once, without retries."""
    if not configured:
        return Finding("broker", ok=False, detail="none is configured: set REDIS_URL, or start ./run up")
    try:
        with celery.connection_for_write(connect_timeout=1) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=2)
    except (OperationalError, OSError) as error:
        return Finding("broker", ok=False, detail=f"does not answer: {type(error).__name__}; mail waits for the sweep")
    return Finding("broker", ok=True, detail="answers")


def probe_workers(celery: Celery, *, configured: bool) -> Finding:
    """Ask the workers to answer, for half a second."""
    if not configured:
        return Finding("workers", ok=False, detail="without a broker nobody can reach them")
    try:
        answers = celery.control.ping(timeout=0.5)
    except (OperationalError, OSError) as error:
        return Finding("workers", ok=False, detail=f"cannot be asked while the broker is away: {type(error).__name__}")
    names = sorted(name for answer in answers or [] for name in answer)
    if not names:
        return Finding("workers", ok=False, detail="none answers: start one, or ./run up")
    return Finding("workers", ok=True, detail=", ".join(names))
