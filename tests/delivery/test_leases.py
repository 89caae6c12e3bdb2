"""Leases: renewed while a batch is under way; who could not renew begins nothing; what comes late corrects."""

import threading
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.recovery import leases as leasing
from notifier.delivery.recovery.leases import Hold, Leases, LeaseTimes
from notifier.delivery.settler import Settler
from notifier.delivery.verdict import not_sent, verdict
from notifier.extensions import db
from notifier.ledger import Claimed
from notifier.mail.message import Message
from notifier.models import Attempt, Notification, Status
from notifier.reasons import ReasonCode
from notifier.services import services_of
from notifier.smtp.event_loop import NOT_TRIED
from notifier.smtp.observer import Observer
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from tests.support.applications import NOON, make_owed

pytestmark = pytest.mark.usefixtures("frozen")

LEASE = timedelta(seconds=30)
OWNER = "web-3-0123abcd-77-89abcdef"
ACCEPTED = Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, 250, "2.0.0", "Ok")


class Steady:
    """Seconds that a test lets pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(leasing, "elapsed", lambda: self.now)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Steady:
    return Steady(monkeypatch)


def claimed(number: int, owner: str = OWNER, **values: object) -> Claimed:
    pk = make_owed(number, **values)
    (row,) = ledger.claim(db.session(), [pk], now=clock.now(), lease=LEASE, owner=owner)
    db.session.commit()
    return row


def row_of(pk: int) -> Notification:
    db.session.rollback()
    return db.session.get_one(Notification, pk, populate_existing=True)


# --- what a process knows of its own leases -----------------------------------------------------------


def test_a_hold_is_lost_when_it_was_not_renewed_in_time_and_stays_lost(steady: Steady) -> None:
    hold = Hold(20.0)
    steady.now += 15
    hold.renewed(steady.now - 1, steady.now)  # asked for after 14 s
    steady.now += 19
    assert not hold.is_lost()
    steady.now += 1.5
    assert hold.is_lost()
    hold.renewed(steady.now, steady.now)
    assert hold.is_lost()


def test_a_renewal_that_came_back_too_late_renews_nothing(steady: Steady) -> None:
    """When the database answered, the leases may have been over, and the rows in other hands."""
    hold = Hold(20.0)
    asked = steady.now + 5
    steady.now += 25
    hold.renewed(asked, steady.now)
    assert hold.is_lost()


def test_a_thread_renews_while_a_batch_is_under_way_and_ends_after_it() -> None:
    renewed = threading.Semaphore(0)
    owners: list[set[str]] = []

    def renew(them: Collection[str], now: datetime, until: datetime) -> None:
        owners.append(set(them))
        assert until - now == timedelta(seconds=0.5)
        renewed.release()

    leases = Leases(renew, clock.now, LeaseTimes(length=0.5, fence=0.3, heartbeat=0.01))
    with leases.holding("me") as hold:
        for _ in range(40):  # longer than the fence
            assert renewed.acquire(timeout=5)
        assert not hold.is_lost()
        thread = leases._thread
        assert thread is not None
    thread.join(5)
    assert not thread.is_alive()
    assert {frozenset(them) for them in owners} == {frozenset({"me"})}
    with leases.holding("again"):
        assert leases._thread is not None


# --- in the ledger --------------------------------------------------------------------------------------


def test_a_renewal_is_for_the_claims_of_its_process_that_still_hold(context: Flask) -> None:
    over = claimed(3)
    with time_machine.travel(NOON + timedelta(seconds=10), tick=False):
        mine, theirs = claimed(1), claimed(2, "another")
    later = NOON + LEASE
    assert ledger.renew(db.session(), {OWNER}, now=later, until=later + LEASE) == 1
    db.session.commit()
    until = {row.id: row.lease_until for row in db.session.scalars(select(Notification))}
    assert until == {mine.id: later + LEASE, theirs.id: later + timedelta(seconds=10), over.id: later}


def test_a_renewal_passes_over_rows_that_are_being_settled(context: Flask) -> None:
    """On Postgres two statements that lock the same rows in another order would wait for each other."""
    if db.engine.dialect.name == "sqlite":
        pytest.skip("there is one writer at a time")
    first, second = claimed(1), claimed(2)
    with Session(db.engine) as other:
        ledger.settle(other, [not_sent(first, Status.skipped, ReasonCode.unwanted, "a test")], now=NOON)
        assert ledger.renew(db.session(), {OWNER}, now=NOON, until=NOON + 2 * LEASE) == 1
        db.session.commit()
        other.commit()
    assert row_of(second.id).lease_until == NOON + 2 * LEASE
    assert row_of(first.id).status == "skipped"


def test_a_lost_claim_names_its_host(context: Flask) -> None:
    claimed(1)
    claimed(2, on_unknown="never")
    claimed(3, "db-1-0123abcd-5-89abcdef")
    assert ledger.expire_leases(db.session(), now=NOON + LEASE, limit=10) == 3
    db.session.commit()
    found = ledger.lost_claims(db.session(), since=NOON)
    assert {lost.host: lost.claims for lost in found} == {"web-3": 2, "db-1": 1}
    assert ledger.lost_claims(db.session(), since=NOON + 2 * LEASE) == []
    assert set(db.session.scalars(select(Attempt.text))) == {
        "web-3 did not renew the claim",
        "db-1 did not renew the claim",
    }


# --- what a settle may still say after the lease ---------------------------------------------------------


def lapse() -> None:
    ledger.expire_leases(db.session(), now=NOON + LEASE, limit=10)
    db.session.commit()


@pytest.mark.parametrize(
    ("decision", "policy", "status", "attempts", "unknowns"),
    [
        (Decision.ACCEPTED, "never", "sent", 1, 0),
        (Decision.ACCEPTED, "resend", "sent", 1, 0),
        (Decision.FAIL, "never", "failed", 1, 0),
        (Decision.RETRY, "never", "pending", 1, 0),
        (Decision.UNKNOWN, "never", "unknown", 0, 1),
        (Decision.RETRY, "resend", "pending", 0, 1),
    ],
)
def test_an_end_that_comes_after_the_lease_corrects_the_row(
    context: Flask, decision: Decision, policy: str, status: str, attempts: int, unknowns: int
) -> None:
    """The process was only cut off: it knows what became of its emails, and nobody else has touched the rows."""
    row = claimed(1, on_unknown=policy)
    lapse()
    settler = Settler(db.session)
    settler.add(verdict(row, ACCEPTED._replace(decision=decision), NOON))
    settler.flush()
    found = row_of(row.id)
    assert (found.status, found.attempts, found.unknowns) == (status, attempts, unknowns)


def test_an_email_that_was_not_sent_after_all_waits_again(context: Flask) -> None:
    row = claimed(1, on_unknown="never")
    lapse()
    settler = Settler(db.session)
    settler.add(not_sent(row, Status.skipped, ReasonCode.unwanted, "a test"))
    settler.flush()
    found = row_of(row.id)
    assert (found.status, found.unknowns, found.next_attempt_at) == ("pending", 0, NOON)


def test_an_end_that_comes_late_touches_no_row_that_was_claimed_again_or_decided(context: Flask) -> None:
    again, decided = claimed(1), claimed(2, on_unknown="never")
    lapse()
    ledger.claim(db.session(), [again.id], now=NOON + LEASE, lease=LEASE, owner="another")
    ledger.move(db.session(), decided.id, Status.unknown, Status.sent, now=NOON)
    db.session.commit()
    settler = Settler(db.session)
    settler.add(verdict(again, ACCEPTED, NOON))
    settler.add(verdict(decided, ACCEPTED._replace(decision=Decision.FAIL), NOON))
    settler.flush()
    assert (row_of(again.id).status, row_of(again.id).claims) == ("sending", 2)
    assert row_of(decided.id).status == "sent"


# --- a batch that is cut off ----------------------------------------------------------------------------


def test_who_could_not_renew_begins_nothing_more_and_gives_the_rest_back(context: Flask, steady: Steady) -> None:
    sender = services_of(context).sender
    keys = [make_owed(number) for number in range(1, 5)]
    begun: list[int] = []
    ends: list[float | None] = []

    def hand_over(
        messages: Iterable[tuple[int, Message]], via: str, observer: Observer
    ) -> Iterator[tuple[int, Outcome]]:
        source = iter(messages)
        first, second, third = (next(source)[0] for _ in range(3))
        ends.append(observer.tick())
        observer.begin(first)
        steady.now += 20.5
        with pytest.raises(OSError, match="told to end"):
            observer.begin(second)
        begun.append(first)
        ends.append(observer.tick())
        yield first, ACCEPTED
        yield second, Outcome(Decision.RETRY, Phase.BODY, Scope.MESSAGE, text="hung up")
        yield third, NOT_TRIED
        assert list(source) == []

    sender.hand_over = hand_over
    assert sender.deliver(keys) == {Decision.ACCEPTED: 1}
    assert ends == [None, float("inf")]
    assert [row_of(pk).status for pk in keys] == ["sent", "pending", "pending", "pending"]
    waiting = [row_of(pk) for pk in keys[1:]]
    assert {(row.attempts, row.reason_code, row.enqueue_at) for row in waiting} == {(0, ReasonCode.lease_lost, NOON)}
