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
