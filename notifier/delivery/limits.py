"""Limits over all workers: mails a second in all, for a recipient domain, for a campaign; and mails in flight.

One call to Redis for a whole batch. Time is cut into slots of 1/rate seconds, and each slot takes one mail, so
nothing is saved up while nothing is sent: no second, wherever it begins, holds more than rate + 1 moments.
A mail gets the first moment that is free in each of its limits. Time is that of Redis: one clock for all.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil
from typing import Self, cast

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifier.config import Settings
from notifier.delivery.reservation import BEGIN, RESERVE

log = structlog.get_logger(__name__)

#: No moment further ahead, in seconds, is ever given away.
HORIZON = 2.0

#: Seconds to connect to Redis, and for it to answer.
TIMEOUT = 0.5

#: Redis is away: nothing is sent for so many seconds. A limit that cannot be asked is not lifted.
AWAY = 5.0

#: What was late may go so much faster than the rate.
CATCH_UP = 1.05

#: Mails in one call: Redis serves nobody else meanwhile.
CHUNK = 500

#: All keys in one slot, for a Redis in many parts.
_PREFIX = "{notifier:limits}"


@dataclass(frozen=True, slots=True)
class Request:
    """A mail that wants to go. `campaign_rate` in mails a second, None where its campaign sets none."""

    pk: int
    domain: str
    campaign_id: int | None = None
    campaign_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Either `delay`: send it in so many seconds; or `retry_in`: nothing is reserved, ask again then."""

    pk: int
    delay: float | None
    retry_in: float | None


