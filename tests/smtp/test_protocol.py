"""What goes over the wire: extensions, stuffing, refusals in a pipelined group, the journal's hooks."""

from collections.abc import Callable

import pytest

from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.smtp_server import EVERYTHING, Session, SmtpServer
from tests.support.mail import BODY, DRIVERS, Watching, deliver, deliver_one, envelope, transport_to

PLAIN = tuple(offer for offer in EVERYTHING if offer != "PIPELINING")
BOTH = pytest.mark.parametrize("offers", [EVERYTHING, PLAIN], ids=["pipelined", "plain"])
HEAD = b"Subject: x\r\n\r\n"


@pytest.mark.parametrize("text", [
    b".", b".\r\n", b"..\r\n", b".\r\n.\r\n", b"a\r\n.\r\nb\r\n", b"a\r\n..b\r\n.c\r\n", b"a\r\n.", b"a\r\n\r\n", b"",
    b".a\r\n" * 1000, b"no line end",
])  # fmt: skip
@pytest.mark.parametrize("head", [b"", HEAD])
def test_dots_are_stuffed(head: bytes, text: bytes) -> None:
    data = head + text
    with SmtpServer() as server, transport_to(server) as transport:
        assert transport.send(envelope(data=data)).decision is Decision.ACCEPTED
    whole = data if data.endswith(b"\r\n") or not data else data + b"\r\n"
    assert server.accepted[0].data == whole


@pytest.mark.parametrize("data", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n.\nMAIL FROM:<x@y>\r\n", b"a\r\r\n", b"a\r"])
def test_a_bare_line_end_never_leaves(data: bytes) -> None:
    """Servers that take it for an end of line can be made to see another mail (SMTP smuggling)."""
    with SmtpServer() as server, transport_to(server) as transport:
        outcome = transport.send(envelope(data=HEAD + data))
    assert (outcome.decision, outcome.scope) == (Decision.FAIL, Scope.CONTENT)
    assert server.lines("MAIL") == []


@pytest.mark.parametrize("address", ["a@b.c>\r\nRCPT TO:<d@e.f", "a@b.c\r\nDATA", "<a@b.c>", "a\x00@b.c", ""])
def test_an_address_cannot_bring_commands(address: str) -> None:
    with SmtpServer() as server, transport_to(server) as transport:
        outcome = transport.send(envelope(rcpt_to=address))
    assert (outcome.decision, outcome.scope) == (Decision.FAIL, Scope.RECIPIENT)
    assert server.lines("MAIL") == []


@pytest.mark.parametrize(("offers", "decision"), [
    (["SIZE 1000"], Decision.FAIL), (["SIZE 0"], Decision.ACCEPTED), (["SIZE"], Decision.ACCEPTED),
    (["SIZE  1000"], Decision.FAIL),
    (["SIZE 2014"], Decision.ACCEPTED), (["SIZE 2013"], Decision.FAIL), ([], Decision.ACCEPTED),
])  # fmt: skip
def test_size(offers: list[str], decision: Decision) -> None:
    with SmtpServer(ehlo=offers) as server, transport_to(server) as transport:
        outcome = transport.send(envelope(data=HEAD + b"x" * 1998 + b"\r\n"))
    assert outcome.decision is decision
    if decision is Decision.FAIL:
        assert outcome.scope is Scope.CONTENT
        assert "2014" in outcome.text
    else:
        assert ("SIZE=2014" in server.accepted[0].parameters) is bool(offers)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("offers", "address", "flag", "parameters"), [
    (["SMTPUTF8", "8BITMIME"], "jörg@example.com", True, ("SMTPUTF8",)),
    (["SMTPUTF8", "8BITMIME"], "jörg@example.com", False, ("SMTPUTF8",)),
    (["SMTPUTF8", "8BITMIME"], "ada@example.com", True, ("SMTPUTF8",)),
    (["SMTPUTF8", "8BITMIME"], "ada@example.com", False, ()),
    (["8BITMIME"], "jörg@example.com", True, None),
    ([], "ada@example.com", True, None),
])  # fmt: skip
def test_smtputf8(offers: list[str], address: str, flag: bool, parameters: tuple[str, ...] | None, driver: str) -> None:
    with SmtpServer(ehlo=offers) as server, transport_to(server) as transport:
        outcome = deliver_one(transport, driver, envelope(rcpt_to=address, smtputf8=flag))
    if parameters is None:
        assert (outcome.decision, outcome.scope) == (Decision.FAIL, Scope.RECIPIENT)
        assert "SMTPUTF8" in outcome.text
        assert server.lines("MAIL") == []
    else:
        assert [(mail.rcpt_to, mail.parameters) for mail in server.accepted] == [((address,), parameters)]


