"""How Celery reaches the broker: the transport of each kind of address, timeouts, and options that fail fast."""

import ssl
from typing import Any

from notifier.config import sentinel_url
from notifier.config.settings import Settings

#: The scheme of a broker's address -> kombu's transport with our changes. Other schemes use kombu's own.
TRANSPORTS = {
    "redis": "notifier.tasks.redis_transport:Transport",
    "rediss": "notifier.tasks.redis_transport:Transport",
    **dict.fromkeys(sentinel_url.SCHEMES, "notifier.tasks.redis_transport:SentinelTransport"),
    "amqp": "notifier.tasks.amqp_transport:Transport",
    "amqps": "notifier.tasks.amqp_transport:SSLTransport",
    "pyamqp": "notifier.tasks.amqp_transport:Transport",
}

#: Seconds between heartbeats of a worker and RabbitMQ. A silently dead connection is given up after two of them.
HEARTBEAT = 10

#: Seconds between attempts of workers and beat to reach the broker: the first, the increase, the longest. Celery's own
#: grow to 30 s, and emails would wait as long after the broker is back.
RECONNECT = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}

#: Longest time to connect, in seconds. RabbitMQ answers several times before a connection is open.
CONNECT, CONNECT_RABBITMQ = 1, 3


def broker_options(settings: Settings) -> dict[str, Any]:
    """Return the settings of Celery about its broker."""
    url = settings.broker_url
    return {
        "broker_url": for_kombu(url) or "memory://",
        "broker_transport": TRANSPORTS.get(scheme_of(url)),
        # By itself, kombu uses TLS only for its own transports and verifies nothing. Options in the URL win.
        "broker_use_ssl": {"ssl_cert_reqs": ssl.CERT_REQUIRED} if scheme_of(url) == "rediss" else None,
        "broker_transport_options": worker_transport_options(settings),
        "broker_connection_timeout": CONNECT_RABBITMQ if is_rabbitmq(url) else CONNECT,
        "broker_pool_acquire_timeout": 1,
        # As long as it takes: a worker that stops while the broker is away does not start again by itself.
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        # While Redis is full or read-only, it answers with channel errors: a reason to wait, not to stop.
        "broker_channel_error_retry": True,
        "broker_heartbeat": HEARTBEAT,
    }


def for_kombu(broker_url: str) -> str:
    """Return the address as kombu reads it: its options for Sentinels are not part of the address."""
    return sentinel_url.read(broker_url).for_kombu() if sentinel_url.is_sentinel(broker_url) else broker_url


def scheme_of(broker_url: str) -> str:
    """Return the scheme of the address; of several addresses (failover), that of the first."""
    return broker_url.partition("://")[0].lower()


def is_redis(broker_url: str) -> bool:
    """Return True for a server that speaks Redis' protocol."""
    return scheme_of(broker_url) in {"redis", "rediss", *sentinel_url.SCHEMES}


def is_rabbitmq(broker_url: str) -> bool:
    """Return True for a server that speaks AMQP 0-9-1."""
    return scheme_of(broker_url) in {"amqp", "amqps", "pyamqp"}


def worker_transport_options(settings: Settings) -> dict[str, Any]:
    """Return options for failing fast. A worker's read blocks for a second at a time, so 2 s is the least."""
    broker_url = settings.broker_url
    fail_fast = {"max_retries": 0, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}
    if not is_redis(broker_url):
        # RabbitMQ stops reading while it is short of memory or disk space: nothing may wait for it forever.
        return fail_fast | {"write_timeout": 2} if is_rabbitmq(broker_url) else {}
    return {
        **fail_fast,
        "socket_connect_timeout": 0.5,
        "socket_timeout": 2,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        # By default all Celery applications on a Redis database share these keys, and each gives back what any of them
        # holds for longer than its own visibility timeout: a long task of another application would run twice.
        "unacked_key": "notifier.unacked",
        "unacked_index_key": "notifier.unacked_index",
        "unacked_mutex_key": "notifier.unacked_mutex",
        "rejected_kept": settings.rejected_messages_kept,
        **_of_sentinels(broker_url),
    }


def _of_sentinels(broker_url: str) -> dict[str, Any]:
    if not sentinel_url.is_sentinel(broker_url):
        return {}
    found = sentinel_url.read(broker_url)
    patience = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
    return {"master_name": found.master_name, "sentinel_kwargs": patience | found.own}
