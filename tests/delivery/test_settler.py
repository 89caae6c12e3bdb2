"""Outcomes of attempts, stored while other emails are still being sent."""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from notifier import ledger
from notifier.delivery.settler import Settler
from notifier.delivery.side_thread import SideThread, run_inline
from notifier.delivery.verdict import not_sent
from notifier.extensions import db
from notifier.models import Notification, Status, Suppression
from notifier.reasons import ReasonCode
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from tests.support.applications import NOON, make_owed

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Whether the database cannot be written."""
    settle, state = ledger.settle, {"away": False}

    def broken(*arguments: Any, **values: Any) -> int:
        if state["away"]:
            raise OperationalError("UPDATE", {}, Exception("the server is away"))
        return settle(*arguments, **values)

    monkeypatch.setattr(ledger, "settle", broken)
    return lambda now: state.update(away=now)


def hasty(side_thread: SideThread = run_inline, retry_seconds: float = 0.0) -> Settler:
    """No end is too young for it, and no try waits for the next."""
    return Settler(db.session, side_thread, flush_seconds=-1.0, retry_seconds=retry_seconds, retry_pauses=())


def owed_and_claimed(number: int) -> ledger.Claimed:
    pk = make_owed(number)
    (row,) = ledger.claim(db.session(), [pk], now=NOON, lease=timedelta(minutes=8), owner="a worker")
    db.session.commit()
    return row


def status_of(row: ledger.Claimed) -> str:
    db.session.rollback()
    return db.session.get_one(Notification, row.id, populate_existing=True).status


def test_a_tick_while_the_database_is_away_raises_nothing_and_loses_nothing(
    context: Flask, away: Callable[[bool], None]
) -> None:
    """It is called between the replies of mail servers: to raise would hang up on mails that wait for their 250."""
    first, second = owed_and_claimed(1), owed_and_claimed(2)
    settler = hasty()
    away(True)
    settler.add(not_sent(first, Status.skipped, ReasonCode.unwanted, "a test"))
    settler.tick()
    settler.add(not_sent(second, Status.skipped, ReasonCode.unwanted, "a test"))
    away(False)
    assert [status_of(row) for row in (first, second)] == ["sending", "sending"]
    settler.tick()
    assert [status_of(row) for row in (first, second)] == ["skipped", "skipped"]
    settler.flush()
    assert settler.statuses == {"skipped": 2}


def test_after_a_failure_a_tick_lets_the_servers_be_for_a_while(context: Flask, away: Callable[[bool], None]) -> None:
    row = owed_and_claimed(1)
    settler = hasty(retry_seconds=60)
    away(True)
    settler.add(not_sent(row, Status.skipped, ReasonCode.unwanted, "a test"))
    away(False)
    settler.tick()
    assert status_of(row) == "sending"
    settler.flush()
    assert status_of(row) == "skipped"


def test_a_try_that_fails_while_the_batch_ends_is_repeated(context: Flask, away: Callable[[bool], None]) -> None:
    """The tick's store is still under way when the batch is over."""
    row = owed_and_claimed(1)
    under_way: list[Callable[[], None]] = []

    class Slow(Future[Any]):
        """Done when somebody waits for it."""

        def result(self, timeout: float | None = None) -> Any:
            while under_way:
                under_way.pop(0)()
            return super().result(timeout)

    def side_thread(work: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future = Slow()

        def run() -> None:
            away(not tried)  # only at the first time
            tried.append(work)
            future.set_result(work(*args))

        under_way.append(run)
        return future

    tried: list[Callable[..., Any]] = []
    settler = hasty(side_thread)
    settler.add(not_sent(row, Status.skipped, ReasonCode.unwanted, "a test"))
    settler.flush()
    assert len(tried) == 2
    assert status_of(row) == "skipped"


def test_the_end_of_a_batch_says_that_the_database_is_away(context: Flask, away: Callable[[bool], None]) -> None:
    row = owed_and_claimed(1)
    settler = hasty()
    away(True)
    settler.add(not_sent(row, Status.skipped, ReasonCode.unwanted, "a test"))
    with pytest.raises(OperationalError):
        settler.flush()


def test_the_end_of_a_batch_stores_what_no_tick_could(context: Flask, away: Callable[[bool], None]) -> None:
    row = owed_and_claimed(1)
    settler = hasty()
    away(True)
    settler.add(not_sent(row, Status.skipped, ReasonCode.unwanted, "a test"))
    away(False)
    settler.flush()
    assert status_of(row) == "skipped"


def test_a_bounce_that_is_told_after_its_end_was_stored_suppresses_too(
    context: Flask, away: Callable[[bool], None]
) -> None:
    row = owed_and_claimed(1)
    settler = hasty()
    settler.add(not_sent(row, Status.skipped, ReasonCode.unwanted, "a test"))
    assert status_of(row) == "skipped"
    settler.bounced(row, Outcome(Decision.BOUNCE, Phase.RCPT, Scope.RECIPIENT, 550, "5.1.1", "no such user"))
    settler.flush()
    assert [found.identity_key for found in db.session.scalars(select(Suppression))] == ["user1@example.com"]
