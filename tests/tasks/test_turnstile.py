"""The turnstile and the beginning of emails, on a real Redis-protocol server."""

import time
from collections.abc import Iterator

import pytest
import redis

from notifier.delivery.throttle.handout_lock import Turnstile
from notifier.delivery.throttle.limit_requests import Request
from notifier.delivery.throttle.rate_limits import REDIS_RETRY_SECONDS, Limits
from notifier.delivery.throttle.timed_starts import Pacing, Turn
from notifier.testing.servers.valkey import ValkeyServer


@pytest.fixture
def client(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield client


def test_one_passes_and_the_others_are_told_when_it_may_open(client: redis.Redis) -> None:
    ours, other = Turnstile(client), Turnstile(client)
    assert ours.enter(bulk=True) == set()
    assert 1.5 < float(other.enter(bulk=True)) <= 2.0  # type: ignore[arg-type]
    ours.leave([1, 2], bulk=True, rest=0.1, keep=5)
    assert 0.0 < float(other.enter(bulk=True)) <= 0.1  # type: ignore[arg-type]
    time.sleep(0.11)
    assert other.enter(bulk=True) == {1, 2}


def test_campaigns_do_not_wait_while_none_of_people_waits(client: redis.Redis) -> None:
    """The process for people's own email, which had nothing to do, passed again and again before those of campaigns."""
    people, campaigns = Turnstile(client), Turnstile(client)
    people.enter(bulk=False)
    people.leave([1], bulk=False, rest=60, keep=60)
    assert campaigns.enter(bulk=True) == set()
    assert float(people.enter(bulk=False)) > 50  # type: ignore[arg-type]


def test_what_was_handed_out_is_forgotten_after_its_time(client: redis.Redis) -> None:
    ours = Turnstile(client)
    ours.enter(bulk=True)
    ours.leave([1], bulk=True, rest=0.01, keep=5)
    time.sleep(0.02)
    ours.enter(bulk=True)
    ours.leave([2], bulk=True, rest=0.01, keep=0.1)
    time.sleep(0.12)
    assert ours.enter(bulk=True) == {1}


def test_a_redis_that_is_away_opens_nothing() -> None:
    with ValkeyServer() as server:
        client = redis.Redis.from_url(server.url, socket_timeout=0.2, socket_connect_timeout=0.2)
        ours = Turnstile(client)
        server.stop()
        assert ours.enter(bulk=True) == REDIS_RETRY_SECONDS
        server.start()
        assert 0 < float(ours.enter(bulk=True)) < REDIS_RETRY_SECONDS  # type: ignore[arg-type]
        client.close()


def ask(pks: range, rate: float | None = None) -> list[Request]:
    return [Request(pk, "example.com", 7, rate) for pk in pks]


def test_what_was_late_begins_no_faster_than_the_rate_allows(client: redis.Redis) -> None:
    """The next one begins when those of a second are a second old."""
    limits = Limits(client)
    assert limits.begin(ask(range(10), 10)) == 0
    wait = limits.begin(ask(range(10, 12), 10))
    assert 0.9 < wait < 1.0
    assert limits.begin(ask(range(20, 22))) == 0


def test_what_was_late_does_not_begin_all_at_once(client: redis.Redis) -> None:
    limits = Limits(client)
    assert limits.begin(ask(range(1), 10)) == 0
    wait = limits.begin(ask(range(1, 2), 10))
    assert 0.05 < wait <= 0.08
    time.sleep(wait)
    assert limits.begin(ask(range(1, 2), 10)) == 0


def test_more_than_a_second_holds_begin_alone(client: redis.Redis) -> None:
    limits = Limits(client, rate=5)
    assert limits.begin(ask(range(8))) == 0
    assert limits.begin(ask(range(8, 9))) > 0


def test_each_limit_is_asked(client: redis.Redis) -> None:
    limits = Limits(client, rate=100, domain_rate=2)
    other = Request(9, "example.org")
    assert limits.begin(ask(range(2))) == 0
    time.sleep(0.02)  # what two emails at 100 a second keep the next one waiting
    assert limits.begin([other]) == 0
    assert limits.begin(ask(range(2, 3))) > 0
    names = [key.decode() for key in client.keys("*")]
    assert not any("example" in name for name in names)
    assert all(client.pttl(name) != -1 and client.pttl(name) <= 2000 for name in names)  # type: ignore[operator]


def test_an_email_begins_at_its_moment_and_not_before(client: redis.Redis) -> None:
    limits = Limits(client)
    soon = time.monotonic() + 0.1
    pacing = Pacing([Turn(soon, ask(range(2), 10)), Turn(soon + 60, ask(range(2, 3), 10))], limits)
    assert pacing.pks == [0, 1, 2]
    assert 0 < pacing.wait(0) <= 0.1
    time.sleep(0.11)
    assert pacing.wait(0) == pacing.wait(1) == 0
    assert 50 < pacing.wait(2) < 60


def test_an_email_whose_second_is_full_waits_a_little(client: redis.Redis) -> None:
    limits = Limits(client)
    limits.begin(ask(range(10, 20), 10))
    pacing = Pacing([Turn(0.0, ask(range(1), 10))], limits)
    assert 0 < pacing.wait(0) <= 0.05


def test_a_moment_that_was_given_stays_given_where_redis_is_away() -> None:
    with ValkeyServer() as server:
        client = redis.Redis.from_url(server.url, socket_timeout=0.2, socket_connect_timeout=0.2)
        limits = Limits(client)
        server.stop()
        assert Pacing([Turn(0.0, ask(range(1), 10))], limits).wait(0) == 0
        client.close()