class Limits:
    """One instance serves all threads of a process, and survives a fork."""

    def __init__(
        self,
        client: redis.Redis,
        *,
        rate: float | None = None,
        domain_rate: float | None = None,
        domain_concurrency: int | None = None,
        lease: float = 480.0,
    ) -> None:
        """`lease`: seconds after which a mail counts as in flight no longer, whatever became of its worker."""
        self.client = client
        self._reserve = client.register_script(RESERVE)
        self._begin = client.register_script(BEGIN)
        #: Emails a second in all. None: no limit.
        self.rate = rate
        self._domain_rate = domain_rate
        self._domain_concurrency = domain_concurrency
        self._lease = lease
        #: Whether they are about every mail, and not only about those of campaigns with a rate.
        self.always = any((rate, domain_rate, domain_concurrency))
        #: Whether a domain may have to wait while others need not, and whether it waits for emails in flight.
        self.by_domain = bool(domain_rate or domain_concurrency)
        self.by_places = bool(domain_concurrency)
        self._away_until = 0.0

    @classmethod
    def from_settings(cls, settings: Settings, *, campaigns: bool = False) -> Self | None:
        """Limits as set, None where none is. `campaigns`: campaigns may bring rates of their own."""
        wanted = settings.mail_rate or settings.mail_rate_per_domain or settings.mail_concurrency_per_domain
        if not settings.redis_url or not (wanted or campaigns):
            return None
        client = redis.Redis.from_url(
            settings.redis_url,
            socket_connect_timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        return cls(
            client,
            rate=settings.mail_rate,
            domain_rate=settings.mail_rate_per_domain,
            domain_concurrency=settings.mail_concurrency_per_domain,
            lease=settings.mail_timeout_total + HORIZON,
        )

    def reserve(self, requests: Sequence[Request], *, within: float = HORIZON) -> list[Grant]:
        """A moment for each mail, in the order asked for, at most `within` seconds ahead (HORIZON at most).

        One call to Redis for each CHUNK of them. A granted mail holds a place of its domain until `release`, or for
        the lease. Never raises for a Redis that is away: then all are told to come back.
        """
        return [
            grant
            for start in range(0, len(requests), CHUNK)
            for grant in self._reserve_chunk(requests[start : start + CHUNK], within)
        ]

    def begin(self, requests: Sequence[Request]) -> float:
        """Let these mails begin now, at or after their moment: 0.0, and they count.

        Or the seconds until there may be room: others were late, and no second holds much more than the rate. Never
        raises for a Redis that is away.
        """
        wanted: dict[str, tuple[float, list[int]]] = {}
        for request in requests:
            for key, rate in self._rates_of(request).items():
                wanted.setdefault(key, (rate, []))[1].append(request.pk)
        if not wanted:
            return 0.0
        numbers = [number for rate, pks in wanted.values() for number in (*_window(rate), len(pks))]
        try:
            keys = [f"{key}:begun" for key in wanted]
            wait = self._begin(keys=keys, args=[*numbers, *(pk for _, pks in wanted.values() for pk in pks)])
        except redis.RedisError as error:
            self._is_away(error)
            return AWAY
        return cast("int", wait) / 1_000_000

    def _rates_of(self, request: Request) -> dict[str, float]:
        """The limits of mails a second that this one is under, by their keys."""
        rates = {f"{_PREFIX}:all": self.rate, _rate_key(request.domain): self._domain_rate}
        if request.campaign_id is not None:
            rates[f"{_PREFIX}:campaign:{request.campaign_id}"] = request.campaign_rate
        return {key: rate for key, rate in rates.items() if rate}

    def release(self, requests: Iterable[Request]) -> None:
        """These mails are no longer in flight, or will not be sent after all."""
        places: dict[str, list[int]] = {}
        if self._domain_concurrency is not None:
            for request in requests:
                places.setdefault(_flight_key(request.domain), []).append(request.pk)
        if not places or time.monotonic() < self._away_until:
            return
        try:
            with self.client.pipeline(transaction=False) as pipeline:
                for key, pks in places.items():
                    pipeline.zrem(key, *pks)
                pipeline.execute()
        except redis.RedisError as error:
            # They come back by themselves when their lease ends.
            self._is_away(error)

    def _reserve_chunk(self, requests: Sequence[Request], within: float) -> list[Grant]:
        question = _Question(self._domain_concurrency)
        for request in requests:
            question.add(request, self._rates_of(request))
        if not question.limited:
            return [Grant(request.pk, 0.0, None) for request in requests]
        if time.monotonic() < self._away_until:
            return _come_back(requests)
        try:
            answers = cast("list[int]", self._reserve(keys=question.keys, args=[question.text(self._lease, within)]))
        except redis.RedisError as error:
            self._is_away(error)
            return _come_back(requests)
        if self._away_until:
            self._away_until = 0.0
            log.info("limits.redis_is_back")
        return [_grant(request.pk, answer) for request, answer in zip(requests, answers, strict=True)]

    def _is_away(self, error: redis.RedisError) -> None:
        first, self._away_until = not self._away_until, time.monotonic() + AWAY
        if first:
            log.error("limits.redis_is_away", error=type(error).__name__, nothing_sent_for=AWAY)


class _Question:
    """What the script is asked, collected mail by mail."""

    def __init__(self, domain_concurrency: int | None) -> None:
        self._concurrency = domain_concurrency
        #: Key -> length of its slots in microseconds; the key of places has the number of them instead.
        self._slots: dict[str, int] = {}
        self._places: dict[str, int] = {}
        self._mails: list[tuple[int, list[str], str | None]] = []

    @property
    def limited(self) -> bool:
        """Whether any limit applies to any mail."""
        return bool(self._slots or self._places)

    def add(self, request: Request, rates: Mapping[str, float]) -> None:
        """One more mail and the rates that it is under."""
        used = {key: ceil(1_000_000 / rate) for key, rate in rates.items()}
        self._slots |= used
        place = None
        if self._concurrency is not None:
            place = _flight_key(request.domain)
            self._places[place] = self._concurrency
        self._mails.append((request.pk, list(used), place))

    @property
    def keys(self) -> list[str]:
        """All that the script touches."""
        return [f"{_PREFIX}:since", *self._slots, *self._places]

    def text(self, lease: float, within: float) -> str:
        """The rest, in JSON; numbers stand for keys, from 1 as Lua counts."""
        slots = {key: number for number, key in enumerate(self._slots, start=1)}
        places = {key: number for number, key in enumerate(self._places, start=1)}
        return json.dumps(
            {
                "horizon": round(HORIZON * 1_000_000),
                "within": round(min(within, HORIZON) * 1_000_000),
                "lease": round(lease * 1_000_000),
                "slots": list(self._slots.values()),
                "places": list(self._places.values()),
                "mails": [
                    (pk, [slots[key] for key in keys], 0 if place is None else places[place])
                    for pk, keys, place in self._mails
                ],
            }
        )


def _window(rate: float) -> tuple[int, int]:
    """How many mails may begin in how many microseconds: those of a second in a little less, to catch up."""
    most = ceil(rate)
    return most, round(most / (rate * CATCH_UP) * 1_000_000)


def _rate_key(domain: str) -> str:
    return f"{_PREFIX}:domain:{_hashed(domain)}"


def _flight_key(domain: str) -> str:
    return f"{_PREFIX}:flight:{_hashed(domain)}"


def _hashed(domain: str) -> str:
    """No name of anybody in Redis, and a domain may be one."""
    return blake2b(domain.encode(), digest_size=10).hexdigest()


def _grant(pk: int, answer: int) -> Grant:
    """Microseconds: from 0 up a delay, below it the time until a next try makes sense."""
    return Grant(pk, answer / 1_000_000, None) if answer >= 0 else Grant(pk, None, -answer / 1_000_000)


def _come_back(requests: Sequence[Request]) -> list[Grant]:
    return [Grant(request.pk, None, AWAY) for request in requests]
