"""Compare all users of the host with their mirror, and mend it: bulk statements and raw SQL are seen by no hook.

The host's users are read in pages by their primary key, each page with its mirror in one snapshot. Ids are compared as
text by their equality alone, so it does not matter how the host's database sorts them, or what type they have there. A
bit for each person who was met remains, from which the people follow whom the host no longer has: memory is flat, but
for a byte for every eight ids of ours that were ever used.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, inspect, select, tuple_
from sqlalchemy.orm import Session, sessionmaker

from notifier.database.snapshot import reading
from notifier.embedding.differences import UserCheck
from notifier.embedding.errors import ManyGone
from notifier.embedding.host_user import HostUser
from notifier.embedding.watching import Watcher
from notifier.entries import people
from notifier.entries.fields import UserFields
from notifier.models import User

#: Users in one page; keys in one page, which are much smaller; and people who are looked for in one pass over the keys.
_PAGE: Final = 5_000
_KEYS: Final = 50_000

#: So many people may be gone at once without a question: this number, and this share of the host's users.
_FEW: Final = 10
_SHARE: Final = 0.1

#: Takes the users that were read, and how many there are.
Progress = Callable[[int, int], object]


class Checker:
    """One comparison."""

    def __init__(
        self,
        watcher: Watcher,
        user: HostUser,
        sessions: "sessionmaker[Session]",
        found: UserCheck,
        progress: Progress | None = None,
    ) -> None:
        """Prepare it. `sessions` makes those of the host; `found` takes what is found."""
        self._watcher = watcher
        self._user = user
        self._sessions = sessions
        self._found = found
        self._progress = progress
        self._met = _Keys()
        self._allow_many = False
        mapper = inspect(user.model)
        self._primary = [mapper.get_property_by_column(column).class_attribute for column in mapper.primary_key]

    def check(self) -> UserCheck:
        """Compare, and change nothing."""
        return self._compare(mends=False)

    def sync(self, *, allow_many: bool = False) -> UserCheck:
        """Compare, and mend what differs, each page in a short transaction of its own.

        What was mended before an interruption stays, and another call finds the rest. Raise ManyGone before anyone is
        detached if the host seems to have lost many users, unless `allow_many`: a session may hide them.
        """
        self._allow_many = allow_many
        return self._compare(mends=True)

    def _compare(self, *, mends: bool) -> UserCheck:
        with self._reading() as session:
            total = session.scalar(select(func.count()).select_from(self._user.model)) or 0
        after: Sequence[Any] | None = None
        while True:
            with self._reading() as session:
                users = session.scalars(self._after(select(self._user.model), after).limit(_PAGE)).unique().all()
                if not users:
                    break
                after = inspect(self._user.model).primary_key_from_instance(users[-1])
                wrong = self._page(session, users)
                session.expunge_all()
            if mends and wrong:
                self._write(wrong)
            if self._progress is not None:
                self._progress(self._found.users, total)
        if mends and not self._allow_many:
            self._refuse_many()
        for batch in self._not_met():
            self._leave(batch, mends=mends)
        return self._found

    def _refuse_many(self) -> None:
        """Raise ManyGone if many people here have no user in the host that its sessions show."""
        gone = sum(map(len, self._not_met()))
        if gone > max(_FEW, self._found.users * _SHARE):
            raise ManyGone(
                f"{gone:,} people here are no users of the application, which has {self._found.users:,}: none was "
                "detached. Do its sessions hide users, such as those of another tenant? If they are really gone, allow "
                "it: flask notifier users sync --allow-many"
            )

    def _page(self, session: Session, users: Sequence[Any]) -> list[Sequence[Any]]:
        """Compare these users. Return the primary keys of those who are to be written."""
        fields = [self._user.read(user) for user in users]
        rows = people.rows_of(people.connection_of(session), [str(each.id) for each in fields])
        found, wrong = self._found, []
        found.users += len(users)
        for user, each in zip(users, fields, strict=True):
            external_id = str(each.id)
            row = rows.get(external_id)
            if row is not None:
                self._met.add(row["id"])
            if row is not None and row["erased_at"] is not None:
                found.erased += 1
                continue
            try:
                names = self._watcher.differing(each, row)
            except ValueError:
                found.note(found.refused, external_id, each.email)
                continue
            if row is None:
                found.note(found.missing, external_id, each.email)
            elif names:
                found.note_columns(names, external_id, each.email)
            if names:
                wrong.append(inspect(self._user.model).primary_key_from_instance(user))
        return wrong

    def _write(self, keys: list[Sequence[Any]]) -> None:
        """Mirror these users as they are now: a change since they were read waits, or is seen."""
        mine = self._is_one_of(keys)
        with self._sessions() as session:
            people.begin_writing(people.connection_of(session))
            session.execute(select(*self._primary).where(mine).order_by(*self._primary).with_for_update(read=True))
            users = session.scalars(select(self._user.model).where(mine)).unique()
            fields = [each for each in map(self._user.read, users) if self._can_store(each)]
            self._watcher.mirror(session, fields)
            session.commit()
        self._found.written += len(fields)

    def _can_store(self, fields: UserFields) -> bool:
        try:
            self._watcher.differing(fields, None)
        except ValueError:
            return False
        return True

    def _not_met(self) -> Iterator[dict[str, int]]:
        """Yield the people here whom no page had: external id -> key, in batches."""
        batch: dict[str, int] = {}
        after = 0
        while True:
            with self._reading() as session:
                rows = people.mirrored_after(people.connection_of(session), after, _KEYS)
            if not rows:
                break
            after = rows[-1][0]
            batch |= {external_id: pk for pk, external_id in rows if pk not in self._met}
            if len(batch) >= _KEYS:
                yield batch
                batch = {}
        if batch:
            yield batch

    def _leave(self, batch: dict[str, int], *, mends: bool) -> None:
        """Count those of the batch whom the host really does not have: some may be new since their page was read."""
        session: AbstractContextManager[Session] = self._sessions() if mends else self._reading()
        with session as current:
            connection, pks = people.connection_of(current), list(batch.values())
            if mends:
                # From here on, a user who gets one of these ids is another person, or was seen by the search.
                people.begin_writing(connection)
                people.lock(connection, pks)
            gone = set(batch)
            for key in self._host_keys(current):
                gone.discard(key)
            for external_id, email in people.addresses_of(connection, [batch[each] for each in sorted(gone)]):
                self._found.note(self._found.gone, external_id, email)
            if mends:
                people.detach(connection, gone)
                current.commit()
                self._found.detached += len(gone)

    def _host_keys(self, session: Session) -> Iterator[str]:
        """Yield the external id of every user of the host."""
        key = getattr(self._user.model, self._user.key)
        after: Sequence[Any] | None = None
        while rows := session.execute(self._after(select(key, *self._primary), after).limit(_KEYS)).all():
            after = rows[-1][1:]
            yield from (str(row[0]) for row in rows)

    def _after(self, query: Select[Any], after: Sequence[Any] | None) -> Select[Any]:
        """Return the query in the order of the primary key, from after this one on."""
        query = query.order_by(*self._primary)
        if after is None:
            return query
        if len(self._primary) == 1:
            return query.where(self._primary[0] > after[0])
        return query.where(tuple_(*self._primary) > tuple_(*after))

    def _is_one_of(self, keys: list[Sequence[Any]]) -> ColumnElement[bool]:
        if len(self._primary) == 1:
            only: ColumnElement[bool] = self._primary[0].in_([key[0] for key in keys])
            return only
        return tuple_(*self._primary).in_([tuple(key) for key in keys])

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._sessions() as session, reading(lambda: session, mapper=User):
            yield session


class _Keys:
    """A set of keys of rows, with one bit for each possible key."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, key: int) -> None:
        place = key >> 3
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        self._bits[place] |= 1 << (key & 7)

    def __contains__(self, key: int) -> bool:
        place = key >> 3
        return place < len(self._bits) and bool(self._bits[place] >> (key & 7) & 1)