def test_eight_bit_content_is_announced_or_refused() -> None:
    mail = envelope(data=HEAD + "café\r\n".encode())
    with SmtpServer(ehlo=["8BITMIME"]) as server, transport_to(server) as transport:
        assert transport.send(mail).decision is Decision.ACCEPTED
        assert transport.send(envelope(2)).decision is Decision.ACCEPTED
    assert [each.parameters for each in server.accepted] == [("BODY=8BITMIME",), ()]
    with SmtpServer(ehlo=[]) as server, transport_to(server) as transport:
        outcome = transport.send(mail)
    assert (outcome.decision, outcome.scope) == (Decision.FAIL, Scope.CONTENT)
    assert server.lines("MAIL") == []


@BOTH
@pytest.mark.parametrize("driver", DRIVERS)
def test_what_a_server_cannot_take_does_not_stop_the_others(driver: str, offers: tuple[str, ...]) -> None:
    mails = [envelope(1), envelope(2, data=HEAD + b"a\nb"), envelope(3, "<x>"), envelope(4)]
    with SmtpServer(ehlo=offers) as server, transport_to(server, connections=1) as transport:
        outcomes = deliver(transport, driver, mails)
    assert [outcomes[key].decision for key in (1, 2, 3, 4)] == ["ACCEPTED", "FAIL", "FAIL", "ACCEPTED"]
    assert server.sessions == 1


@pytest.mark.parametrize("code", ["500 what?", "502 5.5.1 what?", "504 no"])
def test_helo_for_those_who_know_nothing_else(code: str) -> None:
    with SmtpServer({"ehlo": code}) as server, transport_to(server) as transport:
        assert transport.send(envelope()).decision is Decision.ACCEPTED
    assert server.lines()[:3] == ["EHLO acme.example", "HELO acme.example", "MAIL FROM:<b+1@bounce.acme.example>"]


def test_helo_is_refused_too() -> None:
    with SmtpServer({"ehlo": "500 what?", "helo": "550 go away"}) as server, transport_to(server) as transport:
        assert transport.send(envelope()).decision is Decision.HOLD


@BOTH
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("data", [None, "354 go on"], ids=["refused", "354"])
def test_a_refused_recipient_and_the_mails_around_it(driver: str, offers: tuple[str, ...], data: str | None) -> None:
    """The server may answer DATA with 354 all the same, and even take the empty mail: it counts for nothing."""
    script = {"data": data, "eod": "250 2.0.0 Ok: even an empty one"}
    with (
        SmtpServer(script, ehlo=offers, rcpt={"no@example.com": "550 5.1.1 User unknown"}) as server,
        transport_to(server, connections=1) as transport,
    ):
        addresses = ["a@example.com", "no@example.com", "b@example.com", "no@example.com", "c@example.com"]
        mails = [envelope(key, address) for key, address in enumerate(addresses)]
        outcomes = deliver(transport, driver, mails)
    assert [outcomes[key].decision for key in range(5)] == ["ACCEPTED", "BOUNCE", "ACCEPTED", "BOUNCE", "ACCEPTED"]
    assert [mail.rcpt_to[0][0] for mail in server.accepted] == ["a", "b", "c"]
    assert all(mail.data == BODY for mail in server.accepted)
    assert server.sessions == 1
    assert len(server.lines("RSET")) == 2


