"""Every case of the corpora through real sockets, by both drivers, with and without PIPELINING."""

import errno
import json
import socket
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from notifier.smtp.outcome import Outcome, Phase
from notifier.testing.smtp_server import EVERYTHING, SmtpServer
from tests.support.certificates import certificates
from tests.support.mail import BIG, BODY, DRIVERS, Watching, deliver, deliver_one, envelope, transport_to

DATA = Path(__file__).parent.parent / "data"
PLAIN = tuple(offer for offer in EVERYTHING if offer != "PIPELINING")
OFFERS = {"pipelined": EVERYTHING, "plain": PLAIN}
SHORT = 0.15


def cases(suite: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in json.loads((DATA / f"{suite}.json").read_text())]


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def secure(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What server and client need for a case of STARTTLS or AUTH."""
    made = certificates()
    contexts = {"BAD_CERT": made.self_signed, "EXPIRED_CERT": made.expired, "WRONG_HOST": made.wrong_host}
    context = contexts.get(case["reply"], made.good)
    server: dict[str, Any] = {"tls": None if case["reply"] == "NOT_OFFERED" else context}
    client: dict[str, Any] = {"mail_use_tls": True, "mail_ca_file": made.authority}
    if case["phase"] == "auth":
        server["users"] = {"ada": "secret"}
        client |= {"mail_username": "ada", "mail_password": "secret"}
    return server, client


def unreachable(kind: str, driver: str, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    if kind == "dns":

        def fail(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
    # 192.0.2.0/24 (RFC 5737) has no hosts: nobody answers, or the network says so at once.
    host = "192.0.2.1" if kind == "timeout" else "127.0.0.1"
    with transport_to(unused_port(), mail_server=host, timeouts={Phase.CONNECT: SHORT}) as transport:
        return deliver_one(transport, driver)


def disk_full(driver: str, offers: tuple[str, ...]) -> tuple[Outcome, SmtpServer]:
    def begin(key: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with SmtpServer(ehlo=offers) as server, transport_to(server) as transport:
        return deliver_one(transport, driver, observer=Watching(begin)), server


@pytest.mark.parametrize("offers", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", cases("smtp"))
def test_reply(case: dict[str, Any], driver: str, offers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    phase, reply = case["phase"], case["reply"]
    if phase == "connect" and reply in {"refused", "dns", "timeout"}:
        outcome = unreachable(reply, driver, monkeypatch)
    elif reply == "DISK_FULL_LOCAL":
        outcome, server = disk_full(driver, offers)
        assert server.accepted == []
    else:
        special = {"NOT_OFFERED", "BAD_CERT", "EXPIRED_CERT", "WRONG_HOST"}
        more, settings = secure(case) if phase in {"starttls", "auth"} else ({}, {})
        script = {} if reply in special else {phase: reply}
        short = {Phase(phase if phase != "connect" else "banner"): SHORT} if reply == "HANG" else {}
        data = BIG if phase == "body" else BODY
        with (
            SmtpServer(script, ehlo=offers, **more) as server,
            transport_to(server, timeouts=short, max_emails=1, **settings) as transport,
        ):
            outcome = deliver_one(transport, driver, envelope(data=data))
        if case["expect"] not in {"ACCEPTED", "UNKNOWN"}:
            assert server.accepted == []
    assert (outcome.decision, outcome.scope) == (case["expect"], case["scope"]), outcome


@pytest.mark.parametrize("offers", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", cases("smtp_multi"))
def test_each_recipient_has_a_decision_of_its_own(case: dict[str, Any], driver: str, offers: tuple[str, ...]) -> None:
    """The corpus has them share a transaction. Here each has its own, so a recipient that the server took is
    ACCEPTED whatever happens to the next one; the others are as the corpus says."""
    rcpt = {address: reply or "DROP" for address, reply in case["replies"].items()}
    mails = [envelope(key, address) for key, address in enumerate(rcpt)]
    with SmtpServer(rcpt=rcpt, ehlo=offers) as server, transport_to(server) as transport:
        outcomes = deliver(transport, driver, mails)
    for key, (address, expected) in enumerate(case["expect"].items()):
        taken = (case["replies"][address] or "").startswith("2")
        assert outcomes[key].decision == ("ACCEPTED" if taken else expected)
    assert [mail.rcpt_to for mail in server.accepted] == [
        (address,) for address, reply in rcpt.items() if reply.startswith("2")
    ]


def built(text: str) -> bytes:
    """A message as a careful builder makes it: 7 bit, short lines."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = "Hello"
    message.set_content(text, cte="quoted-printable")
    return message.as_bytes()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", cases("smtp_cap"))
def test_capabilities(case: dict[str, Any], driver: str) -> None:
    data = b"Subject: x\r\n\r\n" + b"x" * case["body_bytes"] if "body_bytes" in case else built(case.get("body", "x"))
    mail = envelope(data=data, rcpt_to=case.get("address", "ada@example.com"))
    with SmtpServer(ehlo=case["ehlo"]) as server, transport_to(server) as transport:
        outcome = deliver_one(transport, driver, mail)
    assert outcome.decision == case["expect"]
    if case["expect"] == "ACCEPTED":
        assert [each.data for each in server.accepted] == [data]
        assert data.isascii()
        assert max(map(len, data.split(b"\r\n"))) <= 998
    else:
        assert outcome.text
        assert server.lines("MAIL") == []
