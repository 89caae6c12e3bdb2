"""The outbox: exactly the stored rows are enqueued, and a failing broker fails no caller."""

from collections.abc import Callable
from contextvars import Context
from datetime import timedelta

import pytest
import structlog.testing
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.extensions import db
from notifier.models import Notification, User
from notifier.outbox import Cooldown, Outbox
from notifier.services import services_of
from tests.support.applications import NOON, make_user
from tests.support.services import replace_services


def add(number: int = 1) -> Notification:
    user = db.session.scalars(select(User)).one()
    return ledger.add(
        db.session(), kind="verification", user=user, dedupe_key=f"test:{number}", now=NOON, grace=timedelta(0)
    )


@pytest.fixture(autouse=True)
def _user(context: Flask) -> None:
    make_user()


def stored() -> list[int]:
    return list(db.session.scalars(select(Notification.id).order_by(Notification.id)))


def test_nothing_is_enqueued_before_the_commit(enqueued: list[int]) -> None:
    add()
    db.session.flush()
    assert enqueued == []
    db.session.commit()
    assert enqueued == stored()


def test_what_is_rolled_back_is_never_enqueued(enqueued: list[int]) -> None:
    add()
    db.session.flush()
    db.session.rollback()
    db.session.commit()
    assert enqueued == []
    assert stored() == []


def test_a_released_savepoint_waits_for_the_commit(enqueued: list[int]) -> None:
    with db.session.begin_nested():
        add()
    assert enqueued == []
    db.session.commit()
    assert enqueued == stored()


def test_a_savepoint_rolled_back_takes_its_rows_along(enqueued: list[int]) -> None:
    kept = add(1)
    db.session.flush()
    savepoint = db.session.begin_nested()
    add(2)
    db.session.flush()
    savepoint.rollback()
    db.session.commit()
    assert enqueued == [kept.id] == stored()


def test_two_flushes_are_one_commit(enqueued: list[int]) -> None:
    add(1)
    db.session.flush()
    add(2)
    db.session.flush()
    db.session.commit()
    assert enqueued == stored()
    assert len(enqueued) == 2


def test_inserted_and_deleted_before_the_commit_is_nothing(enqueued: list[int]) -> None:
    row = add()
    db.session.flush()
    db.session.delete(row)
    db.session.commit()
    assert enqueued == []


def test_nested_savepoints_count_each_row_once(enqueued: list[int]) -> None:
    with db.session.begin_nested():
        add(1)
        with db.session.begin_nested():
            add(2)
        inner = db.session.begin_nested()
        add(3)
        db.session.flush()
        inner.rollback()
    db.session.commit()
    assert enqueued == stored()
    assert len(enqueued) == 2


def test_a_bulk_statement_is_rung_for_by_its_caller(context: Flask, enqueued: list[int]) -> None:
    user = db.session.scalars(select(User)).one()
    rows = [
        {"kind": "verification", "user_id": user.id, "recipient": user.email, "dedupe_key": f"bulk:{number}"}
        for number in range(3)
    ]
    db.session.execute(insert(Notification), rows)
    db.session.commit()
    assert enqueued == []
    services_of(context).outbox.publish(stored(), bulk=True)
    assert enqueued == stored()


class Down:
    """A broker that refuses, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.down = True

    def __call__(self, keys: list[int], bulk: bool) -> None:
        self.asked += 1
        if self.down:
            raise ConnectionRefusedError("no broker")


def test_a_broker_that_is_down_is_logged_counted_and_swallowed(context: Flask) -> None:
    outbox = Outbox(Down())
    replace_services(context, outbox=outbox)
    with structlog.testing.capture_logs() as logs:
        add()
        db.session.commit()
    assert [(line["event"], line["error"]) for line in logs] == [
        ("outbox.broker_unavailable", "ConnectionRefusedError")
    ]
    assert (outbox.published, outbox.left_to_sweep) == (0, 1)
    # The session is usable, and the row is there.
    assert len(stored()) == 1


def test_any_error_of_the_hook_is_swallowed_and_the_session_lives(context: Flask) -> None:
    def broken(keys: list[int], bulk: bool) -> None:
        raise TypeError("a bug")

    replace_services(context, outbox=Outbox(broken))
    add(1)
    db.session.commit()
    replace_services(context, outbox=Outbox(Down()))
    add(2)
    db.session.commit()
    assert len(stored()) == 2


def test_after_a_failure_the_broker_is_left_alone_for_a_while() -> None:
    broker = Down()
    outbox = Outbox(broker, cooldown=Cooldown(rest=60))
    assert not outbox.publish([1])
    assert not outbox.publish([2])
    assert broker.asked == 1
    assert outbox.left_to_sweep == 2


def test_after_the_rest_it_is_asked_again_and_all_is_well() -> None:
    broker = Down()
    outbox = Outbox(broker, cooldown=Cooldown(rest=0))
    assert not outbox.publish([1])
    broker.down = False
    assert outbox.publish([2])
    assert (broker.asked, outbox.published) == (2, 1)


def test_rows_that_are_only_changed_are_not_enqueued(enqueued: list[int]) -> None:
    row = add()
    db.session.commit()
    enqueued.clear()
    row.reason = "looked at"
    db.session.commit()
    assert enqueued == []


def in_another_application(call: Callable[[], None]) -> None:
    with Flask("another").app_context():
        call()


@pytest.mark.parametrize("run", [Context().run, in_another_application])
def test_a_commit_outside_of_our_context_does_not_raise(
    context: Flask, enqueued: list[int], run: Callable[[Callable[[], None]], None]
) -> None:
    engine, session = db.engine, db.session.session_factory()
    owner = session.scalars(select(User)).one()
    ledger.add(session, kind="verification", user=owner, dedupe_key="elsewhere", now=NOON, grace=timedelta(0))
    session.flush()
    with structlog.testing.capture_logs() as logs:
        run(session.commit)
    session.close()
    with Session(engine) as plain:
        assert list(plain.scalars(select(Notification.dedupe_key))) == ["elsewhere"]
    assert enqueued == []
    assert [entry["event"] for entry in logs] == ["outbox.not_enqueued"]
