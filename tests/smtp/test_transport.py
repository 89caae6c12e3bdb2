"""Connections: kept, lent, replaced, never shared with a forked child."""

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from notifier.smtp.dialogue import Envelope
from notifier.smtp.envelope import Later
from notifier.smtp.outcome import Decision, Phase
from notifier.testing.smtp_server import EVERYTHING, Session, SmtpServer
from tests.support.mail import BODY, DRIVERS, Watching, deliver, deliver_one, envelope, transport_to

PLAIN = tuple(offer for offer in EVERYTHING if offer != "PIPELINING")
each_driver = pytest.mark.parametrize("driver", DRIVERS)


@each_driver
def test_a_connection_is_kept_for_the_next_mail(driver: str) -> None:
    with SmtpServer() as server:
        with transport_to(server, connections=2) as transport:
            for key in range(5):
                deliver_one(transport, driver, envelope(key))
            assert server.lines("QUIT") == []
        assert server.lines("QUIT") == ["QUIT"]
    assert (server.sessions, len(server.accepted)) == (1, 5)


@pytest.mark.parametrize("offers", [EVERYTHING, PLAIN], ids=["pipelined", "plain"])
@each_driver
@pytest.mark.parametrize("end", ["DROP", "RST", "HANG", "421 4.4.2 idle for too long"])
def test_a_stale_connection_is_replaced_at_once(end: str, driver: str, offers: tuple[str, ...]) -> None:
    """The second MAIL on a connection meets its end: both mails arrive, each by one attempt."""

    def mail(session: Session) -> str | None:
        return end if session.mails == 2 else None

    short = {Phase.MAIL: 0.1} if end == "HANG" else {}
    with SmtpServer({"mail": mail}, ehlo=offers) as server, transport_to(server, timeouts=short) as transport:
        outcomes = [deliver_one(transport, driver, envelope(key)) for key in (1, 2)]
    assert [outcome.decision for outcome in outcomes] == [Decision.ACCEPTED] * 2
    assert (server.sessions, len(server.accepted)) == (2, 2)


@each_driver
def test_it_is_replaced_once_only(driver: str) -> None:
    script = {"mail": lambda session: None if session.number == 1 and session.mails == 1 else "421 4.3.2 busy"}
    with SmtpServer(script) as server, transport_to(server) as transport:
        assert deliver_one(transport, driver, envelope(1)).decision is Decision.ACCEPTED
        outcome = deliver_one(transport, driver, envelope(2))
    assert (outcome.decision, outcome.phase) == (Decision.THROTTLE, Phase.MAIL)
    assert server.sessions == 2


@each_driver
@pytest.mark.parametrize("phase", ["rcpt", "data", "eod"])
def test_a_connection_is_not_used_again_after_421(phase: str, driver: str) -> None:
    """Whatever the server then does with it: it has said that it is closing it (RFC 5321, 3.8)."""
    with SmtpServer({phase: ["421 4.3.2 closing"]}) as server, transport_to(server, connections=1) as transport:
        outcomes = deliver(transport, driver, [envelope(1), envelope(2)])
    assert (outcomes[1].decision, outcomes[2].decision) == (Decision.THROTTLE, Decision.ACCEPTED)
    assert [mail.session for mail in server.accepted] == [2]


@each_driver
def test_a_connection_that_the_server_closed_while_idle_is_not_used(driver: str) -> None:
    with SmtpServer({"eod": [("250 Ok", "DROP")]}) as server, transport_to(server) as transport:
        deliver_one(transport, driver, envelope(1))
        time.sleep(0.05)
        assert deliver_one(transport, driver, envelope(2)).decision is Decision.ACCEPTED
    assert len(server.lines("MAIL")) == 2


@each_driver
def test_a_connection_ends_after_its_share_of_mails(driver: str) -> None:
    with SmtpServer() as server, transport_to(server, connections=1, max_emails=3) as transport:
        deliver(transport, driver, [envelope(key) for key in range(7)])
    assert (server.sessions, len(server.accepted)) == (3, 7)
    assert Counter(mail.session for mail in server.accepted) == {1: 3, 2: 3, 3: 1}


