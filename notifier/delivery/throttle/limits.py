"""Limits over all workers: mails a second in all, for a recipient domain, for a campaign; and mails in flight.

One call to Redis for a whole batch. Time is cut into slots of 1/rate seconds, and each slot takes one mail, so
nothing is saved up while nothing is sent: no second, wherever it begins, holds more than rate + 1 moments.
A mail gets the first moment that is free in each of its limits. Time is that of Redis: one clock for all.

To have a moment is one thing, to begin is another. A late look may still use the moments of the last second that stayed
free, and people's own email begins before its moment, which then stays empty: campaigns pay it back. What begins is
counted by itself, so in both cases no second holds much more than the rate.
"""

import time
from collections.abc import Iterable, Sequence
from math import ceil, floor
from typing import Self, cast

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifier.config.settings import Settings
from notifier.delivery.throttle.asking import (
    MAX_AHEAD_SECONDS,
    MAX_BEHIND_SECONDS,
    PREFIX,
    Grant,
    Question,
    Request,
    flight_key,
    rate_key,
)
from notifier.delivery.throttle.reservation import BEGIN, RESERVE

log = structlog.get_logger(__name__)

#: Seconds to connect to Redis, and for it to answer.
REDIS_TIMEOUT_SECONDS = 0.5

#: Redis is away: nothing is sent for so many seconds. A limit that cannot be asked is not lifted.
REDIS_RETRY_SECONDS = 5.0

#: What was late may go so much faster than the rate: for long, and for a moment. Each email begins a little after it
#: may, so with less a late campaign would stay late.
CATCH_UP, DASH = 1.04, 1.5

#: What is urgent may go so much faster than the rate over a second: it has room when all else has none.
URGENT = 1.08

#: The second in which no more may begin, in seconds: shorter by what the next one may be early.
SECOND = 0.98

#: Mails in one call: Redis serves nobody else meanwhile.
CHUNK = 500


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
        #: Line and whether it is urgent -> until when (monotonic seconds) it is full: many threads wait for one limit.
        self._full: dict[tuple[tuple[str, ...], bool], float] = {}

    @classmethod
    def from_settings(cls, settings: Settings, *, campaigns: bool = False) -> Self | None:
        """Limits as set, None where none is. `campaigns`: campaigns may bring rates of their own."""
        wanted = settings.mail_rate or settings.mail_rate_per_domain or settings.mail_concurrency_per_domain
        if not settings.redis_url or not (wanted or campaigns):
            return None
        client = redis.Redis.from_url(
            settings.redis_url,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        return cls(
            client,
            rate=settings.mail_rate,
            domain_rate=settings.mail_rate_per_domain,
            domain_concurrency=settings.mail_concurrency_per_domain,
            lease=settings.mail_timeout_total + MAX_AHEAD_SECONDS,
        )

    def reserve(
        self, requests: Sequence[Request], *, within: float = MAX_AHEAD_SECONDS, back: float = 0.0
    ) -> list[Grant]:
        """A moment for each mail, in the order asked for, at most `within` seconds ahead (MAX_AHEAD_SECONDS at most).

        `back`: a limit that was in use `back` seconds ago (BACK at most) gives also the moments that stayed free since.
        Ask `begin` before mails with such a moment go.
        One call to Redis for each CHUNK of them. A granted mail holds a place of its domain until `release`, or for
        the lease. Never raises for a Redis that is away: then all are told to come back.
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
        """Let these mails begin now, at or after their moment, or before it if they are `urgent`: 0.0, and they count.

        Or the seconds until there may be room: others were late, and no second holds much more than the rate. Never
        raises for a Redis that is away.
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
            return REDIS_RETRY_SECONDS
        seconds = cast("int", wait) / 1_000_000
        if seconds:
            self._full[line] = time.monotonic() + seconds
        else:
            self._full.pop(line, None)
        return seconds

    def line(self, request: Request) -> tuple[str, ...]:
        """What it is under: those of one line wait for one another, and those of other lines need not wait for them."""
        return tuple(self._rates_of(request))

    def _rates_of(self, request: Request) -> dict[str, float]:
        """The limits of mails a second that this one is under, by their keys."""
        rates = {f"{PREFIX}:all": self.rate, rate_key(request.domain): self._domain_rate}
        if request.campaign_id is not None:
            rates[f"{PREFIX}:campaign:{request.campaign_id}"] = request.campaign_rate
        return {key: rate for key, rate in rates.items() if rate}

    def release(self, requests: Iterable[Request]) -> None:
        """These mails are no longer in flight, or will not be sent after all."""
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
            # They come back by themselves when their lease ends.
            self._is_away(error)

    def _reserve_chunk(self, requests: Sequence[Request], within: float, back: float) -> list[Grant]:
        question = Question(self._domain_concurrency)
        for request in requests:
            question.add(request, self._rates_of(request))
        if not question.limited:
            return [Grant(request.pk, 0.0, None) for request in requests]
        if time.monotonic() < self._away_until:
            return _come_back(requests)
        answers = self._asked(question, within, back)
        if answers is None:
            return _come_back(requests)
        return [_grant(request.pk, answer, back) for request, answer in zip(requests, answers, strict=True)]

    def _asked(self, question: Question, within: float, back: float) -> list[int] | None:
        """Redis's answers; None where it is away."""
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
        first, self._away_until = not self._away_until, time.monotonic() + REDIS_RETRY_SECONDS
        if first:
            log.error("limits.redis_is_away", error=type(error).__name__, nothing_sent_for=REDIS_RETRY_SECONDS)


def _room(rate: float, *, urgent: bool) -> tuple[int, int, int]:
    """How many mails may begin in how many microseconds, and how many each of them keeps the next one waiting."""
    most, window = max(ceil(rate) + 1, floor(rate * URGENT)), SECOND
    if not urgent:
        most = ceil(rate)
        window = most / (rate * CATCH_UP)
    return most, round(window * 1_000_000), round(1_000_000 / (rate * DASH))


def _grant(pk: int, answer: int, back: float) -> Grant:
    """Microseconds: from 0 up a delay after `back` seconds ago, below it the time until a next try makes sense."""
    return Grant(pk, answer / 1_000_000 - back, None) if answer >= 0 else Grant(pk, None, -answer / 1_000_000)


def _come_back(requests: Sequence[Request]) -> list[Grant]:
    return [Grant(request.pk, None, REDIS_RETRY_SECONDS) for request in requests]
