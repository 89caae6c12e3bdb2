"""Build the request that the limits' script in Redis reads: the emails that want to go, and the limits of each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil

#: Seconds ahead of now within which moments are given away.
MAX_AHEAD_SECONDS = 2.0

#: Seconds back for which moments are still known: those that stayed free may be made up for.
MAX_BEHIND_SECONDS = 1.0

#: A hash tag keeps all keys in one slot of a Redis cluster.
PREFIX = "{notifier:limits}"


@dataclass(frozen=True, slots=True)
class Request:
    """An email that wants to go. `campaign_rate`: emails per second, None if its campaign sets no rate."""

    pk: int
    domain: str
    campaign_id: int | None = None
    campaign_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Either `delay`, seconds until the email may go, or `retry_in`: nothing is reserved, ask again in so many seconds.

    A negative delay is a moment that has passed: it is made up for as soon as there is room.
    """

    pk: int
    delay: float | None
    retry_in: float | None


class Question:
    """One request to the script, collected email by email."""

    def __init__(self, domain_concurrency: int | None) -> None:
        self._concurrency = domain_concurrency
        #: Key -> length of its slots in microseconds; `_places`: key -> number of places.
        self._slots: dict[str, int] = {}
        self._places: dict[str, int] = {}
        self._emails: list[tuple[int, list[str], str | None]] = []

    @property
    def limited(self) -> bool:
        """Whether any limit applies to any email."""
        return bool(self._slots or self._places)

    def add(self, request: Request, rates: Mapping[str, float]) -> None:
        """Add an email and the rates (emails per second, by key) that it is under."""
        used = {key: ceil(1_000_000 / rate) for key, rate in rates.items()}
        self._slots |= used
        place = None
        if self._concurrency is not None:
            place = flight_key(request.domain)
            self._places[place] = self._concurrency
        self._emails.append((request.pk, list(used), place))

    @property
    def keys(self) -> list[str]:
        """All keys that the script reads or writes."""
        return [f"{PREFIX}:since", *self._slots, *self._places]

    def text(self, lease: float, within: float, back: float) -> str:
        """Return the arguments as JSON.

        Numbers stand for keys, counted from 1 as in Lua. Times are seconds (see `Limits`).
        """
        slots = {key: number for number, key in enumerate(self._slots, start=1)}
        places = {key: number for number, key in enumerate(self._places, start=1)}
        return json.dumps(
            {
                "horizon": round(MAX_AHEAD_SECONDS * 1_000_000),
                "known": round(MAX_BEHIND_SECONDS * 1_000_000),
                "back": round(back * 1_000_000),
                "within": round(min(within, MAX_AHEAD_SECONDS) * 1_000_000),
                "lease": round(lease * 1_000_000),
                "slots": list(self._slots.values()),
                "places": list(self._places.values()),
                "emails": [
                    (pk, [slots[key] for key in keys], 0 if place is None else places[place])
                    for pk, keys, place in self._emails
                ],
            }
        )


def rate_key(domain: str) -> str:
    """Return the key of a domain's moments."""
    return f"{PREFIX}:domain:{_hashed(domain)}"


def flight_key(domain: str) -> str:
    """Return the key of a domain's places."""
    return f"{PREFIX}:flight:{_hashed(domain)}"


def _hashed(domain: str) -> str:
    """Hash the domain: it may be a person's name, and Redis holds no names."""
    return blake2b(domain.encode(), digest_size=10).hexdigest()
