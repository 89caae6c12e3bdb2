"""Limits on a real Redis-protocol server: what was late is made up for, and what is urgent does not wait for it."""

import time
from collections.abc import Iterator, Sequence

import pytest
import redis

from notifier.delivery.throttle.limit_requests import MAX_AHEAD_SECONDS, MAX_BEHIND_SECONDS, Grant, Request
from notifier.delivery.throttle.rate_limits import Limits
from notifier.delivery.throttle.timed_starts import Pacing, Turn
from notifier.testing.servers.valkey import ValkeyServer

ALL = "{notifier:limits}:all"
SINCE = "{notifier:limits}:since"


@pytest.fixture
def client(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        client.set(SINCE, 0)  # a server that has been up for long
        yield client


def ask(count: int, first: int = 0) -> list[Request]:
    return [Request(pk, "example.com") for pk in range(first, first + count)]


def delays(grants: Sequence[Grant]) -> list[float]:
    return [grant.delay for grant in grants if grant.delay is not None]


def used(client: redis.Redis, *ago: float) -> None:
    """So many seconds ago a moment of the limit of all emails was given away."""
    seconds, micros = client.time()  # type: ignore[misc]
    for each in ago:
        moment = int(seconds) * 1_000_000 + int(micros) - round(each * 1_000_000)
        client.zadd(ALL, {str(moment): moment})


def test_a_late_look_gets_the_moments_that_stayed_free(client: redis.Redis) -> None:
    """Looks half a second late lost a fifth of the rate, and nothing gave it back."""
    limits, start = Limits(client, rate=10), time.monotonic()
    used(client, 0.75, 0.65)
    found = delays(limits.reserve(ask(20), within=0.5, back=MAX_BEHIND_SECONDS))
    late = time.monotonic() - start
    made_up = [delay for delay in found if delay < 0]
    # What these lines took is made up for, too.
    assert 5 <= len(made_up) <= 7 + int(late * 10)
    assert min(made_up) > -0.66 - late
    assert 5 <= len(found) - len(made_up) <= 6


def test_no_moment_is_given_twice_by_late_looks(client: redis.Redis) -> None:
    used(client, 0.75)
    limits = Limits(client, rate=10)
    limits.reserve(ask(20), within=0.0, back=MAX_BEHIND_SECONDS)
    assert delays(limits.reserve(ask(20, first=20), within=0.0, back=MAX_BEHIND_SECONDS)) == []


@pytest.mark.parametrize("ago", [(), (1.3, 1.2)])
def test_nothing_is_saved_up_while_a_limit_rests(client: redis.Redis, ago: Sequence[float]) -> None:
    used(client, *ago)
    assert delays(Limits(client, rate=10).reserve(ask(20), within=0.05, back=MAX_BEHIND_SECONDS))[0] == 0.0


def test_what_is_made_up_for_is_a_second_at_most(client: redis.Redis) -> None:
    used(client, 1.05, 0.95)
    found = delays(Limits(client, rate=10).reserve(ask(40), within=0.0, back=60.0))
    assert 8 <= len(found) <= 11
    assert min(found) >= -MAX_BEHIND_SECONDS


def test_others_do_not_look_back(client: redis.Redis) -> None:
    used(client, 0.75)
    assert min(delays(Limits(client, rate=10).reserve(ask(20)))) == 0.0


def test_what_is_urgent_begins_in_a_second_that_is_full_for_all_else(client: redis.Redis) -> None:
    limits = Limits(client, rate=50)
    assert limits.begin(ask(52)) == 0
    assert limits.begin(ask(1, first=60)) > 0.8
    assert limits.begin(ask(2, first=70), urgent=True) == 0
    # No second holds more than 110 %.
    assert limits.begin(ask(1, first=80), urgent=True) > 0.8


def test_at_a_low_rate_one_urgent_email_begins_beside_the_others(client: redis.Redis) -> None:
    limits = Limits(client, rate=1)
    assert limits.begin(ask(1)) == 0
    assert limits.begin(ask(1, first=1), urgent=True) == 0
    assert limits.begin(ask(1, first=2), urgent=True) > 0.8


def test_campaigns_pay_back_what_was_urgent(client: redis.Redis) -> None:
    """It counts, and its moment is not given to another."""
    limits, start = Limits(client, rate=10), time.monotonic()
    limits.reserve(ask(10), within=1.0)
    (grant,) = limits.reserve(ask(1, first=50))
    assert grant.delay is not None
    assert grant.delay > 0.8
    assert limits.begin(ask(1, first=50), urgent=True) == 0
    assert 0 < limits.begin(ask(1)) <= 0.08
    given = len(delays(limits.reserve(ask(40, first=60))))
    # Each tenth of a second that these lines took frees one more moment.
    assert given <= 10 + int((time.monotonic() - start) * 10)


def test_an_urgent_email_does_not_wait_for_its_moment(client: redis.Redis) -> None:
    limits, later = Limits(client, rate=10), time.monotonic() + 60
    assert Pacing([Turn(later, ask(1), urgent=True)], limits).wait(0) == 0
    assert Pacing([Turn(later, ask(1))], limits).wait(0) > 50


def test_an_urgent_email_keeps_its_moment_where_redis_is_away() -> None:
    with ValkeyServer() as server:
        client = redis.Redis.from_url(server.url, socket_timeout=0.2, socket_connect_timeout=0.2)
        limits = Limits(client, rate=10)
        server.stop()
        assert Pacing([Turn(time.monotonic() + 60, ask(1), urgent=True)], limits).wait(0) > 50
        client.close()


def test_a_server_that_knows_nothing_gets_ready_before_an_email_waits(client: redis.Redis) -> None:
    client.flushall()
    limits = Limits(client, rate=10)
    limits.get_ready()
    since = client.get(SINCE)
    assert since is not None
    client.set(SINCE, int(since) - round(MAX_AHEAD_SECONDS * 1_000_000))  # type: ignore[arg-type]  # so much later
    limits.get_ready()
    assert delays(limits.reserve(ask(1))) == [0.0]


def test_redis_is_not_asked_again_while_a_limit_is_full(client: redis.Redis) -> None:
    """Many threads wait for one limit: their questions alone kept a busy machine from sending."""
    limits = Limits(client, rate=10)
    assert limits.begin(ask(10)) == 0
    assert limits.begin(ask(1, first=10)) > 0
    before = client.info("commandstats")["cmdstat_evalsha"]["calls"]  # type: ignore[index]
    assert all(limits.begin(ask(1, first=pk)) > 0 for pk in range(11, 31))
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == before  # type: ignore[index]
