"""check_users and sync_users find and mend what no hook saw, whatever the host's ids are."""

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, Uuid, create_engine, event, insert, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from notifier.database import sqlite
from notifier.embedding import Notifier, SetupError, UserFields, checking
from notifier.models import User as Mirrored
from tests.embedding.conftest import Host

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pages of a few people."""
    monkeypatch.setattr(checking, "_PAGE", 3)
    monkeypatch.setattr(checking, "_KEYS", 4)


def execute(host: Host, *statements: str) -> None:
    with host.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def people(host: Host) -> Host:
    """Twelve users, mirrored by hooks."""
    host.db.session.add_all(host.User(email=f"u{number}@example.com", name=f"U {number}") for number in range(1, 13))
    host.db.session.commit()
    return host


def ids(found: Any) -> list[str]:
    return [each.id for each in found.first]


def test_a_mirror_written_by_hooks_is_clean(people: Host) -> None:
    found = people.notifier.check_users()
    assert found.is_clean
    assert (found.users, found.differences, found.columns) == (12, 0, {})


def test_every_difference_is_found_and_mended(people: Host) -> None:
    people.notifier.secret_keys = ["a key that is long enough for digests"]
    people.notifier.erase(11)
    people.db.session.commit()
    execute(
        people,
        "UPDATE users SET name = 'Changed' WHERE id IN (2, 10)",
        "UPDATE users SET email = 'Other@Example.com', confirmed_at = '2026-11-20 12:00:00+00:00' WHERE id = 9",
        "UPDATE users SET email = NULL WHERE id = 11",
        "INSERT INTO users (id, email, name, last_seen) VALUES (20, 'new@example.com', '', 0)",
        "DELETE FROM users WHERE id IN (1, 12)",
        "UPDATE notifier_users SET identity_key = 'wrong' WHERE external_id = '3'",
        "UPDATE notifier_users SET abuse_key = NULL, timezone = 'Europe/Berlin' WHERE external_id = '4'",
    )
    found = people.notifier.check_users()
    assert (found.users, found.erased) == (11, 1)
    assert (ids(found.missing), sorted(ids(found.gone))) == (["20"], ["1", "12"])
    assert {name: ids(each) for name, each in found.columns.items()} == {
        "display_name": ["2", "10"], "email": ["9"], "identity_key": ["3", "9"], "abuse_key": ["4", "9"],
        "timezone": ["4"], "verified_at": ["9"],
    }  # fmt: skip
    assert (found.differing.count, found.differences, found.written, found.detached) == (5, 8, 0, 0)
    before = people.mirrored()
    assert people.notifier.check_users().differences == 8, "a check changes nothing"

    mended = people.notifier.sync_users()
    assert (mended.differences, mended.written, mended.detached) == (8, 6, 2)
    after = people.mirrored()
    assert (after["9"].email, after["9"].verified_at) == ("Other@example.com", NOON)
    assert (after["9"].id, after["9"].link_nonce) == (before["9"].id, before["9"].link_nonce)
    assert after["20"].email == "new@example.com"
    assert after[f"~{before['1'].id}"].email == "u1@example.com"
    assert after["11"].erased_at is not None
    assert people.notifier.check_users().is_clean
    again = people.notifier.sync_users()
    assert (again.written, again.detached) == (0, 0)


def test_the_answer_names_the_first_people_and_addresses_only_if_asked(people: Host) -> None:
    execute(people, "UPDATE users SET name = 'Changed'", "DELETE FROM users WHERE id = 1")
    found = people.notifier.check_users(examples=2)
    assert (found.differing.count, ids(found.differing)) == (11, ["2", "3"])
    assert {each.email for each in (*found.differing.first, *found.gone.first)} == {None}
    named = people.notifier.check_users(examples=1, addresses=True)
    assert [each.email for each in (*named.differing.first, *named.gone.first)] == ["u2@example.com", "u1@example.com"]


def test_an_erased_user_whom_the_host_deleted_leaves_nothing(people: Host) -> None:
    people.notifier.secret_keys = ["a key that is long enough for digests"]
    people.notifier.erase(5)
    people.db.session.commit()
    execute(people, "DELETE FROM users WHERE id = 5")
    assert ids(people.notifier.check_users().gone) == ["5"]
    people.notifier.sync_users()
    assert "5" not in people.mirrored()
    assert len(people.mirrored()) == 11


def test_detached_people_and_sign_ups_here_are_not_gone(people: Host) -> None:
    people.db.session.delete(people.db.session.get(people.User, 4))
    people.db.session.commit()
    with Session(people.engine) as session:
        session.add(Mirrored(email="here@example.com", identity_key="here@example.com"))
        session.commit()
    assert people.notifier.check_users().is_clean


def test_an_interrupted_sync_keeps_what_it_mended(people: Host) -> None:
    execute(people, "UPDATE users SET name = 'Changed'")

    def interrupt(done: int, total: int) -> None:
        assert total == 12
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        people.notifier.sync_users(on_progress=interrupt)
    assert people.notifier.check_users().differing.count == 6
    assert people.notifier.sync_users().written == 6
    assert people.notifier.check_users().is_clean


def test_a_user_whose_attributes_cannot_be_stored_is_named_and_stops_no_other(make_host: Callable[..., Host]) -> None:
    def reader(user: Any) -> UserFields:
        return UserFields(
            id=user.id, email=user.email, name=user.name, attributes={"of": object()} if user.name else {}
        )

    host = make_host(reader=reader)
    host.start()
    with host.app.app_context():
        host.add("one@example.com", name=""), host.add("two@example.com", name="")
        execute(
            host, "UPDATE users SET name = 'Bad' WHERE id = 1", "UPDATE users SET email = 'x@example.com' WHERE id = 2"
        )
        found = host.notifier.sync_users()
        assert (ids(found.refused), found.written, host.mirrored()["2"].email) == (["1"], 1, "x@example.com")
        assert not host.notifier.check_users().is_clean


def test_a_change_while_a_sync_runs_is_not_overwritten(people: Host) -> None:
    execute(people, "UPDATE users SET name = 'By SQL'")
    changed = threading.Event()

    @event.listens_for(people.engine, "before_cursor_execute")
    def _change_first(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # The page was read, and its people are about to be written.
        if not changed.is_set() and statement.startswith("SELECT users.id") and "IN (" in statement:
            changed.set()
            if people.engine.dialect.name == "postgresql":
                other = threading.Thread(target=_rename, args=(people,))
                other.start()
                other.join(10)

    people.notifier.sync_users()
    assert changed.is_set()
    if people.engine.dialect.name == "postgresql":
        assert people.mirrored()["1"].display_name == "By the host"
    assert people.notifier.check_users().is_clean


def _rename(host: Host) -> None:
    with host.app.app_context():
        host.db.session.get(host.User, 1).name = "By the host"
        host.db.session.commit()


def test_a_user_who_is_new_while_a_check_runs_is_not_gone(people: Host) -> None:
    def add_behind(done: int, _total: int) -> None:
        if done == 12:
            execute(
                people,
                "INSERT INTO users (id, email, name, last_seen) VALUES (-1, 'late@example.com', '', 0)",
                "INSERT INTO notifier_users (external_id, email, identity_key, display_name, locale, timezone, "
                "link_nonce, created_at) VALUES ('-1', 'late@example.com', 'late@example.com', '', 'en', 'UTC', 'n', "
                "'2026-11-20')",
            )

    assert people.notifier.check_users(on_progress=add_behind).gone.count == 0
    execute(people, "DELETE FROM users WHERE id = -1")
    assert people.notifier.sync_users().detached == 1


def test_without_the_sessions_of_the_application_it_says_what_to_call() -> None:
    with pytest.raises(SetupError, match="call init_app or watch first"):
        Notifier().check_users()


class Other:
    """A host whose users have another kind of key, without Flask."""

    def __init__(self, url: str, make_model: Callable[[Any], Any], key: str | None = None) -> None:
        class Base(DeclarativeBase):
            pass

        self.engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            sqlite.prepare(self.engine)
        self.base, self.User = Base, make_model(Base)
        self.base.metadata.create_all(self.engine)
        self.notifier = Notifier()
        self.notifier.user(self.User, key=key)(lambda user: UserFields(id=getattr(user, key or "id"), email=user.email))
        self.sessions = sessionmaker(self.engine)
        self.notifier.watch(self.sessions)

    def close(self) -> None:
        self.base.metadata.drop_all(self.engine)
        self.engine.dispose()


def _with_texts(base: Any) -> Any:
    class User(base):  # type: ignore[misc]
        __tablename__ = "users"
        id: Mapped[str] = mapped_column(primary_key=True)
        email: Mapped[str]

    return User


def _with_uuids(base: Any) -> Any:
    class User(base):  # type: ignore[misc]
        __tablename__ = "users"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
        email: Mapped[str]

    return User


def _with_two_columns(base: Any) -> Any:
    class User(base):  # type: ignore[misc]
        __tablename__ = "users"
        tenant: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(unique=True)
        email: Mapped[str]

    return User


#: A lower-case letter sorts before its capital, or after all capitals: that depends on the collation.
_TEXTS = ["9", "10", "b", "B", "a", "A", "a-b", "ab", "a_c", "Zoe", "zoe", "_x", "-x", "a.b"]

KEYS: dict[str, tuple[Any, str | None, list[dict[str, Any]]]] = {
    "texts": (_with_texts, None, [{"id": each} for each in _TEXTS]),
    "uuids": (_with_uuids, None, [{"id": uuid.uuid5(uuid.NAMESPACE_DNS, str(number))} for number in range(14)]),
    "two columns": (
        _with_two_columns,
        "login",
        [{"tenant": number % 3, "number": -number, "login": each} for number, each in enumerate(_TEXTS)],
    ),
}


@pytest.fixture(params=KEYS)
def other(request: pytest.FixtureRequest, database_url: str) -> Iterator[tuple[Other, list[dict[str, Any]]]]:
    make_model, key, rows = KEYS[request.param]
    host = Other(database_url, make_model, key)
    yield host, [row | {"email": f"u{number}@example.com"} for number, row in enumerate(rows)]
    host.close()


def _stored(engine: Engine) -> dict[str, str]:
    with Session(engine) as session:
        return {str(row.external_id): row.email for row in session.scalars(select(Mirrored))}


def test_ids_of_any_kind_are_compared(other: tuple[Other, list[dict[str, Any]]]) -> None:
    host, rows = other
    with host.sessions() as session:
        session.execute(insert(host.User), rows)
        session.commit()
    key = "login" if "login" in rows[0] else "id"
    found = host.notifier.sync_users(examples=99, allow_many=True)
    assert {each.id for each in found.missing.first} == {str(row[key]) for row in rows}
    assert (found.users, found.written, found.gone.count) == (14, 14, 0)
    assert host.notifier.check_users().is_clean
    last, first = rows[-1], rows[0]
    with host.sessions() as session:
        column = getattr(host.User, key)
        session.execute(update(host.User).where(column == last[key]).values(email="new@example.com"))
        session.execute(host.User.__table__.delete().where(column == first[key]))
        session.commit()
    found = host.notifier.sync_users()
    assert ([each.id for each in found.differing.first], [each.id for each in found.gone.first]) == (
        [str(last[key])],
        [str(first[key])],
    )
    assert host.notifier.check_users().is_clean
    assert _stored(host.engine)[str(last[key])] == "new@example.com"
