"""Clients of Redis that fail fast: of a server by its address, or of the one that Sentinels name at the moment."""

from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from notifier.config import sentinel_url


def connect(url: str, *, timeout: float) -> Redis:
    """Return a client for `REDIS_URL`. It connects with its first command.

    `timeout`: seconds to connect, and to wait for an answer. There are no retries. With Sentinels, each new connection
    asks them first, one after the other.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": timeout,
        "socket_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
    }
    if not sentinel_url.is_sentinel(url):
        return Redis.from_url(url, **options)
    found = sentinel_url.read(url)
    sentinels = Sentinel(found.hosts, sentinel_kwargs=options | found.own)  # type: ignore[no-untyped-call]  # redis-py
    client: Redis = sentinels.master_for(  # type: ignore[no-untyped-call]  # redis-py
        found.master_name, db=found.db, username=found.username, password=found.password, **options
    )
    return client
