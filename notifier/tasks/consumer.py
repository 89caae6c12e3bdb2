"""The consumer, with one change: it comes back to a lost broker within seconds, however long it was away."""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

#: Seconds between tries to reach the broker: the first, how much longer each next one is, the longest.
#: Celery's own grow to 30 s, and mail would wait for that long after the broker is back.
RETRY = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 3.0}


class PatientConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Celery's consumer with short pauses between tries to reach the broker."""

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, trying for as long as the settings say."""
        conn.ensure_connection = partial(conn.ensure_connection, **RETRY)
        return super().ensure_connected(conn)