@each_driver
def test_a_connection_that_was_idle_for_long_is_not_used(driver: str) -> None:
    with SmtpServer() as server, transport_to(server, max_idle=0.01) as transport:
        deliver_one(transport, driver, envelope(1))
        time.sleep(0.05)
        deliver_one(transport, driver, envelope(2))
    assert server.sessions == 2


@each_driver
@pytest.mark.parametrize(("banner", "decision"), [("554 no", Decision.HOLD), ("421 busy", Decision.THROTTLE)])
def test_no_session_no_mail_command(banner: str, decision: Decision, driver: str) -> None:
    with SmtpServer({"banner": banner}) as server, transport_to(server, connections=4) as transport:
        outcomes = deliver(transport, driver, [envelope(key) for key in range(20)])
    assert {(each.decision, each.phase) for each in outcomes.values()} == {(decision, Phase.BANNER)}
    assert server.lines("MAIL") == []
    if driver == "loop":
        assert server.sessions <= 4


def test_a_server_that_allows_few_connections_gets_few() -> None:
    def banner(session: Session) -> str | None:
        return "421 4.7.0 too many connections" if session.number > 2 else None

    with SmtpServer({"banner": banner}) as server, transport_to(server, connections=8) as transport:
        outcomes = deliver(transport, "loop", [envelope(key) for key in range(60)])
    assert {each.decision for each in outcomes.values()} == {Decision.ACCEPTED}
    assert server.sessions <= 8


@pytest.mark.parametrize(("mails", "connections"), [(1, 5), (3, 5), (50, 5)])
def test_no_more_connections_than_work_or_than_allowed(mails: int, connections: int) -> None:
    with SmtpServer(delay=0.002) as server, transport_to(server, connections=connections) as transport:
        deliver(transport, "loop", [envelope(key) for key in range(mails)])
        deliver(transport, "loop", [envelope(key) for key in range(mails)])
    assert server.max_open_sessions <= min(mails, connections)
    assert server.sessions <= min(mails, connections)
    assert len(server.accepted) == 2 * mails


def test_a_batch_reads_its_mails_as_it_goes_and_tells_outcomes_as_they_come() -> None:
    made: list[int] = []

    def source() -> Iterator[Envelope]:
        for key in range(200):
            made.append(key)
            yield envelope(key)

    most = 0
    with SmtpServer() as server, transport_to(server, connections=2) as transport:
        for count, _ in enumerate(transport.send_batch(source())):
            most = max(most, len(made) - count)
    assert len(server.accepted) == 200
    assert most < 100


def test_an_empty_batch_opens_nothing() -> None:
    with SmtpServer() as server, transport_to(server) as transport:
        assert deliver(transport, "loop", []) == {}
    assert server.sessions == 0


def test_a_batch_ends_with_its_budget() -> None:
    """What is under way ends by its phase, what had no turn is untried: nobody is sent after the lease."""
    with SmtpServer({"eod": "HANG"}) as server, transport_to(server, connections=2) as transport:
        start = time.monotonic()
        outcomes = dict(transport.send_batch([envelope(key) for key in range(20)], budget=0.6))
        assert time.monotonic() - start < 3
    decisions = Counter(outcome.decision for outcome in outcomes.values())
    assert decisions == {Decision.UNKNOWN: 2, Decision.THROTTLE: 18}
    assert len(server.accepted) == 2


def test_a_batch_that_is_left_early_leaves_no_connection_behind() -> None:
    with SmtpServer({"eod": [None, "HANG"]}) as server, transport_to(server, connections=1) as transport:
        batch = transport.send_batch([envelope(key) for key in range(5)])
        assert next(iter(batch))[1].decision is Decision.ACCEPTED
        batch.close()  # type: ignore[attr-defined]
        deadline = time.monotonic() + 5
        while server.open_sessions and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.open_sessions == 0


