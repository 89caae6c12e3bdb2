"""The turnstile: let one process at a time hand out turns, and show it what the others have handed out.

There is one for campaigns and one for transactional emails: other processes send those, and often none waits. It is
kept in Redis with the limits. A process that passes keeps it shut until there is something to hand out again, so many
processes ask no more often than one.
"""

import time
from collections.abc import Collection

import redis
import structlog

from notifier.delivery.throttle.rate_limits import REDIS_RETRY_SECONDS

log = structlog.get_logger(__name__)

#: Seconds after which it opens again if the process that passed was killed.
STUCK = 2.0

#: The lock and the rows handed out, for campaigns (True) and for transactional emails (False).
_KEYS = {
    bulk: [f"{{notifier:limits}}:turnstile:{sort}", f"{{notifier:limits}}:handed:{sort}"]
    for bulk, sort in ((True, "bulk"), (False, "own"))
}

_ENTER = """
local shut = redis.call('PTTL', KEYS[1])
if shut > 0 then
  return {shut}
end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
local clock = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', clock[1] * 1000 + math.floor(clock[2] / 1000))
local answer = {0}
for _, pk in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  answer[#answer + 1] = tonumber(pk)
end
return answer
"""

_LEAVE = """
local clock = redis.call('TIME')
local until_ = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[2]
for index = 3, #ARGV do
  redis.call('ZADD', KEYS[2], until_, ARGV[index])
end
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
"""


class Turnstile:
    """Guard the hand-out. One instance serves all threads of a process, and survives a fork."""

    def __init__(self, client: redis.Redis) -> None:
        """Keep the state in Redis through the limits' `client`."""
        self._enter = client.register_script(_ENTER)
        self._leave = client.register_script(_LEAVE)
        self._away_until = 0.0

    def enter(self, *, bulk: bool) -> set[int] | float:
        """Pass, and return the keys handed out lately by any process; then call `leave`.

        Or return the seconds until it may open. Never raise if Redis is unreachable.
        """
        away = self._away_until - time.monotonic()
        if away > 0:
            return away
        try:
            answer = self._enter(keys=_KEYS[bulk], args=[_milliseconds(STUCK)])
        except redis.RedisError as error:
            return self._is_away(error)
        assert isinstance(answer, list)
        shut, *handed = answer
        return shut / 1000 if shut else set(handed)

    def leave(self, handed: Collection[int], *, bulk: bool, rest: float, keep: float) -> None:
        """Note that these rows are handed out, for `keep` seconds. No process passes for `rest` seconds."""
        try:
            self._leave(keys=_KEYS[bulk], args=[_milliseconds(rest), _milliseconds(keep), *handed])
        except redis.RedisError as error:
            self._is_away(error)

    def _is_away(self, error: redis.RedisError) -> float:
        self._away_until = time.monotonic() + REDIS_RETRY_SECONDS
        log.warning("turnstile.redis_is_away", error=type(error).__name__, again_in=REDIS_RETRY_SECONDS)
        return REDIS_RETRY_SECONDS


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
