"""The next mail's commands behind the final dot of this one: each keeps an outcome of its own."""

from collections import Counter

import pytest

from notifier.smtp.dialogue import Envelope
from notifier.smtp.outcome import Decision, Outcome, Phase
from notifier.testing.smtp_server import Session, SmtpServer
from tests.support.mail import Watching, deliver, envelope, transport_to

MAILS = 40


def mails(count: int = MAILS) -> list[Envelope]:
    return [envelope(key, f"user{key}@example.com") for key in range(count)]


def keys(server: SmtpServer) -> Counter[int]:
    return Counter(int(mail.rcpt_to[0].removeprefix("user").partition("@")[0]) for mail in server.accepted)


def by(decision: Decision, outcomes: dict[int, Outcome]) -> set[int]:
    return {key for key, outcome in outcomes.items() if outcome.decision is decision}


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("fault", ["DROP", "RST", "FIN_WITHOUT_REPLY", "garbage"])
def test_a_connection_that_dies_after_a_dot(fault: str, connections: int) -> None:
    """Only the mail whose dot was out is unknown; the one announced behind it goes to a new connection."""
    notes: Counter[tuple[str, int]] = Counter()

    def eod(session: Session) -> str | None:
        return fault if session.mails == 4 else None

    with (
        SmtpServer({"eod": eod}) as server,
        transport_to(
            server,
            connections=connections,
        ) as transport,
    ):
        watching = Watching(
            lambda key: notes.update([("begin", key)]), lambda key, outcome: notes.update([("reply", key)])
        )
        outcomes = deliver(transport, "loop", mails(), watching)
    unknown = by(Decision.UNKNOWN, outcomes)
    assert by(Decision.ACCEPTED, outcomes) | unknown == set(range(MAILS))
    assert len(unknown) == sum(not mail.replied for mail in server.accepted) >= MAILS // 4 - connections
    assert set(keys(server).values()) == {1}
    assert notes == Counter({(word, key): 1 for word in ("begin", "reply") for key in range(MAILS)})


@pytest.mark.parametrize("last", ["DROP", "RST", "421 4.3.2 enough", "452 4.5.3 too many messages on this connection"])
def test_a_server_that_ends_connections_costs_no_mail(last: str) -> None:
    """MAIL on a used connection meets the end of it: replaced at once, nothing is burnt (RFC 5321, 3.8)."""

    def mail(session: Session) -> str | None:
        return last if session.mails == 5 else None

    with SmtpServer({"mail": mail}) as server, transport_to(server, connections=3) as transport:
        outcomes = deliver(transport, "loop", mails())
    assert by(Decision.ACCEPTED, outcomes) == set(range(MAILS))
    assert set(keys(server).values()) == {1}


def test_a_421_after_the_dot_is_that_mails_only() -> None:
    def eod(session: Session) -> tuple[str, ...] | None:
        return ("421 4.3.2 bye", "DROP") if session.mails == 3 else None

    with SmtpServer({"eod": eod}) as server, transport_to(server, connections=2) as transport:
        outcomes = deliver(transport, "loop", mails())
    throttled = by(Decision.THROTTLE, outcomes)
    assert throttled
    assert throttled.isdisjoint(keys(server))
    assert by(Decision.ACCEPTED, outcomes) == set(keys(server)) == set(range(MAILS)) - throttled


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "eod"])
def test_refusals_in_the_middle(phase: str) -> None:
    reply = {"mail": "550 5.7.1 no", "rcpt": "550 5.1.1 no", "data": "554 no", "eod": "554 5.6.0 no"}[phase]
    decision = {"mail": "HOLD", "rcpt": "BOUNCE", "data": "FAIL", "eod": "FAIL"}[phase]

    def script(session: Session) -> str | None:
        return reply if session.mails % 3 == 0 else None

    with SmtpServer({phase: script}) as server, transport_to(server, connections=2) as transport:
        outcomes = deliver(transport, "loop", mails())
    refused = by(Decision(decision), outcomes)
    assert len(refused) >= MAILS // 3 - 2
    assert {outcomes[key].phase for key in refused} == {Phase(phase)}
    assert by(Decision.ACCEPTED, outcomes) == set(keys(server)) == set(range(MAILS)) - refused
    assert server.sessions <= 2


def test_the_commands_do_travel_behind_the_dot() -> None:
    ahead: list[bytes] = []
    script = {"eod": lambda session: ahead.append(session.ahead[:10])}
    with SmtpServer(script) as server, transport_to(server, connections=1) as transport:
        deliver(transport, "loop", mails(3))
    assert ahead == [b"MAIL FROM:", b"MAIL FROM:", b""]


def test_a_hang_after_a_dot_leaves_the_next_one_free() -> None:
    def eod(session: Session) -> str | None:
        return "HANG" if session.number == 1 and session.mails == 2 else None

    with (
        SmtpServer({"eod": eod}) as server,
        transport_to(server, connections=1, timeouts={Phase.EOD: 0.2}) as transport,
    ):
        outcomes = deliver(transport, "loop", mails(6))
    assert by(Decision.UNKNOWN, outcomes) == {1}
    assert by(Decision.ACCEPTED, outcomes) == {0, 2, 3, 4, 5}
    assert set(keys(server).values()) == {1}
