"""The pace: pause a transport, provider or recipient domain that asks us to slow down, longer each time.

Rows hold the pauses, so all workers keep them. Each process reads the rows at most once a second; they are few, because
they are deleted once all is well. Each call that writes commits a short transaction of its own: do not call it with
unfinished work in the session.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, cast

import structlog
from sqlalchemy import CursorResult, Delete, Update, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier import models
from notifier.database.transaction import transaction
from notifier.mail import providers

log = structlog.get_logger(__name__)

#: Longest pause, in seconds.
LONGEST = 60

#: Highest level that makes a difference: 2**6 seconds exceed LONGEST.
HIGHEST = 7

#: Time after its pause until a key that got no email is forgotten.
FORGET = timedelta(hours=1)

#: Seconds for which the rows are not read again.
CACHE_SECONDS = 1.0


def transport_key(name: str) -> str:
    """Return the key of a transport."""
    return f"transport:{name}"


def domain_key(domain: str) -> str:
    """Return the key of a recipient domain."""
    return f"domain:{domain}"


#: Prefix of the keys of providers.
PROVIDER = "provider:"


def provider_key(transport: str, scope: str) -> str:
    """Return the key of a provider (or of a domain without one) through a transport."""
    return PROVIDER + providers.key(transport, scope)


class Pace:
    """Keep pauses. One instance serves all threads of a process."""

    def __init__(self, session: Callable[[], Session], *, fresh: float = CACHE_SECONDS) -> None:
        """Read through `session`, which returns the current one. `fresh`: seconds for which a read is reused."""
        self._session = session
        self._fresh = fresh
        self._lock = Lock()
        self._read_at = float("-inf")
        #: Key -> (until, level), as last read. Replaced as a whole or one key at a time, so it is never half read.
        self._rows: dict[str, tuple[datetime, int]] = {}

    def slow(self, key: str, now: datetime) -> datetime:
        """Pause `key` for 1 s, twice as long with each further call, up to a minute. Return the end of the pause.

        Calls during a pause change nothing: they come from emails that were under way when it began.
        """
        with transaction(self._session) as session:
            _change(session, delete(models.PaceState).where(models.PaceState.until < now - FORGET))
        with transaction(self._session) as session:
            until, level = _slowed(session, key, now)
        self._rows[key] = (until, level)
        return until

    @property
    def is_slowing(self) -> bool:
        """Whether any key is slowed: otherwise there is nothing to ease."""
        return bool(self._rows)

    def eased(self, keys: Iterable[str], now: datetime) -> None:
        """Report an accepted email. A key that did well for as long as its last pause goes down a level.

        It takes no query if none of the keys is slowed.
        """
        if not self._rows:
            return
        for key in keys:
            row = self._rows.get(key)
            if row is not None and now >= row[0] + _pause(row[1] - 1):
                self._ease(key, row, now)

    def paused(self, now: datetime) -> dict[str, datetime]:
        """Return the keys that must not get email now, with the end of their pause. At most one query a second."""
        self._refresh()
        return {key: until for key, (until, _) in list(self._rows.items()) if until > now}

    def _ease(self, key: str, row: tuple[datetime, int], now: datetime) -> None:
        until, level = row
        seen = (models.PaceState.key == key, models.PaceState.until == until, models.PaceState.level == level)
        with transaction(self._session) as session:
            if level > 1:
                _change(session, update(models.PaceState).where(*seen).values(level=level - 1, until=now))
            else:
                _change(session, delete(models.PaceState).where(*seen))
        # If another process was faster, the next read shows its result.
        if level > 1:
            self._rows[key] = (now, level - 1)
        else:
            self._rows.pop(key, None)

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < self._fresh:
            return
        # One thread reads. The others go on with the rows known, rather than wait for the database behind a lock.
        if not self._lock.acquire(blocking=self._read_at == float("-inf")):
            return
        try:
            if time.monotonic() - self._read_at >= self._fresh:
                with transaction(self._session) as session:
                    rows = session.execute(
                        select(models.PaceState.key, models.PaceState.until, models.PaceState.level)
                    ).all()
                self._rows = {key: (until, level) for key, until, level in rows}
                self._read_at = time.monotonic()
        finally:
            self._lock.release()


def _pause(level: int) -> timedelta:
    return timedelta(seconds=min(2**level, LONGEST))


def _slowed(session: Session, key: str, now: datetime) -> tuple[datetime, int]:
    """Return the (until, level) of `key` after a slowdown at `now`, whichever process wrote it."""
    row = _read(session, key)
    if row is None:
        first = (now + _pause(0), 1)
        try:
            with session.begin_nested():
                session.execute(insert(models.PaceState).values(key=key, until=first[0], level=first[1]))
        except IntegrityError:
            return _read(session, key) or first  # another process was faster
        log.info("pace.slowed", scope=key.partition(":")[0], seconds=1)
        return first
    until, level = row
    if now < until:
        return row
    longer = (now + _pause(level), min(level + 1, HIGHEST))
    seen = (models.PaceState.key == key, models.PaceState.until == until, models.PaceState.level == level)
    if not _change(session, update(models.PaceState).where(*seen).values(until=longer[0], level=longer[1])):
        return _read(session, key) or longer
    log.info("pace.slowed", scope=key.partition(":")[0], seconds=round(_pause(level).total_seconds()))
    return longer


def _read(session: Session, key: str) -> tuple[datetime, int] | None:
    query = select(models.PaceState.until, models.PaceState.level).where(models.PaceState.key == key)
    row = session.execute(query).one_or_none()
    return None if row is None else (row.until, row.level)


def _change(session: Session, statement: Update | Delete) -> bool:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return bool(cast("CursorResult[Any]", result).rowcount)
