"""A clock that stands still. Needs time-machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import patch

import time_machine

from notifier import clock
from notifier.database.database_clock import DatabaseClock

#: A Friday without a meaning.
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@contextmanager
def frozen(moment: datetime = NOON) -> Iterator[time_machine.Traveller]:
    """Stop the clock at `moment`, and that of the database with it. `move_to` and `shift` of the result move both."""
    with (
        patch.object(DatabaseClock, "now", lambda self: clock.now()),
        time_machine.travel(moment, tick=False) as traveller,
    ):
        yield traveller
