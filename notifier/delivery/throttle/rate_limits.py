"""Limits over all workers: emails per second in total, per recipient domain and per campaign, and emails in flight.

A batch takes one call to Redis. Time is cut into slots of 1/rate seconds, and each slot takes one email, so nothing is
saved up while nothing is sent: no second, wherever it begins, holds more than rate + 1 moments. An email gets the first
moment that is free in each of its limits. Redis's clock counts for all workers.

Reserving a moment and beginning are two steps. A late round may still use moments of the last second that stayed free,
and a transactional email begins before its moment, which then stays empty: campaigns pay it back. Emails that begin are
counted on their own, so in both cases no second holds much more than the rate.
"""

import time
from collections.abc import Iterable, Sequence
from math import ceil, floor
from typing import Self, cast

import redis
import structlog

from notifier import redis_client
from notifier.config.settings import Settings
from notifier.delivery.throttle.limit_requests import (
    MAX_AHEAD_SECONDS,
    MAX_BEHIND_SECONDS,
    PREFIX,
    Grant,
    Question,
    Request,
    flight_key,
    rate_key,
)
from notifier.delivery.throttle.rate_limits_lua import BEGIN, RESERVE

log = structlog.get_logger(__name__)

#: Seconds to connect to Redis, and for it to answer.
REDIS_TIMEOUT_SECONDS = 0.5

#: Seconds for which nothing is sent after Redis was unreachable: a limit that cannot be checked is not lifted.
REDIS_RETRY_SECONDS = 5.0

#: Late emails may exceed the rate by these factors: over a long time, and for a moment. Each email begins slightly
#: after its moment, so without them a late campaign would stay late.
CATCH_UP, DASH = 1.04, 1.5

#: Urgent emails may exceed the rate over a second by this factor, so they have room when all else has none.
URGENT = 1.08

#: Length in seconds of the window in which no more may begin: a second less what the next email may be early.
SECOND = 0.98

#: Emails in one call: Redis serves no other client in the meantime.
CHUNK = 500


