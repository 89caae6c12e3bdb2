"""The gate in the spine: a held transport burns nothing, another one takes over, pauses and limits defer."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from notifier import clock, ledger
from notifier.delivery.deliver import Sender, TransientDelivery
from notifier.delivery.throttle.breaker import Breaker
from notifier.delivery.throttle.gate import Gate
from notifier.delivery.throttle.limit_requests import Grant, Request
from notifier.delivery.throttle.slowdowns import Pace
from notifier.delivery.throttle.turns import MAX_WAIT_SECONDS
from notifier.extensions import db
from notifier.models import Notification
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import NOON, make_user

pytestmark = pytest.mark.usefixtures("frozen")

REFUSED = Outcome(Decision.HOLD, Phase.AUTH, Scope.TRANSPORT, 535, "5.7.8", "bad credentials")
BUSY = Outcome(Decision.THROTTLE, Phase.MAIL, Scope.TRANSPORT, 421, None, "too many connections")
DOMAIN_BUSY = Outcome(Decision.THROTTLE, Phase.RCPT, Scope.DOMAIN, 421, "4.7.28", "unusual rate")


def tried(servers: FakeMailServer) -> list[tuple[str, int]]:
    """Which row went through which transport."""
    return [(handed.via, handed.key) for handed in servers.handed]


@pytest.fixture
def servers() -> FakeMailServer:
    return FakeMailServer()


Make = Callable[..., Sender]


@pytest.fixture
def make_sender(context: Flask, servers: FakeMailServer) -> Make:
    def make(transports: Sequence[str] = ("smtp",), limits: object = None) -> Sender:
        sender = services_of(context).sender
        servers.attach(sender)
        breaker, pace = Breaker(db.session, fresh=0), Pace(db.session, fresh=0)
        sender.gate = Gate(
            db.session, breaker, pace, transports=transports, choose=lambda open_: open_[0], limits=limits
        )
        return sender

    return make


def owed(count: int, domain: str = "example.com") -> list[int]:
    rows = [
        ledger.add(
            db.session(),
            kind="verification",
            user=make_user(f"user{number}@{domain}"),
            dedupe_key=f"test:{domain}:{number}",
            now=NOON,
            grace=timedelta(0),
        )
        for number in range(count)
    ]
    db.session.commit()
    return [row.id for row in rows]


def rows() -> list[Notification]:
    db.session.rollback()
    return list(
        db.session.scalars(select(Notification).order_by(Notification.id).execution_options(populate_existing=True))
    )


def test_a_refusal_of_us_stops_the_batch_and_burns_nothing(make_sender: Make, servers: FakeMailServer) -> None:
    servers.answers["smtp"] = REFUSED
    make_sender().deliver(owed(5))
    assert len(servers.handed) == 1
    assert {(row.status, row.attempts, row.reason_code) for row in rows()} == {("pending", 0, "transport_held")}


def test_while_it_is_held_nothing_is_claimed(make_sender: Make, servers: FakeMailServer) -> None:
    servers.answers["smtp"] = REFUSED
    sender = make_sender()
    first, *others = owed(3)
    sender.deliver([first])
    sender.deliver(others)
    assert tried(servers) == [("smtp", first)]
    assert [row.claims for row in rows()] == [1, 0, 0]
    assert rows()[1].next_attempt_at == NOON + timedelta(seconds=60)


def test_one_probe_finds_out_and_all_wake(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers["smtp"] = REFUSED
    sender = make_sender()
    pks = owed(5)
    sender.deliver(pks)
    frozen.shift(timedelta(seconds=61))
    servers.answers.clear()
    servers.handed.clear()
    sender.deliver(pks)
    assert len(servers.handed) == 1
    assert sorted(row.status for row in rows()) == ["pending"] * 4 + ["sent"]
    sender.deliver(pks)
    assert {row.status for row in rows()} == {"sent"}
    assert [row.attempts for row in rows()] == [1] * 5


def test_a_sentence_changed_by_hand_leaves_no_held_row_asleep(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers["smtp"] = REFUSED
    sender = make_sender()
    pks = owed(3)
    sender.deliver(pks)
    db.session.execute(update(Notification).values(reason="auf Deutsch"))
    db.session.commit()
    servers.answers.clear()
    frozen.shift(timedelta(seconds=61))
    sender.deliver(pks[:1])
    db.session.rollback()
    assert [row.next_attempt_at <= clock.now() for row in rows()] == [True] * 3


def test_a_probe_that_is_refused_waits_longer(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers["smtp"] = REFUSED
    sender = make_sender()
    pks = owed(2)
    sender.deliver(pks)
    for wait, tries in [(59, 1), (2, 2), (100, 2), (25, 3), (230, 3), (20, 4)]:
        frozen.shift(timedelta(seconds=wait))
        sender.deliver(pks)
        assert len(servers.handed) == tries, wait
    assert {(row.status, row.attempts) for row in rows()} == {("pending", 0)}


def test_a_held_transports_mail_goes_through_another_and_the_row_says_so(
    make_sender: Make, servers: FakeMailServer
) -> None:
    servers.answers["first"] = REFUSED
    sender = make_sender(["first", "second"])
    pks = owed(3)
    sender.deliver(pks[:1])
    sender.deliver(pks[1:])
    assert tried(servers) == [("first", pks[0]), ("second", pks[1]), ("second", pks[2])]
    assert [row.transport for row in rows()] == ["first", "second", "second"]


def test_a_busy_server_is_left_alone_for_a_moment(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers["smtp"] = BUSY
    sender = make_sender()
    pks = owed(3)
    sender.deliver(pks[:1])
    sender.deliver(pks[1:])
    assert len(servers.handed) == 1
    assert [row.reason_code for row in rows()[1:]] == ["transport_slowed"] * 2
    assert rows()[1].next_attempt_at == NOON + timedelta(seconds=1)
    servers.answers.clear()
    frozen.shift(timedelta(seconds=2))
    sender.deliver(pks[1:])
    assert [row.status for row in rows()] == ["pending", "sent", "sent"]


def test_a_paused_server_is_worth_a_quick_second_try(make_sender: Make, servers: FakeMailServer) -> None:
    servers.answers["smtp"] = BUSY
    sender = make_sender()
    first, second = owed(2)
    sender.deliver([first])
    with pytest.raises(TransientDelivery):
        sender.deliver([second], quick_tries_left=1)


def test_a_slow_domain_slows_nobody_else(make_sender: Make, servers: FakeMailServer) -> None:
    sender = make_sender()
    slow = owed(3, "slow.example.org")
    quick = owed(2, "quick.example.org")
    servers.answers["smtp"] = DOMAIN_BUSY
    sender.deliver(slow[:1])
    servers.answers.clear()
    sender.deliver([*slow[1:], *quick])
    by_key = {row.id: row for row in rows()}
    assert [by_key[pk].reason_code for pk in slow[1:]] == ["domain_slowed"] * 2
    assert [by_key[pk].status for pk in quick] == ["sent"] * 2


class OneAtATime:
    """Limits with room for one mail."""

    always = True
    retry_seconds = 5.0

    def __init__(self) -> None:
        self.in_flight = 0
        self.most = 0
        self.asked = 0

    def reserve(self, requests: Sequence[Request], *, within: float) -> list[Grant]:
        self.asked += 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        first, *others = requests
        return [Grant(first.pk, 0.0, None), *(Grant(request.pk, None, 7.0) for request in others)]

    def begin(self, requests: Sequence[Request], *, urgent: bool) -> float:
        return 0.0

    def release(self, requests: Iterable[Request]) -> None:
        self.in_flight -= len(list(requests))


def test_what_a_limit_has_no_room_for_waits_unclaimed(make_sender: Make, servers: FakeMailServer) -> None:
    limits = OneAtATime()
    sender = make_sender(limits=limits)
    pks = owed(3)
    sender.deliver(pks)
    assert tried(servers) == [("smtp", pks[0])]
    assert [(row.status, row.claims) for row in rows()] == [("sent", 1), ("pending", 0), ("pending", 0)]
    assert [(row.reason_code, row.next_attempt_at) for row in rows()[1:]] == [("rate_limited", NOON)] * 2
    assert limits.in_flight == 0


def test_what_a_limit_has_no_room_for_is_no_fault_to_try_again_for(make_sender: Make) -> None:
    """The pump sends it at its moment; a second message would only take a moment from another email."""
    limits = OneAtATime()
    sender = make_sender(limits=limits)
    _, second = owed(2)
    limits.reserve = lambda requests, *, within: [Grant(request.pk, None, 7.0) for request in requests]  # type: ignore[method-assign]
    sender.deliver([second], quick_tries_left=3)
    assert [row.reason_code for row in rows()] == [None, "rate_limited"]


def test_no_moment_is_asked_for_a_row_that_cannot_be_claimed(make_sender: Make) -> None:
    limits = OneAtATime()
    sender = make_sender(limits=limits)
    (pk,) = owed(1)
    sender.deliver([pk])
    sender.deliver([pk])
    assert limits.asked == 1


@pytest.mark.parametrize("bulk", [False, True])
def test_an_email_of_a_person_begins_before_a_moment_that_is_behind_those_of_campaigns(
    make_sender: Make, servers: FakeMailServer, bulk: bool
) -> None:
    limits = OneAtATime()
    limits.reserve = lambda requests, *, within: [Grant(requests[0].pk, within, None)]  # type: ignore[method-assign]
    (pk,) = owed(1)
    began = time.monotonic()
    make_sender(limits=limits).deliver([pk], bulk=bulk)
    took = time.monotonic() - began
    assert tried(servers) == [("smtp", pk)]
    assert took >= MAX_WAIT_SECONDS[True] if bulk else took < MAX_WAIT_SECONDS[False]
