"""Servers that hang up, hang, drip or babble, in every phase."""

import gc
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from notifier.smtp.outcome import Decision, Phase
from notifier.testing.smtp_server import EVERYTHING, SmtpServer
from tests.support.certificates import certificates
from tests.support.mail import BIG, DRIVERS, deliver, deliver_one, envelope, transport_to

PLAIN = tuple(offer for offer in EVERYTHING if offer != "PIPELINING")
SHORT = 0.06
EXPECTED = {
    "connect": Decision.THROTTLE,
    "banner": Decision.THROTTLE,
    "ehlo": Decision.THROTTLE,
    "mail": Decision.THROTTLE,
    "rcpt": Decision.RETRY,
    "data": Decision.RETRY,
    "eod": Decision.UNKNOWN,
}
FAULTS = ("DROP", "RST", "FIN_WITHOUT_REPLY", "HANG", "DRIP", "garbage")


#: What a server offers makes a difference only after it has said so.
PHASES = [
    pytest.param(phase, offers, id=f"{phase}-{name}")
    for phase in EXPECTED
    for name, offers in {"pipelined": EVERYTHING, "plain": PLAIN}.items()
    if phase in {"mail", "rcpt", "data", "eod"} or offers is EVERYTHING
]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("phase", "offers"), PHASES)
def test_fault(phase: str, fault: str, driver: str, offers: tuple[str, ...]) -> None:
    slow = Phase("banner" if phase == "connect" else phase)
    short = {slow: SHORT} if fault in {"HANG", "DRIP"} else {}
    with (
        SmtpServer({phase: fault}, ehlo=offers, drip=SHORT / 4) as server,
        transport_to(server, timeouts=short) as transport,
    ):
        outcome = deliver_one(transport, driver)
    expected = EXPECTED[phase]
    if (phase, fault) == ("mail", "garbage"):
        expected = Decision.RETRY
    assert outcome.decision is expected
    # A reset right after the handshake may be seen a moment earlier.
    assert outcome.phase in ({slow, Phase.CONNECT} if slow is Phase.BANNER else {slow})
    assert len(server.lines("MAIL")) <= 1


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("fault", ["DROP", "RST", "HANG", "garbage"])
@pytest.mark.parametrize("phase", ["starttls", "auth"])
def test_fault_on_the_way_to_a_login(phase: str, fault: str, driver: str) -> None:
    made = certificates()
    short = {Phase(phase): SHORT} if fault == "HANG" else {}
    login: dict[str, Any] = {
        "mail_username": "ada",
        "mail_password": "secret",
        "mail_use_tls": True,
        "mail_ca_file": made.authority,
    }
    with (
        SmtpServer({phase: fault}, tls=made.good, users={"ada": "secret"}) as server,
        transport_to(server, timeouts=short, **login) as transport,
    ):
        outcome = deliver_one(transport, driver)
    assert (outcome.decision, outcome.phase) == (Decision.THROTTLE, Phase(phase))
    assert server.lines("MAIL") == []


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("fault", ["DROP", "RST", "HANG", "DROP_AFTER_1KB"])
def test_a_connection_lost_before_the_dot_is_a_certain_non_delivery(fault: str, driver: str) -> None:
    with (
        SmtpServer({"body": fault}, receive_buffer=65536) as server,
        transport_to(server, timeouts={Phase.BODY: SHORT}) as transport,
    ):
        outcome = deliver_one(transport, driver, envelope(data=BIG))
    assert (outcome.decision, outcome.phase) == (Decision.RETRY, Phase.BODY)
    assert server.accepted == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_big_mail_arrives_whole(driver: str) -> None:
    with SmtpServer(receive_buffer=65536) as server, transport_to(server) as transport:
        assert deliver_one(transport, driver, envelope(data=BIG)).decision is Decision.ACCEPTED
    assert server.accepted[0].data == BIG


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("fault", ["DROP", "RST", "FIN_WITHOUT_REPLY", "421 4.3.0 bye", "500 what", "garbage"])
def test_nothing_that_quit_does_changes_an_acceptance(fault: str, driver: str) -> None:
    # One mail each, so that every one of them is followed by its own QUIT.
    with (
        SmtpServer({"quit": fault}) as server,
        transport_to(server, max_emails=1, timeouts={Phase.QUIT: 0.01}) as transport,
    ):
        outcomes = deliver(transport, driver, [envelope(key) for key in range(100)])
    assert {outcome.decision for outcome in outcomes.values()} == {Decision.ACCEPTED}
    assert len(server.accepted) == 100


def test_a_quit_that_hangs_costs_its_own_timeout_only() -> None:
    with (
        SmtpServer({"quit": "HANG"}) as server,
        transport_to(server, timeouts={Phase.QUIT: SHORT}, max_emails=1) as transport,
    ):
        start = time.monotonic()
        assert transport.send(envelope()).decision is Decision.ACCEPTED
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("phase", ["banner", "rcpt", "eod"])
def test_a_server_that_drips_ends_with_the_attempt(phase: str, driver: str) -> None:
    """Each byte comes within every timeout of its phase; the whole attempt has a deadline all the same."""
    with SmtpServer({phase: "DRIP"}, drip=0.05) as server, transport_to(server, total=0.3) as transport:
        start = time.monotonic()
        outcome = deliver_one(transport, driver)
        assert time.monotonic() - start < 3
    assert outcome.decision is (EXPECTED[phase])


def _open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts files the way of Linux")
def test_files_and_threads_stay_flat() -> None:
    faults = ["DROP", "RST", "HANG", "garbage", "421 4.3.0 bye"]
    short = {Phase.MAIL: 0.01, Phase.RCPT: 0.01, Phase.EOD: 0.01}
    script = {phase: lambda session: faults[session.number % len(faults)] for phase in ("mail",)}
    script["rcpt"] = lambda session: faults[session.number % len(faults)] if session.number % 2 else None
    with SmtpServer(script) as server, transport_to(server, timeouts=short) as transport:
        deliver(transport, "one", [envelope(key) for key in range(5)])
        before = _open_files() - server.open_sessions, threading.active_count() - server.open_sessions
        deliver(transport, "one", [envelope(key) for key in range(150)])
        deliver(transport, "loop", [envelope(key) for key in range(150)])
        deadline = time.monotonic() + 5
        while server.open_sessions and time.monotonic() < deadline:
            time.sleep(0.01)
        after = _open_files(), threading.active_count()
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2
