"""An erased user of a host does not come back, and nothing but the id is kept."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.orm import Session

from notifier.accounts import erasure
from notifier.consent import suppressions
from notifier.embedding import Erased, ErasureError, SetupError, UnknownUser
from notifier.models import AuditEntry, Notification, Status, Suppression, SuppressionReason
from notifier.models import User as Mirrored
from notifier.operators.audit_log import COMMAND_LINE
from tests.embedding.conftest import Host

KEYS = ["a key that is long enough for digests"]


@pytest.fixture(autouse=True)
def keys(host: Host) -> None:
    host.notifier.secret_keys = KEYS


def erased(host: Host, **values: Any) -> Any:
    """A user who was erased, with the id 1."""
    user = host.add(name="Ada", confirmed_at=datetime(2026, 11, 20, tzinfo=UTC), **values)
    host.notifier.erase(user)
    host.db.session.commit()
    return user


def test_a_change_does_not_bring_an_erased_user_back(host: Host) -> None:
    user = erased(host)
    user.email, user.name = "grace@example.com", "Grace"
    host.db.session.commit()
    host.notifier.touch(user)
    host.db.session.commit()
    (row,) = host.mirrored().values()
    assert (row.external_id, row.email, row.identity_key, row.display_name) == ("1", "", "", "")
    assert (row.abuse_key, row.verified_at, row.attributes) == (None, None, {})
    assert row.erased_at is not None


def test_send_record_and_why_name_the_erasure(host: Host) -> None:
    user = erased(host)
    for call in (
        lambda: host.notifier.send("verification", user),
        lambda: host.notifier.record("like", user),
        lambda: host.notifier.why("1"),
    ):
        with pytest.raises(Erased, match="'1' was erased"):
            call()


def test_a_second_erasure_changes_nothing(host: Host) -> None:
    user = erased(host)
    host.notifier.erase(user)
    host.db.session.commit()
    assert [entry.actor for entry in host.stored(select(AuditEntry))] == ["application"]


def test_a_rollback_undoes_the_erasure(host: Host) -> None:
    user = host.add()
    host.notifier.erase(user)
    host.db.session.rollback()
    assert host.mirrored()["1"].email == "ada@example.com"
    assert host.notifier.send("verification", user).id


def test_emails_that_wait_are_cancelled_and_keep_no_address(host: Host) -> None:
    user = host.add()
    host.notifier.send("verification", user)
    host.db.session.commit()
    host.notifier.erase(user)
    host.db.session.commit()
    (row,) = host.stored(select(Notification))
    assert (row.status, row.recipient, row.user_id) == (Status.cancelled, "erased", None)


def test_an_email_that_is_being_sent_refuses_the_erasure(host: Host) -> None:
    user = host.add()
    host.notifier.send("verification", user)
    host.db.session.execute(update(Notification).values(status=Status.sending))
    host.db.session.commit()
    with pytest.raises(ErasureError, match="being sent"):
        host.notifier.erase(user)
    host.db.session.rollback()
    assert host.mirrored()["1"].email == "ada@example.com"


def test_a_deleted_user_leaves_nothing_and_the_id_is_free(host: Host) -> None:
    user = erased(host)
    host.db.session.delete(user)
    host.db.session.commit()
    assert host.mirrored() == {}
    host.add("grace@example.com", id=1)
    assert host.mirrored()["1"].email == "grace@example.com"


def test_a_user_who_was_never_mirrored_is_unknown(host: Host) -> None:
    with pytest.raises(UnknownUser, match="'7'"):
        host.notifier.erase(7)


def test_erasing_needs_keys(host: Host) -> None:
    user = host.add()
    host.notifier.secret_keys = ()
    with pytest.raises(SetupError, match="SECRET_KEYS"):
        host.notifier.erase(user)


def test_an_operators_erasure_counts_as_well(host: Host) -> None:
    user = host.add()
    with Session(host.engine) as session:
        erasure.erase_address(session, "ada@example.com", keys=KEYS, by=COMMAND_LINE)
        session.commit()
    user.name = "Grace"
    host.db.session.commit()
    assert host.mirrored()["1"].display_name == ""


def test_the_suppression_of_a_shared_mailbox_stays_until_the_last_user_is_erased(host: Host) -> None:
    one, two = host.add("both@example.com"), host.add("both@example.com")
    with Session(host.engine) as session:
        suppressions.add(session, "both@example.com", reason=SuppressionReason.manual, source="operator", evidence="")
        session.commit()
    host.notifier.erase(one)
    host.db.session.commit()
    assert [row.identity_key for row in host.stored(select(Suppression))] == ["both@example.com"]
    host.notifier.erase(two)
    host.db.session.commit()
    assert host.stored(select(Suppression))[0].identity_key.startswith("erased:")


def test_a_change_at_the_same_moment_does_not_bring_them_back(host: Host) -> None:
    if host.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    host.add()
    waits, failures = threading.Event(), []

    @event.listens_for(host.engine, "before_cursor_execute")
    def _before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO notifier_users") and threading.current_thread() is other:
            waits.set()

    def change() -> None:
        with host.app.app_context():
            user = host.db.session.get(host.User, 1)
            user.name = "Grace"
            try:
                host.db.session.commit()
            except Exception as error:
                failures.append(error)

    other = threading.Thread(target=change)
    host.notifier.erase(1)
    other.start()
    assert waits.wait(10)
    _until_blocked(host)
    host.db.session.commit()
    other.join(10)
    assert failures == []
    (row,) = host.mirrored().values()
    assert (row.display_name, row.erased_at is None) == ("", False)


def _until_blocked(host: Host) -> None:
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with host.engine.connect() as connection:
        for _ in range(1000):
            if connection.execute(query).scalar():
                return
            connection.rollback()
    raise AssertionError("no transaction waits for the erasure")


def test_a_row_that_keeps_more_of_an_erased_person_is_refused(host: Host) -> None:
    erased(host)
    with pytest.raises(Exception, match="ck_notifier_users_erased"), Session(host.engine) as session:
        session.execute(update(Mirrored).values(email="ada@example.com"))


def test_an_application_of_ours_brings_its_keys(make_host: Callable[..., Host]) -> None:
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail")
    with host.app.app_context():
        user = host.add()
        host.notifier.erase(user)
        host.db.session.commit()
        assert host.mirrored()["1"].erased_at is not None
