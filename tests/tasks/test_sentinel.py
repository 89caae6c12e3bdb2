"""A Redis that Sentinels watch: the broker, the rate limits and the pages go on after a failover."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from flask import Flask
from redis.exceptions import RedisError

from notifier import redis_client
from notifier.config import sentinel_url
from notifier.config.settings import ConfigError
from notifier.services import services_of
from notifier.tasks.broker_view import peek
from notifier.tasks.queues import QUEUES
from notifier.testing.browse import Visitor
from notifier.testing.settings import make_settings
from notifier.testing.smtp_server import SmtpServer
from tests.support import sentinels
from tests.support.needs import need
from tests.support.sentinels import Family
from tests.support.working import eventually, statuses, working

LIST = "sentinel://:p%40ss@a.example:26380/2;sentinel://b.example?master_name=main"


@pytest.fixture
def family() -> Iterator[Family]:
    need(sentinels.find, "SENTINEL")
    with Family() as family:
        yield family


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.timeout(180)
def test_emails_go_out_before_and_after_a_failover(
    make_app: Callable[..., Flask], family: Family, smtp: SmtpServer
) -> None:
    app = make_app(
        redis_url=family.url, mail_server=smtp.host, mail_port=smtp.port, mail_suppress_send=False, sweep_grace=0.1,
        mail_rate=50, ratelimit_enabled=True,
    )  # fmt: skip
    client = redis_client.connect(family.url, timeout=0.5)
    eventually(lambda: _writes(client), "the Sentinels name a server", 30)
    with working(app, QUEUES) as worker:
        Visitor(app).sign_up("ada@example.com")
        eventually(lambda: statuses(app) == ["sent"], "the first is sent", 30)
        eventually(lambda: len(family.first.replicas()) == 1, "the replica is in step", 30)
        connected = worker.consumer.connection.as_uri()
        assert connected.startswith("sentinel://")
        assert sentinels.PASSWORD not in connected
        family.first.kill()
        eventually(lambda: _writes(client), "another server is named", 60)
        Visitor(app).sign_up("bob@example.com")
        services_of(app).run_now("sweep")
        eventually(lambda: statuses(app) == ["sent", "sent"], "the second is sent", 60)
    assert [queue.length for queue in peek(services_of(app).celery).queues] == [0, 0, 0, 0]


def _writes(client: object) -> bool:
    with suppress(RedisError):
        return bool(client.set("notifier:test", "1"))  # type: ignore[attr-defined]
    return False


def test_the_address_is_read_as_celery_writes_it() -> None:
    found = sentinel_url.read(LIST)
    assert (found.hosts, found.master_name, found.db) == ((("a.example", 26380), ("b.example", 26379)), "main", 2)
    assert (found.username, found.password) == (None, "p@ss")
    assert found.for_kombu() == "sentinel://:p%40ss@a.example:26380/2;sentinel://:p%40ss@b.example:26379/2"
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sentinel://a.example", "name what the Sentinels watch"),
        ("sentinel://a.example?master_name=x&quorum=2", "the options of Sentinels are"),
        ("sentinel://a.example/1;sentinel://b.example/2?master_name=x", "write them once"),
        ("sentinel://:a@a.example;sentinel://:b@b.example?master_name=x", "write them once"),
        ("sentinel://a.example;redis://b.example?master_name=x", "must be redis://"),
        ("sentinel://a.example/x?master_name=x", "must be redis://"),
    ],
)
def test_a_wrong_address_is_said_in_words(url: str, text: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=text):
        make_settings(redis_url=url)


def test_production_wants_a_password_for_a_redis_elsewhere() -> None:
    url = "sentinel://127.0.0.1;sentinel://b.example?master_name=x"
    with pytest.raises((ConfigError, ValueError), match="REDIS_URL: a broker on another machine needs a password"):
        make_settings(redis_url=url, notifier_env="production")
