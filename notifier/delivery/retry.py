"""When to try again: by the age of the trouble, kept in the row."""

import random
from datetime import datetime, timedelta

#: Minutes until the next try after the first, second, ... failure; the last one repeats.
SCHEDULE = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60))

#: A server that is away, or asks us to slow down, costs the mail no attempt; this is how long it rests.
REST = timedelta(minutes=1)

#: Our own misconfiguration: look again so often.
HOLD = timedelta(minutes=1)


def jittered(delay: timedelta, share: float | None = None) -> timedelta:
    """Equal jitter: 50 to 100 % of `delay`, so that mails which failed together do not return together."""
    return delay * (0.5 + (random.random() if share is None else share) / 2)


def next_attempt(attempts: int, now: datetime, *, at_least: timedelta = timedelta(0)) -> datetime:
    """When a mail that has failed `attempts` times (1 or more) is due again."""
    step = SCHEDULE[min(attempts, len(SCHEDULE)) - 1]
    return now + max(jittered(step), at_least)
