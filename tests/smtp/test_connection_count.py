"""How many connections are used: few at first, more while replies are slow, never a number that the server refused."""

import threading

from notifier.smtp.connection_count import LOST_SECONDS, REFUSED_SECONDS, START, STEP_SECONDS, ConnectionCount
from notifier.smtp.outcome import Decision
from notifier.testing.smtp_server import Session, SmtpServer
from tests.support.mail import deliver, envelope, transport_to


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def _count(ceiling: int = 50) -> tuple[ConnectionCount, Clock]:
    clock = Clock()
    return ConnectionCount(ceiling, clock), clock


def _judged(count: ConnectionCount, clock: Clock, *shares: float) -> list[int]:
    found = []
    for share in shares:
        clock.seconds += 2 * STEP_SECONDS
        count.judge(share)
        found.append(count.allowed)
    return found


def test_it_doubles_while_replies_are_slow_up_to_the_ceiling() -> None:
    count, clock = _count()
    assert count.allowed == START
    assert _judged(count, clock, 0.9, 0.9, 0.9, 0.9, 0.9) == [8, 16, 32, 50, 50]


def test_it_keeps_its_number_while_waiting_and_working_are_in_balance() -> None:
    count, clock = _count()
    assert _judged(count, clock, 0.9, 0.1, 0.1) == [8, 8, 8]


def test_it_shrinks_to_the_start_while_replies_come_at_once() -> None:
    count, clock = _count()
    assert _judged(count, clock, 0.9, 0.9, 0.0, 0.0, 0.0) == [8, 16, 8, 4, 4]


def test_two_threads_that_judge_at_once_make_one_step() -> None:
    count, clock = _count()
    _judged(count, clock, 0.9)
    count.judge(0.9)
    assert count.allowed == 8


def test_a_ceiling_below_the_start_holds_from_the_start() -> None:
    count, clock = _count(2)
    assert count.allowed == 2
    assert _judged(count, clock, 0.9) == [2]


def test_a_number_that_was_refused_is_not_tried_again_for_an_hour() -> None:
    count, clock = _count()
    _judged(count, clock, 0.9, 0.9)
    for _ in range(6):
        count.use()
    count.refuse(by_reply=True)
    assert _judged(count, clock, 0.9, 0.9) == [6, 6]
    clock.seconds += REFUSED_SECONDS
    assert _judged(count, clock, 0.9) == [12]


def test_a_connection_that_the_network_lost_counts_for_a_minute() -> None:
    count, clock = _count()
    for _ in range(3):
        count.use()
    count.refuse(by_reply=False)
    assert _judged(count, clock, 0.9) == [3]
    clock.seconds += LOST_SECONDS
    assert _judged(count, clock, 0.9) == [6]


def test_a_session_that_the_server_ends_halves_the_number_and_it_grows_again() -> None:
    count, clock = _count()
    _judged(count, clock, 0.9)
    clock.seconds += 2 * STEP_SECONDS
    count.shrink()
    count.shrink()  # the other sessions that end in the same moment
    assert count.allowed == 4
    assert _judged(count, clock, 0.9) == [8]


def test_every_batch_may_use_one_connection_however_many_others_use() -> None:
    count, _ = _count()
    for _ in range(START):
        count.use()
    assert (count.has_room(0), count.room(0)) == (True, 1)
    assert (count.has_room(1), count.room(1)) == (False, 0)
    count.leave(2)
    assert (count.has_room(1), count.room(1)) == (True, 2)


def test_a_slow_server_gets_many_connections() -> None:
    with SmtpServer(delay=0.02) as server, transport_to(server, connections=50) as transport:
        outcomes = deliver(transport, "loop", [envelope(key) for key in range(1500)])
    assert {each.decision for each in outcomes.values()} == {Decision.ACCEPTED}
    assert START < server.max_open_sessions <= 50


def test_a_server_that_refuses_the_seventh_connection_is_asked_once() -> None:
    refused = []

    def banner(session: Session) -> str | None:
        if session.number > 6:
            refused.append(session.number)
            return "421 4.7.0 too many connections"
        return None

    with SmtpServer({"banner": banner}, delay=0.01) as server, transport_to(server) as transport:
        first = deliver(transport, "loop", [envelope(key) for key in range(600)])
        asked = len(refused)
        second = deliver(transport, "loop", [envelope(key) for key in range(600)])
        assert transport.count.allowed == 6
    assert {each.decision for each in [*first.values(), *second.values()]} == {Decision.ACCEPTED}
    assert 1 <= asked <= 2  # the two that were opening at once
    assert len(refused) == asked


def test_batches_side_by_side_share_the_number() -> None:
    with SmtpServer(delay=0.005) as server, transport_to(server, connections=6) as transport:
        batches = [
            threading.Thread(target=deliver, args=(transport, "loop", [envelope(key) for key in range(200)]))
            for _ in range(3)
        ]
        for batch in batches:
            batch.start()
        for batch in batches:
            batch.join(30)
        assert len(server.accepted) == 600
        assert transport.count.room(1) == 6
    assert server.max_open_sessions <= 6 + 2  # each batch has one whatever the others use
