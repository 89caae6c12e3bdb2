"""Limits over all workers, on a real Redis-protocol server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from notifier.config.loading import load_settings
from notifier.config.settings import ConfigError
from notifier.delivery.throttle.limit_requests import MAX_AHEAD_SECONDS, Grant, Request
from notifier.delivery.throttle.rate_limits import CHUNK, REDIS_RETRY_SECONDS, Limits
from notifier.testing.servers.valkey import ValkeyServer
from tests.support.applications import make_settings

ALL = "{notifier:limits}:all"
SINCE = "{notifier:limits}:since"
Make = Callable[..., Limits]

#: Another worker, as a program: it asks all the time, and tells how many mails it might send and when it asked.
WORKER = """
import redis, sys, time
from notifier.delivery.throttle.limit_requests import Request
from notifier.delivery.throttle.rate_limits import Limits
limits = Limits(redis.Redis.from_url(sys.argv[1]), rate=float(sys.argv[2]))
batch, count, first = [Request(pk, "example.com") for pk in range(10)], 0, time.monotonic()
while time.monotonic() < first + float(sys.argv[3]):
    count += sum(grant.delay is not None for grant in limits.reserve(batch))
print(count, first, time.monotonic())
"""

#: A worker that takes all places of a domain and is killed with them.
DOOMED = """
import redis, sys, time
from notifier.delivery.throttle.limit_requests import Request
from notifier.delivery.throttle.rate_limits import Limits
limits = Limits(redis.Redis.from_url(sys.argv[1]), domain_concurrency=2, lease=0.6)
grants = limits.reserve([Request(pk, "example.com") for pk in (1, 2, 3)])
print(len([grant for grant in grants if grant.delay is not None]), flush=True)
time.sleep(60)
"""


@pytest.fixture
def client(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url, decode_responses=True) as client:
        client.flushall()
        client.set(SINCE, 0)  # a server that has been up for long
        yield client


@pytest.fixture
def make(client: redis.Redis) -> Make:
    return lambda **values: Limits(client, **values)


def ask(pks: Iterable[int], domain: str = "example.com", **values: Any) -> list[Request]:
    return [Request(pk, domain, **values) for pk in pks]


def granted(grants: Iterable[Grant]) -> list[int]:
    return [grant.pk for grant in grants if grant.delay is not None]


def worst_second(moments: Iterable[float], second: float = 1.0) -> int:
    """The most moments in any second, wherever it begins."""
    ordered, worst, start = sorted(moments), 0, 0
    for end, moment in enumerate(ordered):
        while moment - ordered[start] >= second:
            start += 1
        worst = max(worst, end - start + 1)
    return worst


def moments(client: redis.Redis, key: str = ALL) -> set[float]:
    found: Any = client.zrange(key, 0, -1)
    return {int(moment) / 1_000_000 for moment in found}


def test_without_a_limit_there_is_nothing_to_ask(valkey: ValkeyServer) -> None:
    assert Limits.from_settings(make_settings(redis_url=valkey.url)) is None
    assert Limits.from_settings(make_settings(redis_url=valkey.url, mail_rate=5)) is not None
    unused = Limits.from_settings(make_settings(redis_url="redis://127.0.0.1:1/0"), campaigns=True)
    assert unused is not None
    assert unused.reserve(ask([1, 2], campaign_id=7)) == [Grant(1, 0.0, None), Grant(2, 0.0, None)]


@pytest.mark.parametrize("name", ["MAIL_RATE", "MAIL_RATE_PER_DOMAIN", "MAIL_CONCURRENCY_PER_DOMAIN"])
def test_a_limit_needs_redis(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFIER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv(name, "5")
    with pytest.raises(ConfigError, match=f"^{name} needs REDIS_URL"):
        load_settings()
    monkeypatch.setenv(name, "0")
    with pytest.raises(ConfigError, match=f"{name}: "):
        load_settings()


def test_moments_are_a_slot_apart_and_what_is_later_than_the_horizon_comes_back(make: Make) -> None:
    grants = make(rate=10).reserve(ask(range(50)))
    delays = [grant.delay for grant in grants if grant.delay is not None]
    assert 20 <= len(delays) <= 21
    assert delays[0] == 0
    assert max(delays) <= MAX_AHEAD_SECONDS
    assert {round(later - earlier, 3) for earlier, later in pairwise(delays[1:])} == {0.1}
    # The others are told moments of their own, so that they do not come back all together.
    waits = [grant.retry_in for grant in grants if grant.retry_in is not None]
    assert len(waits) + len(delays) == 50
    assert waits == sorted(set(waits))
    assert 2.0 < waits[0] < 2.2
    assert 4.8 < waits[-1] < 5.1


def test_what_comes_back_has_reserved_nothing(make: Make, client: redis.Redis) -> None:
    make(rate=10).reserve(ask(range(50)))
    assert len(moments(client)) in {20, 21}


def test_one_call_for_a_batch(make: Make, client: redis.Redis) -> None:
    ours = make(rate=10_000, domain_rate=1000, domain_concurrency=1000)
    ours.reserve(ask([0]))
    before: Any = client.info("commandstats")
    ours.reserve([request for pk in range(250) for request in ask([pk], f"d{pk % 40}.example")])
    after: Any = client.info("commandstats")
    assert after["cmdstat_evalsha"]["calls"] - before["cmdstat_evalsha"]["calls"] == 1


def test_a_long_batch_goes_in_pieces_and_keeps_its_order(make: Make) -> None:
    grants = make(rate=100_000).reserve(ask(range(2 * CHUNK + 1)))
    assert [grant.pk for grant in grants] == list(range(2 * CHUNK + 1))


def test_no_second_holds_more_than_the_rate_and_one_also_after_a_rest(make: Make, client: redis.Redis) -> None:
    workers = [make(rate=50), make(rate=50)]
    seen: set[float] = set()
    end = time.monotonic() + 1.2
    number = 0
    while time.monotonic() < end:
        if number == 6:
            time.sleep(0.3)  # nothing is saved up meanwhile
        workers[number % 2].reserve(ask(range(20)))
        seen |= moments(client)
        number += 1
        time.sleep(0.01)
    assert 45 <= worst_second(seen) <= 51
    assert len(seen) >= 50 * (1.2 + MAX_AHEAD_SECONDS) - 20


def test_two_processes_share_one_limit(client: redis.Redis, valkey: ValkeyServer) -> None:
    words = [sys.executable, "-c", WORKER, valkey.url, "100", "0.5"]
    workers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    counts, firsts, lasts = zip(*(map(float, worker.communicate()[0].split()) for worker in workers), strict=True)
    seconds = max(lasts) - min(firsts) + MAX_AHEAD_SECONDS
    assert 100 <= sum(counts) <= 100 * seconds + 2


def test_each_domain_and_each_campaign_has_its_own(make: Make) -> None:
    ours = make(domain_rate=5)
    assert len(granted(ours.reserve(ask(range(100), "example.com")))) in {10, 11}
    assert len(granted(ours.reserve(ask(range(100), "example.org")))) in {10, 11}
    campaign = make()
    grants = campaign.reserve(ask(range(100), campaign_id=1, campaign_rate=5) + ask(range(100, 200), campaign_id=2))
    assert len(granted(grants)) in {110, 111}


def test_a_slow_domain_does_not_hold_back_the_others(make: Make) -> None:
    """A17: mail for a slow domain, first in the batch, takes no moments that the others could have."""
    grants = make(rate=100, domain_rate=1).reserve(
        ask(range(100), "slow.example") + [Request(pk, f"d{pk}.example") for pk in range(100, 200)]
    )
    delays = {grant.pk: grant.delay for grant in grants}
    assert sum(delays[pk] is not None for pk in range(100)) in {2, 3}
    assert all(delays[pk] is not None for pk in range(100, 200))
    assert max(delays[pk] or 0 for pk in range(100, 200)) < 1.1


def test_a_moment_is_free_in_each_of_the_limits_of_a_mail(make: Make, client: redis.Redis) -> None:
    ours = make(rate=10, domain_rate=4)
    count = sum(len(granted(ours.reserve(ask(range(10), f"d{number}.example")))) for number in range(3))
    keys: Any = client.keys("*:domain:*")
    for key, slot in [(ALL, 100_000), *((key, 250_000) for key in keys)]:
        slots = [round(moment * 1_000_000) // slot for moment in moments(client, key)]
        assert len(slots) == len(set(slots)), key
    assert len(moments(client)) == count
    assert len(keys) == 3


def test_rates_below_one_a_second(make: Make) -> None:
    grants = make(rate=0.2).reserve(ask(range(3)))
    assert granted(grants)[:1] == [0]
    later = [grant.retry_in for grant in grants[1:] if grant.retry_in is not None]
    assert all(wait <= 10 for wait in later)
    assert len(later) >= 1


def test_another_rate_counts_what_was_given_at_the_old_one(make: Make, client: redis.Redis) -> None:
    make(rate=100).reserve(ask(range(100)))
    make(rate=10).reserve(ask(range(100)))
    taken = moments(client)
    assert len([moment for moment in taken if moment < min(taken) + 0.9]) <= 91
    make(rate=200).reserve(ask(range(1)))


def test_places_of_a_domain_are_limited_and_come_back(make: Make) -> None:
    ours, other = make(domain_concurrency=3), make(domain_concurrency=3)
    first = ask(range(5))
    assert granted(ours.reserve(first)) == [0, 1, 2]
    assert granted(other.reserve(ask([7]))) == []
    assert granted(other.reserve(ask([8], "example.org"))) == [8]
    ours.release(first[:1])
    assert granted(other.reserve(ask([7, 9]))) == [7]


def test_those_without_a_place_are_told_to_come_one_after_the_other(make: Make) -> None:
    grants = make(domain_concurrency=2).reserve(ask(range(300)))
    waits = [grant.retry_in for grant in grants if grant.retry_in is not None]
    assert waits[:4] == [1, 1, 2, 2]
    assert max(waits) == 60


def test_a_mail_takes_one_place_however_often_it_asks(make: Make) -> None:
    ours = make(domain_concurrency=2)
    for _ in range(3):
        assert granted(ours.reserve(ask([1]))) == [1]
    assert granted(ours.reserve(ask([2, 3]))) == [2]
    assert granted(ours.reserve(ask([3, 2, 1]))) == [2, 1]


def test_a_refused_place_takes_no_moment(make: Make, client: redis.Redis) -> None:
    make(rate=10, domain_concurrency=1).reserve(ask(range(9)))
    assert len(moments(client)) == 1


def test_the_places_of_a_killed_worker_come_back_after_the_lease(
    make: Make, client: redis.Redis, valkey: ValkeyServer
) -> None:
    doomed = subprocess.Popen([sys.executable, "-c", DOOMED, valkey.url], stdout=subprocess.PIPE, text=True)
    assert doomed.stdout is not None
    with doomed.stdout:
        assert doomed.stdout.readline().strip() == "2"
        os.kill(doomed.pid, signal.SIGKILL)
        doomed.wait()
    ours = make(domain_concurrency=2, lease=0.6)
    assert granted(ours.reserve(ask([4]))) == []
    time.sleep(0.7)
    assert granted(ours.reserve(ask([4, 5, 6]))) == [4, 5]


def test_nothing_is_left_behind_and_no_name_is_in_redis(make: Make, client: redis.Redis) -> None:
    make(rate=50, domain_rate=50, domain_concurrency=5, lease=1.0).reserve(ask([1], "ada-lovelace.example"))
    keys: Any = client.keys("*")
    assert len(keys) == 4
    assert "lovelace" not in str(keys)
    assert {key for key in keys if client.pttl(key) == -1} == {SINCE}
    assert all(int(str(client.pttl(key))) <= 5000 for key in keys)


def test_a_server_that_lost_its_memory_gives_no_moment_twice(make: Make, client: redis.Redis) -> None:
    ours = make(rate=50)
    given = ours.reserve(ask(range(100)))
    client.flushall()
    again = ours.reserve(ask(range(100)))
    assert len(granted(given)) >= 99
    assert min(grant.delay for grant in again if grant.delay is not None) > 1.9
    assert len(granted(again)) <= 2


def test_redis_away_is_no_licence(caplog: pytest.LogCaptureFixture) -> None:
    with ValkeyServer() as server:
        settings = make_settings(redis_url=server.url, mail_rate=1000, mail_concurrency_per_domain=9)
        ours = Limits.from_settings(settings, retry_seconds=0.2)
        assert ours is not None
        ours.reserve(ask([1]))
        server.stop()
        for _ in range(3):
            assert ours.reserve(ask([1, 2])) == [Grant(1, None, 0.2), Grant(2, None, 0.2)]
        ours.release(ask([1]))
        server.start()
        time.sleep(0.25)
        grants: Sequence[Grant] = ours.reserve(ask([1]))
        assert grants[0].delay is not None
    assert caplog.text.count("limits.redis_is_away") == 1


def test_a_redis_that_hangs_costs_a_moment_once() -> None:
    with ValkeyServer() as server:
        ours = Limits.from_settings(make_settings(redis_url=server.url, mail_rate=1000), timeout=0.2)
        assert ours is not None
        ours.reserve(ask([1]))
        server.pause()
        started = time.monotonic()
        for _ in range(50):
            assert ours.reserve(ask([1])) == [Grant(1, None, REDIS_RETRY_SECONDS)]
        assert time.monotonic() - started < 0.6
        server.cont()