class Limits:
    """Reserve moments for emails. One instance serves all threads of a process, and survives a fork."""

    def __init__(
        self,
        client: redis.Redis,
        *,
        rate: float | None = None,
        domain_rate: float | None = None,
        domain_concurrency: int | None = None,
        lease: float = 480.0,
        retry_seconds: float = REDIS_RETRY_SECONDS,
    ) -> None:
        """Limit by rates in emails per second and by emails in flight. None: no such limit.

        Args:
            lease: Seconds after which an email no longer counts as in flight, even if its worker crashed.
            retry_seconds: Seconds for which nothing is sent after Redis was unreachable.
        """
        self.retry_seconds = retry_seconds
        self.client = client
        self._reserve = client.register_script(RESERVE)
        self._begin = client.register_script(BEGIN)
        #: Emails per second in total. None: no limit.
        self.rate = rate
        self._domain_rate = domain_rate
        self._domain_concurrency = domain_concurrency
        self._lease = lease
        #: Whether the limits apply to every email, not only to campaigns with a rate.
        self.always = any((rate, domain_rate, domain_concurrency))
        #: Whether one domain may wait while others go, and whether it waits for emails in flight.
        self.by_domain = bool(domain_rate or domain_concurrency)
        self.by_places = bool(domain_concurrency)
        self._away_until = 0.0
        #: (line, urgent) -> monotonic time until which the line is full, so that threads need not all ask Redis.
        self._full: dict[tuple[tuple[str, ...], bool], float] = {}

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        campaigns: bool = False,
        timeout: float = REDIS_TIMEOUT_SECONDS,
        retry_seconds: float = REDIS_RETRY_SECONDS,
    ) -> Self | None:
        """Build the limits from the settings; None if none is set.

        Args:
            campaigns: Campaigns may bring rates of their own.
            timeout: Seconds to connect to Redis, and for it to answer.
            retry_seconds: Seconds for which nothing is sent after Redis was unreachable.
        """
        wanted = settings.mail_rate or settings.mail_rate_per_domain or settings.mail_concurrency_per_domain
        if not settings.redis_url or not (wanted or campaigns):
            return None
        client = redis_client.connect(settings.redis_url, timeout=timeout)
        return cls(
            client,
            rate=settings.mail_rate,
            domain_rate=settings.mail_rate_per_domain,
            domain_concurrency=settings.mail_concurrency_per_domain,
            lease=settings.mail_timeout_total + MAX_AHEAD_SECONDS,
            retry_seconds=retry_seconds,
        )

    def reserve(
        self, requests: Sequence[Request], *, within: float = MAX_AHEAD_SECONDS, back: float = 0.0
    ) -> list[Grant]:
        """Reserve a moment for each email, in the order given, at most `within` seconds ahead.

        Limits that were in use `back` seconds ago (MAX_BEHIND_SECONDS at most) also give the moments that stayed free
        since. Ask `begin` before emails with such a moment go.

        Each CHUNK of emails takes one call to Redis. A granted email holds a place of its domain until `release`, or
        for the lease. If Redis is unreachable nothing is raised: all emails get a `retry_in`.
        """
        back = min(back, MAX_BEHIND_SECONDS)
        return [
            grant
            for start in range(0, len(requests), CHUNK)
            for grant in self._reserve_chunk(requests[start : start + CHUNK], within, back)
        ]

    def get_ready(self) -> None:
        """Initialise an empty Redis before the first email waits.

        After a loss of memory Redis no longer knows which moments it gave away, so it gives none for MAX_AHEAD_SECONDS.
        Never raise if Redis is unreachable.
        """
        if time.monotonic() >= self._away_until:
            self._asked(Question(None), MAX_AHEAD_SECONDS, 0.0)

    def begin(self, requests: Sequence[Request], *, urgent: bool = False) -> float:
        """Count these emails as begun and return 0.0, or return the seconds until there may be room.

        Call it at or after their moment; `urgent` emails may begin before it. There may be no room because others were
        late: no second holds much more than the rate. Never raise if Redis is unreachable.
        """
        wanted: dict[str, tuple[float, list[int]]] = {}
        for request in requests:
            for key, rate in self._rates_of(request).items():
                wanted.setdefault(key, (rate, []))[1].append(request.pk)
        if not wanted:
            return 0.0
        line = (tuple(wanted), urgent)
        full = self._full.get(line, 0.0) - time.monotonic()
        if full > 0:
            return full
        numbers = [number for rate, pks in wanted.values() for number in (*_room(rate, urgent=urgent), len(pks))]
        try:
            keys = [f"{key}:{what}" for key in wanted for what in ("begun", "next")]
            names = [pk for _, pks in wanted.values() for pk in pks]
            wait = self._begin(keys=keys, args=[int(urgent), *numbers, *names])
        except redis.RedisError as error:
            self._is_away(error)
            return self.retry_seconds
        seconds = cast("int", wait) / 1_000_000
        if seconds:
            self._full[line] = time.monotonic() + seconds
        else:
            self._full.pop(line, None)
        return seconds

    def line(self, request: Request) -> tuple[str, ...]:
        """Return the limits of an email. Emails of one line wait for each other, but not for other lines."""
        return tuple(self._rates_of(request))

    def _rates_of(self, request: Request) -> dict[str, float]:
        """Return the rates (emails per second) that this email is under, by key."""
        rates = {f"{PREFIX}:all": self.rate, rate_key(request.domain): self._domain_rate}
        if request.campaign_id is not None:
            rates[f"{PREFIX}:campaign:{request.campaign_id}"] = request.campaign_rate
        return {key: rate for key, rate in rates.items() if rate}

    def release(self, requests: Iterable[Request]) -> None:
        """Free the places of emails that are no longer in flight, or will not be sent after all."""
        places: dict[str, list[int]] = {}
        if self._domain_concurrency is not None:
            for request in requests:
                places.setdefault(flight_key(request.domain), []).append(request.pk)
        if not places or time.monotonic() < self._away_until:
            return
        try:
            with self.client.pipeline(transaction=False) as pipeline:
                for key, pks in places.items():
                    pipeline.zrem(key, *pks)
                pipeline.execute()
        except redis.RedisError as error:
            # The places become free when their lease ends.
            self._is_away(error)

    def _reserve_chunk(self, requests: Sequence[Request], within: float, back: float) -> list[Grant]:
        question = Question(self._domain_concurrency)
        for request in requests:
            question.add(request, self._rates_of(request))
        if not question.limited:
            return [Grant(request.pk, 0.0, None) for request in requests]
        if time.monotonic() < self._away_until:
            return _come_back(requests, self.retry_seconds)
        answers = self._asked(question, within, back)
        if answers is None:
            return _come_back(requests, self.retry_seconds)
        return [_grant(request.pk, answer, back) for request, answer in zip(requests, answers, strict=True)]

    def _asked(self, question: Question, within: float, back: float) -> list[int] | None:
        """Return Redis's answers; None if it is unreachable."""
        try:
            answers = self._reserve(keys=question.keys, args=[question.text(self._lease, within, back)])
        except redis.RedisError as error:
            self._is_away(error)
            return None
        if self._away_until:
            self._away_until = 0.0
            log.info("limits.redis_is_back")
        return cast("list[int]", answers)

    def _is_away(self, error: redis.RedisError) -> None:
        first, self._away_until = not self._away_until, time.monotonic() + self.retry_seconds
        if first:
            log.error("limits.redis_is_away", error=type(error).__name__, nothing_sent_for=self.retry_seconds)


def _room(rate: float, *, urgent: bool) -> tuple[int, int, int]:
    """Return how many emails may begin in a window, its length and the pause after each of them (both microseconds)."""
    most, window = max(ceil(rate) + 1, floor(rate * URGENT)), SECOND
    if not urgent:
        most = ceil(rate)
        window = most / (rate * CATCH_UP)
    return most, round(window * 1_000_000), round(1_000_000 / (rate * DASH))


def _grant(pk: int, answer: int, back: float) -> Grant:
    """Turn an answer in microseconds into a grant.

    From 0 up it is a delay counted from `back` seconds ago; below 0 the time until asking again makes sense.
    """
    return Grant(pk, answer / 1_000_000 - back, None) if answer >= 0 else Grant(pk, None, -answer / 1_000_000)


def _come_back(requests: Sequence[Request], seconds: float) -> list[Grant]:
    return [Grant(request.pk, None, seconds) for request in requests]