@BOTH
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("script", [
    {"mail": "550 5.7.1 no", "rcpt": "250 Ok", "data": "354 go", "eod": "250 took it"},
    {"mail": "451 4.3.0 later", "rcpt": "250 Ok", "data": "250 what", "eod": "250 took it"},
    {"data": "250 took it already"},
    {"rcpt": "354 go", "data": "354 go", "eod": "250 took it"},
], ids=["mail", "data 250", "250 for 354", "354 for 250"])  # fmt: skip
def test_a_confused_server_accepts_nothing(driver: str, offers: tuple[str, ...], script: dict[str, str]) -> None:
    with SmtpServer(dict(script), ehlo=offers) as server, transport_to(server) as transport:
        outcome = deliver_one(transport, driver)
    assert outcome.decision is (Decision.HOLD if script.get("mail", "")[:1] == "5" else Decision.RETRY)
    assert server.accepted == []


@BOTH
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_reply_before_its_time_is_no_acceptance(driver: str, offers: tuple[str, ...]) -> None:
    """A second reply behind 354 must not pass for the one to the body that is not out yet."""
    with (
        SmtpServer({"data": "354 go\r\n250 2.0.0 Ok: too early"}, ehlo=offers) as server,
        transport_to(server) as transport,
    ):
        outcome = deliver_one(transport, driver)
    assert (outcome.decision, outcome.phase) == (Decision.RETRY, Phase.BODY)
    assert server.accepted == []


@BOTH
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_refused_reset_costs_the_connection_and_no_mail(driver: str, offers: tuple[str, ...]) -> None:
    script = {"rset": "500 what?"}
    with (
        SmtpServer(script, ehlo=offers, rcpt={"no@example.com": "550 5.1.1 no"}) as server,
        transport_to(server, connections=1) as transport,
    ):
        mails = [envelope(1, "no@example.com"), envelope(2), envelope(3)]
        outcomes = deliver(transport, driver, mails)
    assert [outcomes[key].decision for key in (1, 2, 3)] == ["BOUNCE", "ACCEPTED", "ACCEPTED"]
    assert server.sessions == 2


Journal = list[tuple[str, int]]


def journal() -> tuple[Journal, Callable[[int], None], Callable[[int, Outcome], None]]:
    notes: Journal = []
    return notes, lambda key: notes.append(("begin", key)), lambda key, outcome: notes.append((outcome.decision, key))


@BOTH
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_journal_hears_of_every_body_before_and_after(driver: str, offers: tuple[str, ...]) -> None:
    notes, begin, reply = journal()
    begun_at_eod: list[int] = []

    def eod(session: Session) -> None:
        begun_at_eod.append(sum(1 for word, _ in notes if word == "begin"))

    rcpt = {"no@example.com": "550 5.1.1 no"}
    with (
        SmtpServer({"eod": eod}, ehlo=offers, rcpt=rcpt) as server,
        transport_to(server, connections=1) as transport,
    ):
        mails = [envelope(1), envelope(2, "no@example.com"), envelope(3)]
        deliver(transport, driver, mails, Watching(begin, reply))
    assert notes == [("begin", 1), ("ACCEPTED", 1), ("BOUNCE", 2), ("begin", 3), ("ACCEPTED", 3)]
    assert begun_at_eod == [1, 2]


def test_a_journal_that_cannot_note_an_outcome_does_not_change_it(caplog: pytest.LogCaptureFixture) -> None:
    def reply(key: int, outcome: Outcome) -> None:
        raise OSError("No space left on device")

    with SmtpServer() as server, transport_to(server) as transport:
        assert transport.send(envelope(7), Watching(replied=reply)).decision is Decision.ACCEPTED
    assert "mail 7" in caplog.text


@BOTH
@pytest.mark.parametrize("driver", DRIVERS)
def test_with_pipelining_the_commands_travel_together(driver: str, offers: tuple[str, ...]) -> None:
    ahead: list[bytes] = []
    script = {"mail": lambda session: ahead.append(session.ahead)}
    with SmtpServer(script, ehlo=offers) as server, transport_to(server) as transport:
        deliver_one(transport, driver)
    assert ahead == [b"RCPT TO:<ada@example.com>\r\nDATA\r\n" if offers is EVERYTHING else b""]
