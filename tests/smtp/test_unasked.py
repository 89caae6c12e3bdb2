"""A server that answers what was not asked: its words must not pass for the replies to what is asked next."""

import pytest

from notifier.smtp import event_loop
from notifier.smtp.dialogue import Envelope, Work, converse
from notifier.smtp.operations import YIELD, Conversation, Pipe
from notifier.smtp.outcome import Decision, Failure, Outcome, Phase, Reply
from notifier.smtp.replies import WireError
from notifier.smtp.session import Session as Capabilities
from notifier.testing.smtp_server import Script, Session, SmtpServer
from tests.support.mail import DRIVERS, deliver, deliver_one, envelope, transport_to

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


class DeadLine:
    """A connection whose end was met while the reply before it was read."""

    pending = False

    def write(self, data: bytes, phase: Phase) -> None:
        raise WireError(Failure.RESET, "TLS is over", phase)

    ask = write

    def take(self) -> Reply | None:
        return None


class Returned:
    """Work whose mails come back."""

    deep = True

    def __init__(self) -> None:
        self.mails = [envelope()]
        self.returned: list[Envelope] = []

    def take(self, session: Capabilities) -> Envelope | None:
        return self.mails.pop() if self.mails else None

    def give_back(self, mail: Envelope) -> None:
        self.returned.append(mail)

    def begin(self, mail: Envelope) -> None:
        raise AssertionError("nothing can be sent here")

    def settle(self, mail: Envelope, outcome: Outcome) -> None:
        raise AssertionError("nothing was tried")


def test_a_mail_that_is_announced_on_a_dead_connection_goes_back() -> None:
    session, work = Capabilities(pipelining=True), Returned()
    assert list(converse(DeadLine(), session, work)) == []
    assert session.broken
    assert work.returned == [envelope()]


def test_a_conversation_that_gives_way_at_once_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever makes it: nothing that a socket does would ever wake it."""

    def gives_way(line: Pipe, session: Capabilities, work: Work) -> Conversation[None]:
        yield YIELD
        yield from converse(line, session, work)

    monkeypatch.setattr(event_loop, "converse", gives_way)
    with SmtpServer() as server, transport_to(server, total=6.0) as transport:
        assert deliver_one(transport, "loop").decision is Decision.ACCEPTED
    assert len(server.accepted) == 1
