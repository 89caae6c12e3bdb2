"""The pace: a transport, a provider or a recipient domain that asks us to slow down gets a growing pause.

Rows hold it, so all workers keep it. Every process looks at them once a second at most; the rows are few,
because they go again when all is well. Each call that writes owns a short transaction and commits it:
call none with unfinished work in the session.
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

#: The longest pause, in seconds.
LONGEST = 60

#: Levels that still make a difference: 2**6 seconds are more than LONGEST.
HIGHEST = 7

#: What nobody mailed for so long after its pause is forgotten.
FORGET = timedelta(hours=1)

#: Seconds for which the rows are not read again.
CACHE_SECONDS = 1.0


def transport_key(name: str) -> str:
    """The key of a transport."""
    return f"transport:{name}"


def domain_key(domain: str) -> str:
    """The key of a recipient domain."""
    return f"domain:{domain}"


#: What the keys of providers begin with.
PROVIDER = "provider:"


def provider_key(transport: str, scope: str) -> str:
    """Return the key of a provider (or a domain of none) through a transport."""
    return PROVIDER + providers.key(transport, scope)


class Pace:
    """One instance serves all threads of a process."""

    def __init__(self, session: Callable[[], Session], *, fresh: float = CACHE_SECONDS) -> None:
        """`session` gives the current session. `fresh`: for how many seconds what was read is used."""
        self._session = session
        self._fresh = fresh
        self._lock = Lock()
        self._read_at = float("-inf")
        #: Key -> (until, level), as last read. Replaced or changed one key at a time, never half.
        self._rows: dict[str, tuple[datetime, int]] = {}

    def slow(self, key: str, now: datetime) -> datetime:
        """Pause `key` for 1 s, and for twice as long with each further call, up to a minute. Returns until when.

        Calls during a pause change nothing: they come from mails that were under way when it began.
        """
        with transaction(self._session) as session:
            _change(session, delete(models.PaceState).where(models.PaceState.until < now - FORGET))
        with transaction(self._session) as session:
            until, level = _slowed(session, key, now)
        self._rows[key] = (until, level)
        return until

    @property
    def is_slowing(self) -> bool:
        """Whether anything is known to be slowed: else there is nothing to ease."""
        return bool(self._rows)

    def eased(self, keys: Iterable[str], now: datetime) -> None:
        """A mail was accepted there. What went well for as long as its last pause goes down a level.

        No query where none of the keys is known to be slowed.
        """
        if not self._rows:
            return
        for key in keys:
            row = self._rows.get(key)
            if row is not None and now >= row[0] + _pause(row[1] - 1):
                self._ease(key, row, now)

    def paused(self, now: datetime) -> dict[str, datetime]:
        """What must not be mailed now: key -> until when. One query a second at most, however many keys."""
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
        # Where another process was quicker, the next look at the rows shows what it made of them.
        if level > 1:
            self._rows[key] = (now, level - 1)
        else:
            self._rows.pop(key, None)

    def _refresh(self) -> None:
        if time.monotonic() - self._read_at < self._fresh:
            return
        # One thread reads; the others go on with what is known, rather than wait for a database with a lock held.
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
    """The row of `key` after a call at `now`, whoever made it so."""
    row = _read(session, key)
    if row is None:
        first = (now + _pause(0), 1)
        try:
            with session.begin_nested():
                session.execute(insert(models.PaceState).values(key=key, until=first[0], level=first[1]))
        except IntegrityError:
            return _read(session, key) or first  # somebody was quicker
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