def test_threads_have_a_connection_each() -> None:
    with SmtpServer(delay=0.002) as server, transport_to(server, connections=4) as transport:

        def work(thread: int) -> None:
            for number in range(10):
                mail = envelope(thread * 100 + number, f"user{thread}@example.com")
                assert transport.send(mail).decision is Decision.ACCEPTED

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.sessions <= 4
    assert len(server.accepted) == 40
    assert Counter(mail.rcpt_to for mail in server.accepted) == {(f"user{n}@example.com",): 10 for n in range(4)}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_opens_its_own_and_leaves_its_parents_alone() -> None:
    with SmtpServer() as server, transport_to(server) as transport:
        assert transport.send(envelope(1)).decision is Decision.ACCEPTED
        child = os.fork()
        if child == 0:
            status = 1
            try:
                accepted = transport.send(envelope(2)).decision is Decision.ACCEPTED
                transport.close()
                status = 0 if accepted else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert transport.send(envelope(3)).decision is Decision.ACCEPTED
    assert [mail.session for mail in server.accepted] == [1, 2, 1]
    assert server.sessions == 2


def test_the_next_address_is_tried() -> None:
    """A name with two addresses, the first of them dead."""
    with SmtpServer() as server, socket.create_server(("127.0.0.1", 0)) as dead:
        closed = dead.getsockname()
        dead.close()
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
            for address in (closed, (server.host, server.port))
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            for driver in DRIVERS:
                with transport_to(server) as transport:
                    assert deliver_one(transport, driver).decision is Decision.ACCEPTED


@each_driver
def test_an_exception_of_the_journal_ends_the_connection_not_the_transport(driver: str) -> None:
    """Such as the signal of a task's time limit: the caller sees it, nothing half-done is used again."""

    class Stop(Exception):
        pass

    stops = [Stop()]

    def begin(key: int) -> None:
        if stops:
            raise stops.pop()

    with SmtpServer() as server, transport_to(server) as transport:
        with pytest.raises(Stop):
            deliver_one(transport, driver, envelope(1), Watching(begin))
        assert deliver_one(transport, driver, envelope(2)).decision is Decision.ACCEPTED
    assert [mail.data for mail in server.accepted] == [BODY]
    assert server.sessions == 2


def test_an_envelope_that_comes_later_is_waited_for_and_replies_are_read_meanwhile() -> None:
    """A reply that lies unread is a doubt where the process is killed."""
    replied: list[tuple[int, float]] = []
    wait = 0.3

    def source() -> Iterator[Envelope | Later]:
        yield envelope(1)
        yield Later(wait)
        yield envelope(2)
        yield Later(wait)

    with SmtpServer() as server:
        started = time.monotonic()
        note = lambda key, _: replied.append((key, time.monotonic() - started))  # noqa: E731
        with transport_to(server) as transport:
            outcomes = dict(transport.send_batch(source(), Watching(replied=note)))
    assert {key: outcome.decision for key, outcome in outcomes.items()} == dict.fromkeys((1, 2), Decision.ACCEPTED)
    (first, early), (second, late) = replied
    assert (first, second) == (1, 2)
    assert early < wait < late
    assert server.sessions == 1


def test_a_batch_whose_first_envelope_comes_later_begins_then() -> None:
    with SmtpServer() as server, transport_to(server) as transport:
        started = time.monotonic()
        outcomes = dict(transport.send_batch(iter([Later(0.1), Later(0.1), envelope(1)])))
    assert time.monotonic() - started >= 0.2
    assert outcomes[1].decision is Decision.ACCEPTED


def test_what_would_come_later_is_not_tried_where_the_time_is_over() -> None:
    source = [envelope(1), Later(0.5), envelope(2)]
    with SmtpServer() as server, transport_to(server) as transport:
        outcomes = dict(transport.send_batch(iter(source), budget=0.2))
    assert [outcomes[key].decision for key in (1, 2)] == [Decision.ACCEPTED, Decision.THROTTLE]
