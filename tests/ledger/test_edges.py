"""The ledger: every edge, every non-edge, one winner."""

import threading
from datetime import datetime, timedelta
from itertools import product

import pytest
from flask import Flask
from sqlalchemy import select, update

from notifier import ledger
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.ledger import EDGES, Claimed, ForbiddenMove, Settlement, StoredReply
from notifier.models import Attempt, Notification, Status, SuppressionReason, User
from notifier.reasons import ReasonCode
from tests.support.applications import NOON, make_owed

LEASE = timedelta(minutes=8)

#: The life cycle as docs/architecture.md draws it, written out once more so that code and drawing must agree.
DRAWN = {
    ("pending", "sending"),
    ("pending", "cancelled"),
    ("pending", "expired"),
    ("sending", "pending"),
    ("sending", "sent"),
    ("sending", "failed"),
    ("sending", "suppressed"),
    ("sending", "skipped"),
    ("sending", "unknown"),
    ("sent", "bounced"),
    ("sent", "complained"),
    ("bounced", "complained"),
    ("unknown", "bounced"),
    ("unknown", "complained"),
    ("unknown", "pending"),
    ("unknown", "sent"),
    ("unknown", "failed"),
    ("pending", "sent"),
}


def in_status(status: Status, number: int = 1) -> int:
    """A row put into `status` behind the ledger's back."""
    pk = make_owed(number)
    values = {"status": status, "claims": 1, "lease_until": NOON + LEASE if status is Status.sending else None}
    db.session.execute(update(Notification).where(Notification.id == pk).values(**values))
    db.session.commit()
    return pk


def status_of(pk: int) -> str:
    db.session.rollback()
    return db.session.scalars(select(Notification.status).where(Notification.id == pk)).one()


def claim(pk: int, now: datetime = NOON) -> Claimed | None:
    rows = ledger.claim(db.session(), [pk], now=now, lease=LEASE, owner="a worker")
    return rows[0] if rows else None


def settle(pk: int, number: int, to: Status, reply: StoredReply | None = None) -> int:
    end = Settlement(pk=pk, claim=number, to=to, attempts=1, unknowns=0, reply=reply)
    return ledger.settle(db.session(), [end], now=NOON)


def go(pk: int, source: Status, to: Status) -> object:
    """Make the move by the one function that is for it."""
    session = db.session()
    if to is Status.sending:
        moved: object = claim(pk)
    elif source is Status.sending:
        moved = settle(pk, 1, to)
    else:
        moved = ledger.move(session, pk, source, to, now=NOON)
    session.commit()
    return moved


def test_the_edges_are_those_that_are_drawn() -> None:
    assert {(str(source), str(to)) for source, ends in EDGES.items() for to in ends} == DRAWN


@pytest.mark.parametrize(("source", "to"), sorted(DRAWN))
def test_every_edge_moves(context: Flask, source: str, to: str) -> None:
    pk = in_status(Status(source))
    assert go(pk, Status(source), Status(to))
    assert status_of(pk) == to


def test_no_other_move_exists(context: Flask) -> None:
    for number, (source, to) in enumerate(product(Status, Status), start=1):
        if (source, to) in DRAWN:
            continue
        pk = in_status(source, number)
        try:
            moved = go(pk, source, to)
        except ForbiddenMove:
            moved = None
            db.session.rollback()
        assert not moved, f"{source} -> {to}"
        assert status_of(pk) == source


def test_a_move_from_a_status_that_the_row_has_left_changes_nothing(context: Flask) -> None:
    pk = in_status(Status.sent)
    assert not ledger.move(db.session(), pk, Status.pending, Status.cancelled, now=NOON)
    assert status_of(pk) == "sent"


def test_a_settle_under_an_older_claim_changes_nothing(context: Flask) -> None:
    pk = in_status(Status.sending)
    assert not settle(pk, 0, Status.sent)
    assert status_of(pk) == "sending"


def test_a_claim_counts_up_and_holds_until_its_lease_ends(context: Flask) -> None:
    pk = make_owed()
    claimed = claim(pk)
    assert claimed is not None
    assert claimed.claim == 1
    row = db.session.get_one(Notification, pk)
    assert (row.claims, row.lease_until, row.status, row.claimed_by) == (1, NOON + LEASE, "sending", "a worker")
    assert claim(pk) is None


@pytest.mark.parametrize(
    "values",
    [{"next_attempt_at": NOON + timedelta(seconds=1)}, {"deadline": NOON}],
    ids=["not due yet", "past its deadline"],
)
def test_a_row_that_is_not_due_cannot_be_claimed(context: Flask, values: dict[str, object]) -> None:
    pk = make_owed(**values)
    assert claim(pk) is None


