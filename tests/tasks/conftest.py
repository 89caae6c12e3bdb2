"""An application whose worker a test can start in this process: a real broker, real SMTP."""

from collections.abc import Callable, Iterator

import pytest
import redis
from flask import Flask

from notifier.testing.brokers import Broker, RabbitBroker, RedisBroker
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.smtp_server import SmtpServer


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
    return make_app(
        redis_url=valkey.url,
        mail_server=smtp.host,
        mail_port=smtp.port,
        mail_suppress_send=False,
        sweep_grace=0.1,
    )


@pytest.fixture(params=["redis", "rabbitmq"])
def either_broker(request: pytest.FixtureRequest) -> Broker:
    """An empty broker: every test that uses it runs on both."""
    broker: Broker
    if request.param == "redis":
        broker = RedisBroker(request.getfixturevalue("valkey"))
    else:
        broker = RabbitBroker(request.getfixturevalue("rabbit"))
    broker.empty()
    return broker


@pytest.fixture
def keep() -> int:
    """How many messages that no worker could run are kept."""
    return 100


@pytest.fixture
def app_on_either(make_app: Callable[..., Flask], either_broker: Broker, smtp: SmtpServer, keep: int) -> Flask:
    """An application on either broker."""
    return make_app(
        celery_broker_url=either_broker.url,
        mail_server=smtp.host,
        mail_port=smtp.port,
        mail_suppress_send=False,
        sweep_grace=0.1,
        rejected_messages_kept=keep,
    )
