"""TLS is never lowered, certificates are verified, and nothing secret is said in clear."""

import logging
import ssl
from typing import Any

import pytest

from notifier.smtp.outcome import Decision, Phase
from notifier.testing.smtp_server import EVERYTHING, SmtpServer
from tests.support.certificates import certificates
from tests.support.mail import BIG, DRIVERS, deliver, deliver_one, envelope, transport_to

MODES = {"starttls": "mail_use_tls", "implicit": "mail_use_ssl"}
LOGIN: dict[str, Any] = {"mail_username": "ada", "mail_password": "pa55-wörd"}
USERS = {"ada": "pa55-wörd"}

each_mode = pytest.mark.parametrize("mode", MODES)
each_driver = pytest.mark.parametrize("driver", DRIVERS)


@each_driver
@each_mode
def test_mails_over_tls(mode: str, driver: str) -> None:
    made = certificates()
    settings: dict[str, Any] = {MODES[mode]: True, "mail_ca_file": made.authority, **LOGIN}
    with (
        SmtpServer(tls=made.good, implicit=mode == "implicit", users=USERS) as server,
        transport_to(server, connections=2, **settings) as transport,
    ):
        outcomes = deliver(transport, driver, [envelope(key) for key in range(20)])
        assert deliver_one(transport, driver, envelope(99, data=BIG)).decision is Decision.ACCEPTED
    assert {outcome.decision for outcome in outcomes.values()} == {Decision.ACCEPTED}
    assert len(server.accepted) == 21
    assert server.accepted[-1].data == BIG
    clear = {command.line for command in server.commands if not command.tls}
    assert clear == ({"EHLO acme.example", "STARTTLS"} if mode == "starttls" else set())


@each_driver
@each_mode
@pytest.mark.parametrize("bad", ["self_signed", "expired", "wrong_host"])
def test_a_bad_certificate_holds_and_no_mail_command_is_seen(bad: str, mode: str, driver: str) -> None:
    made = certificates()
    settings: dict[str, Any] = {MODES[mode]: True, "mail_ca_file": made.authority, **LOGIN}
    with (
        SmtpServer(tls=getattr(made, bad), implicit=mode == "implicit", users=USERS) as server,
        transport_to(server, **settings) as transport,
    ):
        outcomes = deliver(transport, driver, [envelope(key) for key in range(3)])
    assert {(outcome.decision, outcome.phase) for outcome in outcomes.values()} == {(Decision.HOLD, Phase.STARTTLS)}
    assert "certificate" in outcomes[0].text
    assert server.lines("MAIL") == server.lines("AUTH") == []


@each_driver
def test_an_authority_that_nobody_named_is_not_trusted(driver: str) -> None:
    with SmtpServer(tls=certificates().good) as server, transport_to(server, mail_use_tls=True) as transport:
        assert deliver_one(transport, driver).decision is Decision.HOLD
    assert server.lines("MAIL") == []


@each_driver
def test_old_tls_is_refused(driver: str) -> None:
    made = certificates()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Reaching for 1.1 is deprecated, and that is what is tested.
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        SmtpServer(tls=context) as server,
        transport_to(server, mail_use_tls=True, mail_ca_file=made.authority) as transport,
    ):
        assert deliver_one(transport, driver).decision in {Decision.HOLD, Decision.THROTTLE}
    assert server.lines("MAIL") == []


@each_driver
def test_no_starttls_no_mail(driver: str) -> None:
    with SmtpServer(users=USERS) as server, transport_to(server, mail_use_tls=True, **LOGIN) as transport:
        outcome = deliver_one(transport, driver)
    assert (outcome.decision, outcome.phase) == (Decision.HOLD, Phase.STARTTLS)
    assert server.lines("MAIL") == server.lines("AUTH") == []


def test_helo_is_no_way_around_starttls() -> None:
    with SmtpServer({"ehlo": "502 what?"}) as server, transport_to(server, mail_use_tls=True) as transport:
        assert transport.send(envelope()).decision is Decision.HOLD
    assert server.lines("HELO") == []


@each_driver
def test_what_is_said_in_clear_behind_starttls_is_an_attack(driver: str) -> None:
    made = certificates()
    with (
        SmtpServer({"starttls": "220 go\r\n250 injected"}, tls=made.good) as server,
        transport_to(server, mail_use_tls=True, mail_ca_file=made.authority) as transport,
    ):
        outcome = deliver_one(transport, driver)
    assert (outcome.decision, outcome.phase) == (Decision.HOLD, Phase.STARTTLS)
    assert server.lines("MAIL") == []


@each_driver
def test_credentials_never_travel_in_clear(driver: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with SmtpServer(users=USERS) as server, transport_to(server, **LOGIN) as transport:
        outcome = deliver_one(transport, driver)
    assert (outcome.decision, outcome.phase) == (Decision.HOLD, Phase.AUTH)
    assert server.lines("AUTH") == server.lines("MAIL") == []
    assert "pa55" not in caplog.text + repr(outcome) + repr(transport.endpoint)


@pytest.mark.parametrize(("offer", "good"), [
    ("AUTH PLAIN LOGIN", True), ("AUTH LOGIN", True), ("AUTH=PLAIN", True), ("AUTH CRAM-MD5 XOAUTH2", False),
])  # fmt: skip
def test_mechanisms(offer: str, good: bool) -> None:
    made = certificates()
    settings: dict[str, Any] = {"mail_use_tls": True, "mail_ca_file": made.authority, **LOGIN}
    with (
        SmtpServer(tls=made.good, users=USERS, ehlo=[*EVERYTHING, offer]) as server,
        transport_to(server, **settings) as transport,
    ):
        outcome = transport.send(envelope())
    assert outcome.decision is (Decision.ACCEPTED if good else Decision.HOLD)
    assert len(server.accepted) == good


@each_driver
@pytest.mark.parametrize("offer", ["AUTH PLAIN", "AUTH LOGIN"])
def test_a_wrong_password_holds_everything_and_asks_once(offer: str, driver: str) -> None:
    made = certificates()
    settings: dict[str, Any] = {
        "mail_use_tls": True,
        "mail_ca_file": made.authority,
        "mail_username": "ada",
        "mail_password": "old",
    }
    with (
        SmtpServer(tls=made.good, users=USERS, ehlo=[*EVERYTHING, offer]) as server,
        transport_to(server, connections=1, **settings) as transport,
    ):
        outcome = deliver_one(transport, driver)
    assert (outcome.decision, outcome.phase, outcome.code) == (Decision.HOLD, Phase.AUTH, 535)
    assert len(server.lines("AUTH")) == 1
    assert server.lines("MAIL") == []
