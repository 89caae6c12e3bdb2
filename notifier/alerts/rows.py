"""Where states are remembered: in rows, which all processes share; those about the database itself in a file."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast

from sqlalchemy import CursorResult, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.alerts.incidents import CLAIM, State
from notifier.database.transaction import transaction
from notifier.models import Incident

_COLUMNS = tuple(field.name for field in fields(State))
_I = Incident


class Store(Protocol):
    """Remembers states over restarts."""

    def load(self) -> dict[str, State]:
        """Return all states by their keys."""

    def save(self, before: Mapping[str, State], after: Mapping[str, State]) -> None:
        """Store what is new or changed."""

    def claim(self, state: State, now: datetime) -> bool:
        """Return whether the caller, and no other process, may tell operators about it for a while."""

    def told(self, state: State, now: datetime) -> None:
        """Record that operators were told."""

    def forget(self, state: State) -> None:
        """Delete it."""


class Rows:
    """States in the table of incidents, in short transactions of their own."""

    def __init__(self, session: Callable[[], Session]) -> None:
        self._session = session

    def load(self) -> dict[str, State]:
        """Return all states by their keys."""
        with transaction(self._session) as session:
            rows = session.scalars(select(_I)).all()
            return {row.key: State(**{name: getattr(row, name) for name in _COLUMNS}) for row in rows}

    def save(self, before: Mapping[str, State], after: Mapping[str, State]) -> None:
        """Store what is new or changed. A row that another process has added at the same moment stays as it is."""
        with transaction(self._session) as session:
            for key, state in after.items():
                if key not in before:
                    try:
                        with session.begin_nested():
                            session.execute(insert(_I).values(**asdict(state)))
                    except IntegrityError:
                        continue
                elif before[key] != state:
                    values = {"check": state.check, "well_since": state.well_since}
                    session.execute(update(_I).where(_I.key == key).values(values))

    def claim(self, state: State, now: datetime) -> bool:
        """Return whether the caller, and no other process, may tell operators about it for a while."""
        free = or_(_I.claimed_until.is_(None), _I.claimed_until < now)
        same = (_I.key == state.key, free, _I.alerted_at.is_not_distinct_from(state.alerted_at))
        return self._changed(update(_I).where(*same).values(claimed_until=now + CLAIM))

    def told(self, state: State, now: datetime) -> None:
        """Record that operators were told, and let the next news be told at once."""
        self._changed(update(_I).where(_I.key == state.key).values(alerted_at=now, claimed_until=None))

    def forget(self, state: State) -> None:
        """Delete it."""
        self._changed(delete(_I).where(_I.key == state.key))

    def _changed(self, statement: Any) -> bool:
        with transaction(self._session) as session:
            done = session.execute(statement.execution_options(synchronize_session=False))
            return bool(cast("CursorResult[Any]", done).rowcount)


class File:
    """States about the database, which cannot be rows: a file of this host. Each host tells about its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, State]:
        """Return all states by their keys; none if there is no file, or not one of ours."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return {key: State(**{name: _moment(name, each[name]) for name in _COLUMNS}) for key, each in found.items()}
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    def save(self, before: Mapping[str, State], after: Mapping[str, State]) -> None:
        """Store what is new or changed."""
        if dict(before) == dict(after):
            return
        text = json.dumps({key: asdict(state) for key, state in after.items()}, default=datetime.isoformat)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._path)

    def claim(self, state: State, now: datetime) -> bool:
        """Return whether it was not tried lately."""
        if state.claimed_until is not None and state.claimed_until >= now:
            return False
        self._put(state, claimed_until=now + CLAIM)
        return True

    def told(self, state: State, now: datetime) -> None:
        """Record that operators were told."""
        self._put(state, alerted_at=now, claimed_until=None)

    def forget(self, state: State) -> None:
        """Delete it."""
        found = self.load()
        self.save(found, {key: each for key, each in found.items() if key != state.key})

    def _put(self, state: State, **values: Any) -> None:
        found = self.load()
        self.save(found, found | {state.key: State(**asdict(state) | values)})


def _moment(name: str, value: Any) -> Any:
    is_moment = name in {"since", "first_seen_at", "well_since", "claimed_until", "alerted_at"}
    return datetime.fromisoformat(value) if is_moment and value is not None else value
