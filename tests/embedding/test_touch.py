"""`Notifier.touch`: mirror one user after a statement that no hook sees."""

from typing import Any

import pytest
from sqlalchemy import text

from notifier.embedding import UnknownUser
from tests.embedding.conftest import Host


def execute(host: Host, statement: str) -> None:
    host.db.session.execute(text(statement))


def test_a_user_changed_by_raw_sql_is_mirrored_as_the_database_has_it(host: Host) -> None:
    user = host.add(name="Ada")
    assert user.name == "Ada"
    execute(host, "UPDATE users SET name = 'Grace', email = 'grace@example.com'")
    assert host.notifier.touch(user) is None
    host.db.session.commit()
    row = host.mirrored()["1"]
    assert (row.display_name, row.email) == ("Grace", "grace@example.com")


def test_an_id_will_do_and_nothing_is_committed(host: Host) -> None:
    execute(host, "INSERT INTO users (id, email, name, last_seen) VALUES (7, 'ada@example.com', '', 0)")
    host.db.session.commit()
    host.notifier.touch(7)
    assert host.notifier.send("verification", 7).recipient == "ada@example.com"
    host.db.session.rollback()
    assert host.mirrored() == {}
    host.notifier.touch(7)
    host.db.session.commit()
    assert list(host.mirrored()) == ["7"]


def test_changes_that_are_not_flushed_yet_count(host: Host) -> None:
    user = host.add()
    user.name, user.last_seen = "Grace", 5
    host.notifier.touch(user)
    host.db.session.commit()
    assert (host.mirrored()["1"].display_name, user.last_seen) == ("Grace", 5)


def test_a_user_who_is_gone_is_detached(host: Host) -> None:
    user = host.add()
    execute(host, "DELETE FROM users")
    host.notifier.touch(user)
    host.db.session.commit()
    assert [key[0] for key in host.mirrored()] == ["~"]


def test_a_hook_that_touches_keeps_what_it_changed(host: Host) -> None:
    @host.notifier.on(host.User, "insert")
    def _named(user: Any) -> None:
        user.name = "Named by the hook"
        host.notifier.touch(user)

    user = host.add()
    assert host.mirrored()["1"].display_name == "Named by the hook"
    assert user.name == "Named by the hook"


def test_a_user_without_an_id_is_unknown(host: Host) -> None:
    with pytest.raises(UnknownUser, match="no user that is stored"):
        host.notifier.touch(host.User(email="ada@example.com"))
