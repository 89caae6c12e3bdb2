"""What the limits are asked: who wants to go and what each of them is under, as the script in Redis reads it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil

#: No moment further ahead, in seconds, is ever given away.
MAX_AHEAD_SECONDS = 2.0

#: Moments of so many seconds ago are still known: those that stayed free meanwhile may be made up for.
MAX_BEHIND_SECONDS = 1.0

#: All keys in one slot, for a Redis in many parts.
PREFIX = "{notifier:limits}"


@dataclass(frozen=True, slots=True)
class Request:
    """A mail that wants to go. `campaign_rate` in mails a second, None where its campaign sets none."""

    pk: int
    domain: str
    campaign_id: int | None = None
    campaign_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Either `delay`: send it in so many seconds; or `retry_in`: nothing is reserved, ask again then.

    A delay below 0 is a moment that has passed: it is made up for, as soon as there is room.
    """

    pk: int
    delay: float | None
    retry_in: float | None


class Question:
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
            place = flight_key(request.domain)
            self._places[place] = self._concurrency
        self._mails.append((request.pk, list(used), place))

    @property
    def keys(self) -> list[str]:
        """All that the script touches."""
        return [f"{PREFIX}:since", *self._slots, *self._places]

    def text(self, lease: float, within: float, back: float) -> str:
        """The rest, in JSON; numbers stand for keys, from 1 as Lua counts. All are seconds (see `Limits`)."""
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
                "mails": [
                    (pk, [slots[key] for key in keys], 0 if place is None else places[place])
                    for pk, keys, place in self._mails
                ],
            }
        )


def rate_key(domain: str) -> str:
    """The key of a domain's moments."""
    return f"{PREFIX}:domain:{_hashed(domain)}"


def flight_key(domain: str) -> str:
    """The key of a domain's places."""
    return f"{PREFIX}:flight:{_hashed(domain)}"


def _hashed(domain: str) -> str:
    """No name of anybody in Redis, and a domain may be one."""
    return blake2b(domain.encode(), digest_size=10).hexdigest()
