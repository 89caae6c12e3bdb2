"""The fake mail server: it answers as told, and tells the observer what a transport tells it."""

from dataclasses import replace

import pytest

from notifier.smtp.envelope import Later
from notifier.smtp.outcome import Decision, Outcome, Phase
from notifier.testing.mail_server import ACCEPTED, BUSY, NO_REPLY, UNKNOWN_USER, FakeMailServer
from tests.mail.test_message import PLAIN
from tests.support.mail import Watching

LATER = Outcome(*BUSY[:5], "later")


def test_the_narrowest_answer_counts() -> None:
    server = FakeMailServer(lambda handed: NO_REPLY if handed.key == 5 else ACCEPTED)
    server.answers |= {"smtp": BUSY, "b.example": LATER, ("other", "b.example"): UNKNOWN_USER, "x@b.example": ACCEPTED}
    people = ["x@b.example", "y@b.example", "z@c.example"]
    emails = [(key, replace(PLAIN, recipient=person)) for key, person in enumerate(people, 3)]
    assert dict(server(emails, "smtp", Watching())) == {3: ACCEPTED, 4: LATER, 5: BUSY}
    assert dict(server(emails, "other", Watching())) == {3: ACCEPTED, 4: UNKNOWN_USER, 5: NO_REPLY}
    assert [message.recipient for message in server.sent] == ["x@b.example", "x@b.example", "z@c.example"]
    assert [(handed.via, handed.number) for handed in server.handed] == [
        (via, number) for via in ("smtp", "other") for number in range(3)
    ]


@pytest.mark.parametrize("answer", [ACCEPTED, BUSY])
def test_the_observer_hears_of_bodies_and_outcomes(answer: Outcome) -> None:
    begun: list[int] = []
    replied: list[tuple[int, Outcome]] = []
    observer = Watching(begun.append, lambda key, outcome: replied.append((key, outcome)))
    assert list(FakeMailServer(answer)([(1, PLAIN), Later(0.0)], "smtp", observer)) == [(1, answer)]
    assert begun == ([1] if answer is ACCEPTED else [])
    assert replied == [(1, answer)]


def test_an_observer_that_stops_an_email_keeps_it_from_arriving() -> None:
    def refuse(key: int) -> None:
        raise OSError("the lease is over")

    server = FakeMailServer()
    [(_, outcome)] = server([(1, PLAIN)], "smtp", Watching(refuse))
    assert (outcome.decision, outcome.phase, outcome.text) == (Decision.RETRY, Phase.BODY, "the lease is over")
    assert server.sent == []