def test_of_racing_claims_one_wins(app: Flask) -> None:
    with app.app_context():
        pk = make_owed()
    start = threading.Barrier(8)
    winners: list[int] = []

    def race(number: int) -> None:
        with app.app_context():
            start.wait()
            won = claim(pk)
            db.session.commit()
            if won is not None:
                winners.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    with app.app_context():
        assert db.session.scalars(select(Notification.claims)).one() == 1


def test_a_try_that_did_not_succeed_is_kept_with_what_the_server_said(context: Flask) -> None:
    pk = in_status(Status.sending)
    reply = StoredReply("RETRY", "rcpt", 450, "4.2.0", "greylisted")
    settle(pk, 1, Status.pending, reply)
    db.session.commit()
    attempt = db.session.scalars(select(Attempt)).one()
    assert (attempt.notification_id, attempt.claim, attempt.decision, attempt.code) == (pk, 1, "RETRY", 450)
    row = db.session.get_one(Notification, pk)
    assert (row.last_phase, row.last_code, row.last_enhanced, row.last_text) == ("rcpt", 450, "4.2.0", "greylisted")


@pytest.mark.parametrize(("policy", "status"), [("resend", "pending"), ("never", "unknown"), ("ask", "unknown")])
def test_a_lapsed_lease_ends_as_the_policy_says_and_is_visible(context: Flask, policy: str, status: str) -> None:
    pk = make_owed(on_unknown=policy)
    claim(pk)
    db.session.commit()
    assert ledger.expire_leases(db.session(), now=NOON + LEASE - timedelta(seconds=1), limit=10) == 0
    assert ledger.expire_leases(db.session(), now=NOON + LEASE, limit=10) == 1
    db.session.commit()
    row = db.session.get_one(Notification, pk)
    assert (row.status, row.unknowns) == (status, 1)
    assert db.session.scalars(select(Attempt.decision)).one() == "LEASE_EXPIRED"


def test_expire_takes_what_is_late_and_nothing_else(context: Flask) -> None:
    late = make_owed(1, deadline=NOON)
    in_time = make_owed(2, deadline=NOON + timedelta(seconds=1))
    timeless = make_owed(3)
    assert ledger.expire(db.session(), now=NOON, limit=10) == 1
    db.session.commit()
    assert [status_of(pk) for pk in (late, in_time, timeless)] == ["expired", "pending", "pending"]


def test_overdue_lists_the_longest_waiting_first_and_rung_quiets_them(context: Flask) -> None:
    second = make_owed(1, enqueue_at=NOON - timedelta(seconds=1))
    first = make_owed(2, enqueue_at=NOON - timedelta(seconds=2), bulk=True)
    make_owed(3, enqueue_at=NOON + timedelta(seconds=1))
    assert ledger.overdue(db.session(), now=NOON, limit=10) == [(first, True), (second, False)]
    ledger.mark_enqueued(db.session(), [first, second], seen=NOON, again_at=NOON + timedelta(minutes=1))
    db.session.commit()
    assert ledger.overdue(db.session(), now=NOON, limit=10) == []


def test_a_bell_that_somebody_else_rings_is_not_the_callers(context: Flask) -> None:
    """Two sweeps see the same rows, and a try that ended meanwhile has its own moment: neither is overwritten."""
    mine = make_owed(1, enqueue_at=NOON - timedelta(seconds=1))
    theirs = make_owed(2, enqueue_at=NOON + timedelta(minutes=5))
    taken = make_owed(3, enqueue_at=NOON - timedelta(seconds=1), status="sending")
    keys = [mine, theirs, taken]
    assert ledger.mark_enqueued(db.session(), keys, seen=NOON, again_at=NOON + timedelta(minutes=1)) == [mine]
    db.session.commit()
    moments = {row.id: row.enqueue_at for row in db.session.scalars(select(Notification))}
    assert moments[mine] == NOON + timedelta(minutes=1)
    assert moments[theirs] == NOON + timedelta(minutes=5)


def test_a_batch_is_claimed_in_the_order_it_was_asked_for(context: Flask) -> None:
    pks = [make_owed(number) for number in range(5)]
    wanted = [pks[3], pks[0], 999, pks[4]]
    rows = ledger.claim(db.session(), wanted, now=NOON, lease=LEASE, owner="a worker")
    assert [row.id for row in rows] == [pks[3], pks[0], pks[4]]
    assert [row.user.identity_key for row in rows if row.user] == [
        "user3@example.com", "user0@example.com", "user4@example.com",
    ]  # fmt: skip
    db.session.commit()
    assert [status_of(pk) for pk in pks] == ["sending", "pending", "pending", "sending", "sending"]


