"""A server that answers what was not asked: its words must not pass for the replies to what is asked next."""

import pytest

from notifier.delivery.smtp.outcome import Decision, Phase
from tests.support.mail import DRIVERS, deliver, deliver_one, envelope, transport_to
from tests.support.smtp_server import Script, Session, SmtpServer

#: What three commands of a mail would be answered with.
AHEAD = "\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go ahead"
OFFERS = {"pipelined": "250-mx.example\n250-PIPELINING\n250 8BITMIME", "plain": "250-mx.example\n250 8BITMIME"}
NOBODY = "550 5.1.1 No such user"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("rcpt", [None, NOBODY])
@pytest.mark.parametrize("offers", OFFERS)
def test_replies_behind_the_greeting(offers: str, rcpt: str | None, driver: str) -> None:
    """The mail would be `sent` by the reply to its MAIL, and nobody has it."""
    script: Script = {"ehlo": OFFERS[offers] + AHEAD, "rcpt": rcpt}
    with SmtpServer(script) as server, transport_to(server, total=6.0) as transport:
        outcome = deliver_one(transport, driver)
    assert (outcome.decision, outcome.phase) == (Decision.THROTTLE, Phase.EHLO)
    assert not server.accepted
    assert not [command for command in server.commands if command.line.startswith("MAIL")]


@pytest.mark.parametrize("driver", DRIVERS)
def test_replies_before_the_greeting(driver: str) -> None:
    banner = "220 mx.example\r\n250 mx.example\r\n250 2.1.0 Ok"
    with SmtpServer({"banner": banner}) as server, transport_to(server, total=6.0) as transport:
        outcome = deliver_one(transport, driver)
    assert (outcome.decision, outcome.phase) == (Decision.THROTTLE, Phase.EHLO)
    assert not server.accepted


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("script", "phase"),
    [
        ({"mail": "250 2.1.0 Ok" + AHEAD, "rcpt": NOBODY}, Phase.RCPT),
        ({"rcpt": "250 2.1.5 Ok\r\n354 Go ahead\r\n250 2.0.0 Ok"}, Phase.DATA),
    ],
)
def test_replies_behind_another_without_pipelining(script: Script, phase: Phase, driver: str) -> None:
    with SmtpServer(script, ehlo=["8BITMIME"]) as server, transport_to(server, total=6.0) as transport:
        outcome = deliver_one(transport, driver)
    assert (outcome.decision, outcome.phase) == (Decision.RETRY, phase)
    assert not server.accepted


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("ehlo", [["PIPELINING"], []])
def test_replies_behind_the_last_one_cost_the_next_mail_nothing(ehlo: list[str], driver: str) -> None:
    """It goes over another connection."""

    def eod(session: Session) -> str:
        return "250 2.0.0 Ok" + AHEAD

    with SmtpServer({"eod": eod}, ehlo=ehlo) as server, transport_to(server, connections=1, total=6.0) as transport:
        outcomes = deliver(transport, driver, [envelope(key, f"user{key}@example.com") for key in range(4)])
    if ehlo and driver == "loop":
        # The commands of the next mail were out already: what it meets may be a lie, and it is never sent for it.
        assert len(server.accepted) >= sum(outcome.decision is Decision.ACCEPTED for outcome in outcomes.values())
    else:
        assert {outcome.decision for outcome in outcomes.values()} == {Decision.ACCEPTED}
        assert sorted(mail.rcpt_to for mail in server.accepted) == [(f"user{key}@example.com",) for key in range(4)]
