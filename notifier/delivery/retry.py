"""Times of the next attempt, by the number of failures that the row keeps."""

import random
from datetime import datetime, timedelta

#: Time until the next attempt after the first, second, ... failure; the last value repeats.
SCHEDULE = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60))

#: Pause after a server was unreachable or asked us to slow down. It uses up no attempt.
REST = timedelta(minutes=1)

#: Time until the next attempt if a misconfiguration of ours stopped it.
HOLD = timedelta(minutes=1)


def jittered(delay: timedelta, share: float | None = None) -> timedelta:
    """Return 50 to 100 % of `delay` (equal jitter), so that emails that failed together do not return together."""
    return delay * (0.5 + (random.random() if share is None else share) / 2)


def next_attempt(attempts: int, now: datetime, *, at_least: timedelta = timedelta(0)) -> datetime:
    """Return when an email that has failed `attempts` times (1 or more) is due again."""
    step = SCHEDULE[min(attempts, len(SCHEDULE)) - 1]
    return now + max(jittered(step), at_least)