def test_a_batch_is_settled_each_by_its_own_outcome(context: Flask) -> None:
    pks = [make_owed(number) for number in range(4)]
    ledger.claim(db.session(), pks, now=NOON, lease=LEASE, owner="a worker")
    ends = [
        Settlement(
            pk=pks[0],
            claim=1,
            to=Status.sent,
            attempts=1,
            unknowns=0,
            sent_at=NOON,
            reply=StoredReply("ACCEPTED", "eod", 250),
        ),
        Settlement(
            pk=pks[1], claim=1, to=Status.failed, attempts=1, unknowns=0, reply=StoredReply("FAIL", "rcpt", 550)
        ),
        Settlement(pk=pks[2], claim=1, to=Status.pending, attempts=1, unknowns=0, due=NOON + LEASE),
        Settlement(pk=pks[3], claim=0, to=Status.sent, attempts=1, unknowns=0),
    ]
    assert ledger.settle(db.session(), ends, now=NOON) == 3
    db.session.commit()
    assert [status_of(pk) for pk in pks] == ["sent", "failed", "pending", "sending"]
    rows = [db.session.get_one(Notification, pk) for pk in pks]
    assert [row.last_code for row in rows] == [250, 550, None, None]
    assert [row.settled_at for row in rows] == [NOON, NOON, None, None]
    assert rows[2].next_attempt_at == rows[2].enqueue_at == NOON + LEASE
    assert rows[0].claimed_by is None
    assert db.session.scalars(select(Attempt.decision)).all() == ["FAIL"]


def test_what_the_server_said_last_stays_while_it_is_not_asked_again(context: Flask) -> None:
    pk = in_status(Status.sending)
    settle(pk, 1, Status.pending, StoredReply("RETRY", "rcpt", 450, "4.2.0", "later"))
    claim(pk)
    settle(pk, 2, Status.skipped)
    db.session.commit()
    assert db.session.get_one(Notification, pk).last_text == "later"


def test_racing_batches_share_the_rows(app: Flask) -> None:
    with app.app_context():
        pks = [make_owed(number) for number in range(40)]
    start = threading.Barrier(4)
    taken: list[int] = []

    def race() -> None:
        with app.app_context():
            start.wait()
            rows = ledger.claim(db.session(), pks, now=NOON, lease=LEASE, owner="a worker")
            db.session.commit()
            taken.extend(row.id for row in rows)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == pks


def test_deferring_moves_only_what_waits(context: Flask) -> None:
    waiting, held = make_owed(1), in_status(Status.sending, 2)
    later = NOON + timedelta(hours=1)
    assert ledger.defer(db.session(), [waiting, held], until=later, code=ReasonCode.rate_limited) == 1
    db.session.commit()
    row = db.session.get_one(Notification, waiting)
    assert (row.next_attempt_at, row.enqueue_at, row.reason_code) == (later, later, "rate_limited")


def test_a_suppression_counts_for_the_address_that_the_email_goes_to(context: Flask) -> None:
    """An account that has another address by now: each email is judged by its own."""
    to_old, to_new, other = make_owed(1), make_owed(2), make_owed(3)
    person = db.session.get_one(Notification, to_old).user_id
    db.session.execute(
        update(Notification).where(Notification.id == to_new).values(user_id=person, recipient="New@example.com")
    )
    db.session.execute(
        update(User).where(User.id == person).values(email="New@example.com", identity_key="new@example.com")
    )
    for key in ("user1@example.com", "user3@example.com"):
        suppressions.add(db.session(), key, reason=SuppressionReason.hard_bounce, source="smtp", evidence="")
    rows = ledger.claim(db.session(), [to_old, to_new, other], now=NOON, lease=LEASE, owner="a worker")
    assert [row.user and row.user.suppressed for row in rows] == ["hard_bounce", None, "hard_bounce"]


def test_a_name_is_told_once_its_owner_has_confirmed(context: Flask) -> None:
    pks = [make_owed(1), make_owed(2)]
    first = select(Notification.user_id).where(Notification.id == pks[0]).scalar_subquery()
    db.session.execute(update(User).values(display_name="Call 555-0100"))
    db.session.execute(update(User).where(User.id == first).values(verified_at=NOON))
    claimed = ledger.claim(db.session(), pks, now=NOON, lease=LEASE, owner="a worker")
    for rows in (claimed, ledger.load(db.session(), pks), ledger.held_by(db.session(), "a worker")):
        assert sorted(row.user.display_name for row in rows if row.user) == ["", "Call 555-0100"]
