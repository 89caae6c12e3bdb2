"""HostUser: the user class of the host, and how its rows are read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, UniqueConstraint, inspect, select, tuple_
from sqlalchemy.orm import Session

from notifier.embedding.errors import SetupError
from notifier.entries.fields import UserFields, external_id_of

#: Users that are looked at by one statement.
_EXPIRED: Final = 1_000

#: Values that answer True or False when they are compared. Others, such as vectors, answer with a vector.
_PLAIN: Final = (str, bytes, int, float, Decimal, date, time, timedelta, UUID, Enum, dict, list, type(None))


@dataclass(frozen=True)
class HostUser:
    """The host's user class, and how it is read."""

    model: type[Any]
    fields: Callable[[Any], UserFields]
    #: The attributes whose changes count; empty: all.
    watch: tuple[str, ...]
    #: The attribute that becomes `UserFields.id`.
    key: str

    def check(self) -> None:
        """Raise SetupError, by name, if the class has no such attributes, or if two users may have one key."""
        mapper = inspect(self.model)
        for name in (*self.watch, self.key):
            if name not in mapper.attrs:
                raise SetupError(f"{self.model.__name__} has no mapped attribute {name!r}")
        if not self._is_unique(mapper.attrs[self.key]):
            raise SetupError(
                f"{self.model.__name__}.{self.key} is not unique, so two users could become one person: make it unique"
            )

    @staticmethod
    def _is_unique(attribute: Any) -> bool:
        columns = set(getattr(attribute, "columns", ()))
        for table in {column.table for column in columns if isinstance(column, Column)}:
            unique = [set(each.columns) for each in table.constraints if isinstance(each, UniqueConstraint)]
            indexed = [set(each.columns) for each in table.indexes if each.unique]
            if any(each and each <= columns for each in (set(table.primary_key.columns), *unique, *indexed)):
                return True
        # What is computed in SQL cannot be told.
        return not columns or not all(isinstance(column, Column) for column in columns)

    def key_of(self, user: object) -> Any:
        """Return the value of the key. It is not loaded for that if it is the primary key: the row may be gone."""
        identity = inspect(user).identity
        return identity[0] if identity is not None and self._by_primary_key else getattr(user, self.key)

    @cached_property
    def _by_primary_key(self) -> bool:
        mapper = inspect(self.model)
        return [mapper.get_property_by_column(each).key for each in mapper.primary_key] == [self.key]

    def id_of(self, user: object) -> str:
        """Return the external id. Raise ValueError if the user has none yet."""
        return external_id_of(self.key_of(user))

    def find(self, session: Session, external_id: str, *, fresh: bool = False, lock: bool = False) -> Any:
        """Return the user with this external id; None if there is none.

        `fresh`: as the database has it, even if the session has the row. `lock`: no other transaction changes it.
        """
        column = getattr(self.model, self.key)
        try:
            value = column.type.python_type(external_id)
        except (NotImplementedError, ValueError):
            # A type without one of Python's, or text that is none of its values: those of people who are gone.
            return None
        if str(value) != external_id:
            # "1_0" and "010" are no names of user 10.
            return None
        query = select(self.model).where(column == value)
        if lock:
            query = query.with_for_update(of=self.model)
        found = session.scalars(query, execution_options={"populate_existing": fresh or lock})
        return found.unique().one_or_none()

    def expire_stale(self, session: Session, updated: Sequence[tuple[Any, Collection[str]]]) -> None:
        """Expire what the session knows of users otherwise than the database does now.

        The session may have read them before another transaction changed something else about them, such as a
        confirmation, which the mirror would lose. Relationships and columns that are not loaded stay as they are.

        Args:
            updated: The users whom this transaction has just updated, each with the attributes that it changed.
        """
        mapper = inspect(self.model)
        keys = [mapper.get_property_by_column(each).class_attribute for each in mapper.primary_key]
        columns = {each.key: each.class_attribute for each in mapper.column_attrs if self._counts(each.key)}
        for start in range(0, len(updated), _EXPIRED):
            known = {tuple(inspect(user).identity): (user, names) for user, names in updated[start : start + _EXPIRED]}
            query = select(*keys, *columns.values()).where(tuple_(*keys).in_(list(known)))
            with session.no_autoflush:
                rows = session.execute(query).all()
            for row in rows:
                user, changed = known[tuple(row[: len(keys)])]
                now = dict(zip(columns, row[len(keys) :], strict=True))
                stale = [name for name in now if name not in changed and _differs(inspect(user).dict, name, now[name])]
                if stale:
                    session.expire(user, stale)

    def _counts(self, name: str) -> bool:
        return not self.watch or name in self.watch

    def read(self, user: object) -> UserFields:
        """Return the fields of the user. Raise SetupError if the id is not the one by which the user is found."""
        fields = self.fields(user)
        if str(fields.id) != str(getattr(user, self.key)):
            raise SetupError(f"UserFields.id is not {self.model.__name__}.{self.key}: name the attribute with key=")
        return fields

    def is_changed(self, session: Session, user: object) -> bool:
        """Return whether this flush changes what is watched. The key always is."""
        if not self.watch:
            return session.is_modified(user)
        attributes = inspect(user).attrs
        return any(attributes[name].history.has_changes() for name in (*self.watch, self.key))

    def renamed(self, user: object) -> dict[str, str]:
        """Return the former external id and the new one, if this flush changes the key."""
        history = inspect(user).attrs[self.key].history
        if not history.deleted or not history.added:
            return {}
        return {str(history.deleted[0]): str(history.added[0])}


def _differs(loaded: Mapping[str, Any], name: str, value: object) -> bool:
    """Return whether this attribute is loaded, with another value than this one."""
    if name not in loaded or not isinstance(loaded[name], _PLAIN) or not isinstance(value, _PLAIN):
        return False
    return bool(loaded[name] != value)
