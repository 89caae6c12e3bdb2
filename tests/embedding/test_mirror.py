"""The host's users are mirrored in the host's transaction, and no address fails its flush."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.embedding import UserFields
from notifier.entries.fields import columns_of
from notifier.models import User as Mirrored
from tests.embedding.conftest import Host

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def addresses(host: Host) -> dict[str, str]:
    return {key: row.email for key, row in host.mirrored().items()}


def test_a_new_user_is_there_after_the_commit_and_not_before(host: Host) -> None:
    host.db.session.add(host.User(email="Ada@Example.com", name="Ada", confirmed_at=NOON))
    host.db.session.flush()
    if host.engine.dialect.name == "postgresql":
        assert host.mirrored() == {}
    host.db.session.commit()
    (row,) = host.mirrored().values()
    assert (row.external_id, row.email, row.identity_key) == ("1", "Ada@example.com", "ada@example.com")
    assert (row.display_name, row.verified_at, row.abuse_key) == ("Ada", NOON, "ada@example.com")


def test_a_rollback_takes_the_mirror_along(host: Host) -> None:
    host.db.session.add(host.User(email="ada@example.com"))
    host.db.session.flush()
    host.db.session.rollback()
    assert host.mirrored() == {}


def test_a_change_is_mirrored(host: Host) -> None:
    user = host.add()
    user.email, user.name = "grace@example.com", "Grace"
    host.db.session.commit()
    (row,) = host.mirrored().values()
    assert (row.email, row.identity_key, row.display_name) == ("grace@example.com", "grace@example.com", "Grace")


def test_two_users_swap_their_addresses(host: Host) -> None:
    one, two = host.add("one@example.com"), host.add("two@example.com")
    one.email, two.email = two.email, one.email
    host.db.session.commit()
    assert addresses(host) == {"1": "two@example.com", "2": "one@example.com"}


def test_an_address_is_taken_over_in_the_reverse_order(host: Host) -> None:
    one, two = host.add("one@example.com"), host.add("two@example.com")
    one.email = "two@example.com"
    host.db.session.flush()
    two.email = "three@example.com"
    host.db.session.commit()
    assert addresses(host) == {"1": "two@example.com", "2": "three@example.com"}


def test_users_may_share_a_mailbox(host: Host) -> None:
    host.add("both@example.com"), host.add("Both@example.com")
    assert addresses(host) == {"1": "both@example.com", "2": "Both@example.com"}


@pytest.mark.parametrize("email", [None, "", "no address", "a@b@c", "ada@localhost", "x" * 2000, "a\x01b@example.com"])
def test_no_address_fails_the_hosts_commit(host: Host, email: str | None) -> None:
    host.add(email)
    (row,) = host.mirrored().values()
    assert (row.identity_key, row.abuse_key) == ("", None)
    assert host.stored(select(host.User.id)) == [1]


def test_an_address_that_becomes_usable_counts(host: Host) -> None:
    user = host.add(None)
    user.email = "ada@example.com"
    host.db.session.commit()
    assert addresses(host) == {"1": "ada@example.com"}


def test_a_deleted_user_is_detached_and_the_id_free_for_another_person(host: Host) -> None:
    user = host.add()
    kept = host.mirrored()["1"].id
    host.db.session.delete(user)
    host.db.session.commit()
    (row,) = host.mirrored().values()
    assert (row.id, row.external_id, row.email) == (kept, f"~{kept}", "ada@example.com")
    host.add("grace@example.com", id=1)
    assert sorted(addresses(host)) == ["1", f"~{kept}"]


def test_a_user_deleted_after_its_columns_expired_is_detached(host: Host) -> None:
    user = host.add()
    host.db.session.expire_all()
    host.db.session.delete(user)
    host.db.session.commit()
    assert list(host.mirrored()) != ["1"]


@pytest.mark.parametrize("is_expired", [False, True])
def test_a_user_replaced_under_its_key_is_another_person(host: Host, is_expired: bool) -> None:
    user = host.add()
    kept = host.mirrored()["1"].id
    if not is_expired:
        assert user.id == 1
    host.db.session.delete(user)
    host.db.session.add(host.User(id=1, email="grace@example.com"))
    host.db.session.commit()
    assert addresses(host) == {f"~{kept}": "ada@example.com", "1": "grace@example.com"}


def test_a_flush_that_fails_leaves_nothing_for_the_next_one(host: Host) -> None:
    user = host.add()
    host.db.session.add(host.Like(owner_id=user.id))
    host.db.session.commit()
    host.db.session.delete(user)
    with pytest.raises(IntegrityError):
        host.db.session.commit()
    host.db.session.rollback()
    host.db.session.add(host.Like())
    host.db.session.commit()
    assert addresses(host) == {"1": "ada@example.com"}


@pytest.fixture
def writes(host: Host) -> list[str]:
    """The statements that change our tables, in order."""
    seen: list[str] = []

    @event.listens_for(host.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "notifier_" in statement and not statement.startswith("SELECT"):
            seen.append(statement)

    return seen


def test_a_thousand_changes_of_an_unwatched_column_write_nothing(host: Host, writes: list[str]) -> None:
    host.db.session.add_all(host.User(email=f"user{number}@example.com") for number in range(1000))
    host.db.session.commit()
    assert len(writes) == 1
    reads = host.reads
    for user in host.db.session.scalars(select(host.User)):
        user.last_seen += 1
    host.db.session.commit()
    assert len(writes) == 1
    assert host.reads == reads


def test_one_flush_is_one_statement(host: Host, writes: list[str]) -> None:
    one, two = host.add("one@example.com"), host.add("two@example.com")
    writes.clear()
    one.name, two.name = "One", "Two"
    host.db.session.add(host.User(email="three@example.com"))
    host.db.session.commit()
    assert len(writes) == 1
    assert [row.display_name for row in host.mirrored().values()] == ["One", "Two", ""]


def test_a_row_that_would_not_change_is_not_written(host: Host) -> None:
    user = host.add(name="Ada")
    counts: list[int] = []

    @event.listens_for(host.engine, "after_cursor_execute")
    def _count(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO notifier_users"):
            counts.append(cursor.rowcount)

    user.name = "Ada\u200b"
    host.db.session.flush()
    user.name = "Grace"
    host.db.session.commit()
    assert counts == [0, 1]


def ours(user: Any) -> UserFields:
    """Confirming is up to notifier."""
    return UserFields(id=user.id, email=user.email, name=user.name)


def test_a_confirmation_of_ours_stays_until_the_address_changes(make_host: Callable[..., Host]) -> None:
    host = make_host(reader=ours)
    host.start()
    with host.app.app_context():
        user = host.add()
        with Session(host.engine) as session:
            session.execute(update(Mirrored).values(verified_at=NOON))
            session.commit()
        user.name = "Grace"
        host.db.session.commit()
        assert host.mirrored()["1"].verified_at == NOON
        user.email = "grace@example.com"
        host.db.session.commit()
        assert host.mirrored()["1"].verified_at is None


def test_a_confirmation_that_the_host_takes_back_is_gone(host: Host) -> None:
    user = host.add(confirmed_at=NOON)
    user.confirmed_at = None
    host.db.session.commit()
    assert host.mirrored()["1"].verified_at is None


def test_values_that_our_columns_refuse_are_replaced() -> None:
    fields = UserFields(id="u-1", email="a@example.com", name="N\x00" * 99, locale="de_DE", timezone="Mars/Olympus")
    columns = columns_of(fields, allow_local=False)
    assert len(columns["display_name"]) <= 64
    assert "\x00" not in columns["display_name"]
    assert (columns["locale"], columns["timezone"]) == ("de-DE", "UTC")


def test_a_naive_moment_is_utc() -> None:
    fields = UserFields(id=1, email="a@example.com", verified_at=NOON.replace(tzinfo=None))
    assert columns_of(fields, allow_local=False)["verified_at"] == NOON


@pytest.mark.parametrize("key", [None, "", "~1", "a b", "x" * 201])
def test_an_id_that_cannot_be_one_raises(key: object) -> None:
    with pytest.raises(ValueError, match="the id of a person"):
        columns_of(UserFields(id=key, email="a@example.com"), allow_local=False)


@pytest.mark.parametrize("value", [float("nan"), "\x00", "\ud800", object()])
def test_attributes_that_cannot_be_stored_raise(value: object) -> None:
    with pytest.raises(ValueError, match=r"attributes|JSON"):
        columns_of(UserFields(id=1, email="a@example.com", attributes={"x": value}), allow_local=False)
