"""An application whose worker a test can start in this process: a real broker, real SMTP."""

from collections.abc import Callable, Iterator

import pytest
import redis
from flask import Flask

from tests.support.servers import ValkeyServer
from tests.support.smtp_server import SmtpServer


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def broker(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def live_app(make_app: Callable[..., Flask], valkey: ValkeyServer, broker: redis.Redis, smtp: SmtpServer) -> Flask:
    app = make_app(
        redis_url=valkey.url,
        mail_server=smtp.host,
        mail_port=smtp.port,
        mail_suppress_send=False,
        sweep_grace=0.1,
    )
    # One process, many applications: forget the connections to the broker of the one before.
    app.extensions["celery"]._after_fork()
    return app
