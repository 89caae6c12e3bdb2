"""Faults of a mail server through a real worker: the decision, and its effect on the ledger.

`TEST_FULL_SIZE=1` runs the long tests with as many emails as promised: 2,000 with drops, 1,000 that hang.
"""

import errno
import json
import os
import random
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email import message_from_bytes
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import update

from notifier import clock, ledger
from notifier.delivery.recovery.journal import Page
from notifier.delivery.throttle.breaker import Breaker
from notifier.delivery.throttle.gate import Gate, Portion
from notifier.delivery.throttle.slowdowns import Pace
from notifier.extensions import db
from notifier.models import Notification, TransportState
from notifier.reasons import ReasonCode, sentence
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.smtp_server import EVERYTHING, Accepted, Action, Session, SmtpServer
from tests.support.applications import NOON
from tests.support.certificates import certificates
from tests.support.live import LETTERS, Live, letter_templates
from tests.support.live_app import live_application

DATA = Path(__file__).parent.parent / "data"
PLAIN = tuple(offer for offer in EVERYTHING if offer != "PIPELINING")
FULL_SIZE = bool(os.environ.get("TEST_FULL_SIZE"))
ADA = "ada@example.com"

#: Seconds: what has to end soon, ends; what must not, has time on a slow machine.
SHORT = 0.1

pytestmark = [
    # One worker for all of them.
    # The worker's own loop warns of what is none of ours.
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
]


@pytest.fixture(scope="module")
def live_app(migrated_sqlite: Path, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("live")
    wiring = {"kinds": LETTERS, "templates": letter_templates(folder / "templates")}
    with live_application(folder, migrated_sqlite, valkey, wiring=wiring) as app:
        yield app


@pytest.fixture(scope="module")
def one_worker(live_app: Flask) -> Iterator[Live]:
    with Live(live_app) as live:
        yield live


@pytest.fixture
def live(one_worker: Live) -> Iterator[Live]:
    one_worker.forget()
    yield one_worker
    one_worker.transport.close()


Way = Callable[[Live, list[int]], list[Notification]]
#: Bulk mail and a person's own mail, to servers of both kinds.
WAYS: dict[str, tuple[Way, tuple[str, ...]]] = {
    "batch-pipelined": (Live.deliver, EVERYTHING),
    "alone-plain": (Live.deliver_alone, PLAIN),
}


def cases(suite: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in json.loads((DATA / f"{suite}.json").read_text())]


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What an operator is woken up by."""
    return [record.getMessage() for record in caplog.records if "transport.held" in record.getMessage()]


def message_id(mail: Accepted) -> str:
    (found,) = message_from_bytes(mail.data).get_all("Message-ID", [])
    return str(found)


def text_of(mail: Accepted) -> str:
    """The plain text of a mail as its reader gets it."""
    (part,) = (part for part in message_from_bytes(mail.data).walk() if part.get_content_type() == "text/plain")
    text = part.get_payload(decode=True)
    assert isinstance(text, bytes)
    return text.decode().replace("\r\n", "\n")


def people(number: int) -> list[str]:
    return [f"person{n}@example.com" for n in range(number)]


def copies(server: SmtpServer) -> Counter[str]:
    """Recipient -> mails that the server took."""
    return Counter(mail.rcpt_to[0] for mail in server.accepted)


# --- the corpus ------------------------------------------------------------------------------------

#: Decision -> what the ledger says afterwards: status, tries that count, tries of unknown end, tries that are kept.
EFFECTS: dict[str, tuple[str, int, int, list[str]]] = {
    "ACCEPTED": ("sent", 1, 0, []),
    "RETRY": ("pending", 1, 0, ["RETRY"]),
    "THROTTLE": ("pending", 0, 0, ["THROTTLE"]),
    "HOLD": ("pending", 0, 0, ["HOLD"]),
    "FAIL": ("failed", 1, 0, ["FAIL"]),
    "BOUNCE": ("failed", 1, 0, ["BOUNCE"]),
    "UNKNOWN": ("pending", 1, 1, ["UNKNOWN"]),
}


def effects(live: Live, row: Notification) -> tuple[str, int, int, list[str]]:
    decisions = [attempt.decision for attempt in live.attempts() if attempt.notification_id == row.id]
    return row.status, row.attempts, row.unknowns, decisions


def reachable(live: Live, case: dict[str, Any], server: SmtpServer) -> None:
    """Set up the client's side of a case."""
    phase, reply = case["phase"], case["reply"]
    settings: dict[str, Any] = {}
    if phase in {"starttls", "auth"}:
        settings = {"mail_use_tls": True, "mail_ca_file": certificates().authority}
    if phase == "auth":
        settings |= {"mail_username": "ada", "mail_password": "secret"}
    short = {Phase("banner" if phase == "connect" else phase): SHORT} if reply == "HANG" else {}
    if phase == "connect" and reply == "timeout":
        # 192.0.2.0/24 (RFC 5737) has no hosts: nobody answers, or the network says so at once.
        settings, short = {"mail_server": "192.0.2.1"}, {Phase.CONNECT: SHORT}
    if phase == "connect" and reply == "dns":
        settings = {"mail_server": "mail.nowhere.example"}
    if phase == "connect" and reply == "refused":
        server.stop()
    live.speak_with(server, timeouts=short, **settings)


def serving(case: dict[str, Any], offers: tuple[str, ...]) -> SmtpServer:
    """The server's side of a case."""
    phase, reply = case["phase"], case["reply"]
    made = certificates()
    contexts = {"BAD_CERT": made.self_signed, "EXPIRED_CERT": made.expired, "WRONG_HOST": made.wrong_host}
    secure = phase in {"starttls", "auth"} and reply != "NOT_OFFERED"
    special = {*contexts, "NOT_OFFERED", "DISK_FULL_LOCAL", "refused", "dns", "timeout"}
    return SmtpServer(
        {} if reply in special else {phase: reply},
        ehlo=offers,
        tls=contexts.get(reply, made.good) if secure else None,
        users={"ada": "secret"} if phase == "auth" else None,
        # So that a long body meets what happens meanwhile, and not the buffers of the kernel.
        receive_buffer=4096 if phase == "body" else None,
    )


@pytest.fixture
def troubles(live: Live, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Troubles on our side, by name."""

    def make(name: str) -> None:
        if name == "dns":
            real = socket.getaddrinfo

            def unknown_host(host: Any, *args: Any, **options: Any) -> Any:
                if host == "mail.nowhere.example":
                    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
                return real(host, *args, **options)

            monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
        if name == "DISK_FULL_LOCAL":

            def full(page: Page, *record: object) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            monkeypatch.setattr(Page, "begin", full)
            monkeypatch.setattr(Page, "replied", full)

    return make


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", cases("smtp"))
def test_a_reply_has_its_decision_and_its_effects(
    live: Live,
    case: dict[str, Any],
    way: str,
    troubles: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    deliver, offers = WAYS[way]
    expected, scope, reply = case["expect"], case["scope"], case["reply"]
    with serving(case, offers) as server:
        reachable(live, case, server)
        troubles(reply)
        # Longer than what any kernel takes at once.
        long = {"text": "x" * 70 + "\n", "times": 60_000} if reply == "DROP_AFTER_1KB" else {}
        before = clock.now()
        (row,) = deliver(live, live.owe(ADA, params=long))
        live.transport.close()

    assert effects(live, row) == EFFECTS[expected]
    assert (row.lease_until, row.claims, row.transport) == (None, 1, "smtp")

    # The way: held or slowed where the server wants that, and else open for the next mail.
    by_provider = scope == "provider"
    assert len(live.held()) == len(alerts(caplog)) == (expected == "HOLD" and not by_provider)
    assert len(live.held_providers()) == (expected == "HOLD" and by_provider)
    slowed = {"domain": "domain:example.com", "provider": "provider:smtp:example.com"}
    key = slowed.get(scope.replace("recipient", "domain"), "transport:smtp")
    assert set(live.paused()) == ({key} if expected == "THROTTLE" else set())
    assert all(until > before for until in live.paused().values())

    # The address: only what is about itself counts against it.
    assert [(each.identity_key, each.reason) for each in live.suppressions()] == (
        [(ADA, "hard_bounce")] if expected == "BOUNCE" else []
    )

    # The mail: when it goes on, and why it stands where it stands.
    if row.status == "pending":
        soonest, latest = (300, 301) if "greylist" in reply else (30, 60)
        wait = row.next_attempt_at - before
        assert timedelta(seconds=soonest) <= wait <= timedelta(seconds=latest + 10)
        assert row.enqueue_at == row.next_attempt_at
    else:
        assert row.settled_at is not None
    copies_taken = len(server.accepted)
    assert copies_taken == 1 if expected == "ACCEPTED" else copies_taken <= (expected == "UNKNOWN")
    if expected == "ACCEPTED":
        assert row.sent_at is not None
    else:
        explained(live, row, case)


def explained(live: Live, row: Notification, case: dict[str, Any]) -> None:
    """The row, the try and what is held or suppressed all tell what the server said."""
    (attempt,) = live.attempts()
    # A connection that ends as soon as it is made may seem to have ended before.
    phases = {"connect", "banner"} if case["phase"] == "connect" else {case["phase"]}
    code = int(case["reply"][:3]) if case["reply"][:3].isdecimal() else None
    assert attempt.phase in phases
    assert (row.last_phase, row.last_code) == (attempt.phase, attempt.code) == (attempt.phase, code)
    said = case["reply"][4:].split(" ", 1)[-1] if code else ""
    assert said in (row.last_text or "")
    assert row.last_text == attempt.text
    reasons = {
        ("HOLD", False): ReasonCode.transport_held,
        ("HOLD", True): ReasonCode.provider_held,
        ("THROTTLE", True): ReasonCode.provider_slowed,
        ("UNKNOWN", False): ReasonCode.delivery_uncertain,
    }
    expected = reasons.get((case["expect"], case["scope"] == "provider"))
    reason = said if expected is None else sentence(expected, provider="example.com")
    assert reason in (row.reason or "")
    for held in live.held():
        assert (held.name, held.phase, held.code) == ("smtp", attempt.phase, code)
        assert said in (held.text or "")
    for suppression in live.suppressions():
        assert suppression.source == "smtp"
        assert suppression.evidence.startswith(str(code))
        assert said in suppression.evidence


@pytest.mark.parametrize(("policy", "status"), [("resend", "pending"), ("never", "unknown"), ("ask", "unknown")])
@pytest.mark.parametrize("reply", ["DROP", "RST", "HANG", "FIN_WITHOUT_REPLY"])
def test_an_unknown_end_goes_by_the_policy_of_the_row(live: Live, reply: str, policy: str, status: str) -> None:
    with SmtpServer({"eod": [reply]}) as server:
        live.speak_with(server, timeouts={Phase.EOD: SHORT})
        (row,) = live.deliver(live.owe(ADA, on_unknown=policy))
        assert effects(live, row) == (status, 1, 1, ["UNKNOWN"])
        assert row.reason_code == ReasonCode.delivery_uncertain
        # Whatever rings again and again: only `resend` sends again.
        live.make_due()
        live.sweep()
        (row,) = live.deliver([row.id])
    assert (row.status, copies(server)[ADA]) == (("sent", 2) if policy == "resend" else ("unknown", 1))
    assert row.unknowns == 1
    assert len({message_id(mail) for mail in server.accepted}) == 1


@pytest.mark.parametrize("offers", [EVERYTHING, PLAIN], ids=["pipelined", "plain"])
@pytest.mark.parametrize("case", cases("smtp_multi"))
def test_each_recipient_has_a_decision_of_its_own(live: Live, case: dict[str, Any], offers: tuple[str, ...]) -> None:
    """The corpus has them share a transaction. Here each has its own, so a recipient that the server took is
    ACCEPTED whatever happens to the next one; the others are as the corpus says."""
    replies = {address: reply or "DROP" for address, reply in case["replies"].items()}
    expected = {
        address: EFFECTS["ACCEPTED" if replies[address].startswith("2") else decision]
        for address, decision in case["expect"].items()
    }
    with SmtpServer(rcpt=replies, ehlo=offers) as server:
        live.speak_with(server)
        rows = live.deliver(live.owe(*replies))
    assert {row.recipient: effects(live, row) for row in rows} == expected
    assert copies(server) == {address: 1 for address, reply in replies.items() if reply.startswith("2")}
    assert [each.identity_key for each in live.suppressions()] == [
        address for address, decision in case["expect"].items() if decision == "BOUNCE"
    ]


@pytest.mark.parametrize("deliver", [Live.deliver, Live.deliver_alone], ids=["batch", "alone"])
@pytest.mark.parametrize("case", cases("smtp_cap"))
def test_what_the_server_can_take_is_respected(live: Live, case: dict[str, Any], deliver: Way) -> None:
    text = "x" * case["body_bytes"] if "body_bytes" in case else case.get("body", "x")
    with SmtpServer(ehlo=case["ehlo"]) as server:
        live.speak_with(server)
        (row,) = deliver(live, live.owe(case.get("address", ADA), params={"text": text}))
    assert effects(live, row) == EFFECTS[case["expect"]]
    assert (live.held(), live.paused(), live.suppressions()) == ([], {}, [])
    if case["expect"] == "FAIL":
        assert "RFC" in (row.reason or "")
        assert server.lines("MAIL") == server.lines("DATA") == []
        return
    (mail,) = server.accepted
    assert mail.data.isascii()
    assert max(map(len, mail.data.split(b"\r\n"))) <= 998
    assert text_of(mail).rstrip("\n") == text.rstrip("\n")


# --- after the dot ---------------------------------------------------------------------------------

AT_QUIT = ("221 2.0.0 Bye", "500 5.5.2 What?", "421 4.3.2 Shutting down", "DROP", "RST", "HANG", "garbage")


@pytest.mark.parametrize("reply", AT_QUIT)
def test_what_was_accepted_stays_accepted_whatever_happens_at_quit(live: Live, reply: str) -> None:
    with SmtpServer({"quit": reply}) as server:
        # A few mails on each connection, so that QUIT is said all the time and not only at the end.
        live.speak_with(server, timeouts={Phase.QUIT: SHORT}, connections=4, max_emails=7)
        rows = live.deliver(live.owe(*people(100)), batch=50)
        live.transport.close()
        live.make_due()
        live.sweep()
    assert copies(server) == dict.fromkeys(people(100), 1)
    assert [(row.status, row.attempts, row.unknowns, row.claims) for row in rows] == [("sent", 1, 0, 1)] * 100
    assert [(row.status, row.claims) for row in live.rows()] == [("sent", 1)] * 100
    assert live.attempts() == []
    assert len(server.lines("QUIT")) >= 10


def test_mails_whose_end_is_unknown_reach_everybody_with_as_few_copies_as_can_be(live: Live) -> None:
    everybody = people(2000 if FULL_SIZE else 500)
    dice = random.Random(1047)
    dropped: list[str] = []

    def after_the_dot(session: Session) -> Action:
        if dice.random() >= 0.1:
            return None
        dropped.append(session.rcpt_to[0])
        return "DROP"

    with SmtpServer({"eod": after_the_dot}) as server:
        live.speak_with(server)
        rows = live.deliver(live.owe(*everybody, bulk=True), batch=250)
        assert Counter(row.status for row in rows) == {"sent": len(everybody) - len(dropped), "pending": len(dropped)}
        for _ in range(10):
            live.make_due()
            live.sweep()
            if all(row.status == "sent" for row in live.rows()):
                break

    assert len(everybody) / 20 < len(dropped) < len(everybody) / 5
    taken = copies(server)
    assert set(taken) == set(everybody)
    assert taken.total() - len(everybody) <= len(dropped)
    ids = defaultdict(set)
    for mail in server.accepted:
        ids[mail.rcpt_to[0]].add(message_id(mail))
    assert all(len(each) == 1 for each in ids.values())
    assert len(set.union(*ids.values())) == len(everybody)

    rows = live.rows()
    unknowns = Counter(dropped)
    assert {row.status for row in rows} == {"sent"}
    assert {row.recipient: row.unknowns for row in rows} == {each: unknowns[each] for each in everybody}
    kept = Counter((attempt.notification_id, attempt.decision) for attempt in live.attempts())
    assert kept == {(row.id, "UNKNOWN"): row.unknowns for row in rows if row.unknowns}


# --- one batch, many outcomes ----------------------------------------------------------------------


@pytest.mark.parametrize("offers", [EVERYTHING, PLAIN], ids=["pipelined", "plain"])
def test_in_a_batch_every_row_has_its_own_outcome(live: Live, offers: tuple[str, ...]) -> None:
    replies: list[tuple[Action, str]] = [
        (None, "ACCEPTED"),
        ("550 5.1.1 User unknown", "BOUNCE"),
        ("450 4.1.1 Unverified address", "RETRY"),
        ("550 5.7.1 Refused by policy", "FAIL"),
        ("450 4.2.1 Receiving mail too quickly", "THROTTLE"),
    ]
    everybody = people(50)
    wanted = {address: replies[number % 5] for number, address in enumerate(everybody)}
    with SmtpServer(rcpt={address: reply for address, (reply, _) in wanted.items()}, ehlo=offers) as server:
        live.speak_with(server, connections=4)
        rows = live.deliver(live.owe(*everybody))
    assert {row.recipient: effects(live, row) for row in rows} == {
        address: EFFECTS[decision] for address, (_, decision) in wanted.items()
    }
    assert {row.recipient: row.last_text for row in rows if row.status != "sent"} == {
        address: reply[10:] for address, (reply, _) in wanted.items() if reply is not None
    }
    assert copies(server) == {address: 1 for address, (_, decision) in wanted.items() if decision == "ACCEPTED"}
    assert {each.identity_key for each in live.suppressions()} == {
        address for address, (_, decision) in wanted.items() if decision == "BOUNCE"
    }
    assert set(live.paused()) == {"domain:example.com"}
    assert live.held() == []


@pytest.mark.parametrize("phase", ["mail", "data", "eod"])
def test_a_refusal_now_and_then_concerns_its_own_mail_only(live: Live, phase: str) -> None:
    refused: list[Action] = [None, None, "451 4.3.0 Not now"] * 16
    with SmtpServer({phase: refused}) as server:
        live.speak_with(server, connections=4)
        rows = live.deliver(live.owe(*people(48)))
    assert Counter(row.status for row in rows) == {"sent": 32, "pending": 16}
    assert copies(server) == {row.recipient: 1 for row in rows if row.status == "sent"}
    assert {attempt.decision for attempt in live.attempts()} == {"RETRY"}
    assert {(row.status, row.attempts) for row in rows} == {("sent", 1), ("pending", 1)}


# --- trouble of our own ----------------------------------------------------------------------------

#: From one sweep to the next, by the clock of the test.
STEP = timedelta(seconds=10)

SECURE: dict[str, Any] = {"mail_use_tls": True, "mail_username": "ada", "mail_password": "secret"}


def harmless(line: str) -> bool:
    """Whether a command may be sent to anybody, in clear."""
    return line.split(" ")[0] in {"EHLO", "HELO", "STARTTLS", "QUIT"}


def test_refused_credentials_hold_the_mail_for_as_long_as_they_are_refused_and_no_longer(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    works_again = NOON + timedelta(minutes=10)
    logins: list[datetime] = []

    def login(_: Session) -> Action:
        logins.append(clock.now())
        return None if clock.now() >= works_again else "535 5.7.8 Authentication credentials invalid"

    with (
        # It ticks as well: a sweep and what it rings for are not at the very same moment.
        time_machine.travel(NOON) as traveller,
        SmtpServer({"auth": login}, tls=certificates().good, users={"ada": "secret"}) as server,
    ):
        live.speak_with(server, mail_ca_file=certificates().authority, **SECURE)
        live.deliver(live.owe(*people(20), bulk=True))
        while clock.now() < works_again:
            if len(live.rows()) == 20 and clock.now() > NOON + timedelta(minutes=5):
                live.deliver_alone(live.owe(ADA))  # mail that comes meanwhile waits, too
            assert {(row.status, row.attempts) for row in live.rows()} == {("pending", 0)}
            assert [held.code for held in live.held()] == [535]
            live.sweep()
            traveller.shift(STEP)
        assert server.accepted == []
        while any(row.status == "pending" for row in live.rows()) and clock.now() < works_again + timedelta(hours=1):
            live.sweep()
            traveller.shift(STEP)
        ended = clock.now()

    assert {(row.status, row.attempts) for row in live.rows()} == {("sent", 1)}
    assert copies(server) == dict.fromkeys([*people(20), ADA], 1)
    assert ended - works_again <= timedelta(minutes=5) + 2 * STEP
    assert len(alerts(caplog)) == 1
    assert live.held() == []
    # The batch that found out tried on a few connections at once; after it, one mail at a time.
    first = [moment for moment in logins if moment < NOON + timedelta(seconds=30)]
    probes = [moment for moment in logins if NOON + timedelta(seconds=30) < moment][:4]
    assert len(first) <= 10
    waits = [(later - earlier).total_seconds() for earlier, later in pairwise([first[-1], *probes])]
    assert [int(wait // 10 * 10) for wait in waits] == [60, 120, 240, 300]
    assert all(harmless(command.line) or command.tls for command in server.commands)


def test_of_two_servers_that_refuse_us_each_is_probed_in_its_turn(live: Live) -> None:
    """Both are due for a probe at the same moment; one mail can find out about one of them only."""
    refused = Outcome(Decision.HOLD, Phase.AUTH, Scope.TRANSPORT, 535)
    with time_machine.travel(NOON, tick=False) as traveller, live.app.app_context():
        breaker = Breaker(db.session, fresh=0)
        gate = Gate(db.session, breaker, Pace(db.session), transports=("one", "two"), choose=min)
        for name in ("one", "two"):
            breaker.report(name, refused, clock.now())
        traveller.shift(timedelta(minutes=1))
        pks = live.owe(ADA)
        probed = []
        for _ in range(2):
            for portion in gate.portions(pks):
                assert isinstance(portion, Portion)
                probed.append(portion.transport)
                portion.report(ADA, refused, clock.now())
    assert probed == ["one", "two"]


def test_a_hold_that_ends_while_a_row_is_put_off_does_not_keep_that_row(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker sees the hold; before it has put its rows off, another one's probe gets through."""
    with SmtpServer({"mail": ["530 5.7.0 Authentication required"]}) as server:
        live.speak_with(server)
        live.deliver(live.owe(ADA))
        gate = services_of(live.app).sender.gate
        look, ended = gate._breaker.ask, threading.Event()

        def look_and_be_slow(name: str, now: datetime) -> Any:
            answer = look(name, now)
            if not ended.is_set():
                ended.set()
                with live.app.app_context():
                    db.session.execute(update(TransportState).values(held_since=None))
                    db.session.commit()
                    ledger.wake(db.session(), code=ReasonCode.transport_held, now=clock.now())
                    db.session.commit()
            return answer

        monkeypatch.setattr(gate._breaker, "ask", look_and_be_slow)
        late = live.owe("late@example.com")
        live.deliver(late)
        live.deliver(late)
    assert ended.is_set()
    assert copies(server) == {"late@example.com": 1}


@pytest.mark.parametrize("bulk", [True, False])
def test_a_try_that_ends_before_the_sweep_has_noted_its_ringing_keeps_its_next_moment(
    live: Live, monkeypatch: pytest.MonkeyPatch, bulk: bool
) -> None:
    sweep = services_of(live.app).sweep
    ring = sweep._publish

    def ring_and_be_slow(keys: list[int], *, bulk: bool) -> bool:
        taken = ring(keys, bulk=bulk)
        live.wait()
        return bool(taken)

    monkeypatch.setattr(sweep, "_publish", ring_and_be_slow)
    with SmtpServer({"rcpt": "450 4.1.1 Unverified address"}) as server, live.app.app_context():
        live.speak_with(server)
        live.owe(ADA, bulk=bulk)
        sweep.run()
    (row,) = live.rows()
    assert row.attempts == 1
    assert row.enqueue_at == row.next_attempt_at


@pytest.mark.parametrize(
    ("certificate", "settings"),
    [
        pytest.param("wrong_host", SECURE, id="for_another_host"),
        pytest.param("self_signed", SECURE, id="of_a_stranger"),
        pytest.param("expired", SECURE, id="expired"),
        pytest.param(None, SECURE, id="starttls_not_offered"),
        pytest.param(None, {"mail_use_tls": True}, id="starttls_not_offered_and_no_login"),
        pytest.param(None, {"mail_username": "ada", "mail_password": "secret"}, id="login_without_tls"),
        pytest.param("wrong_host", {"mail_use_ssl": True}, id="for_another_host_from_the_first_byte"),
    ],
)
def test_a_server_that_cannot_be_trusted_sees_neither_mail_nor_secrets(
    live: Live, certificate: str | None, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    context = getattr(certificates(), certificate) if certificate else None
    implicit = "mail_use_ssl" in settings
    with (
        time_machine.travel(NOON, tick=False) as traveller,
        SmtpServer(tls=context, implicit=implicit, users={"ada": "secret"}) as server,
    ):
        live.speak_with(server, mail_ca_file=certificates().authority, **settings)
        live.deliver(live.owe(*people(5), bulk=True))
        for _ in range(5):
            traveller.shift(timedelta(minutes=1))
            live.sweep()
    assert all(harmless(command.line) for command in server.commands)
    assert server.accepted == []
    assert server.sessions >= 3  # it was probed, too
    assert [held.name for held in live.held()] == ["smtp"]
    assert {(row.status, row.attempts) for row in live.rows()} == {("pending", 0)}
    assert len(alerts(caplog)) == 1


# --- time ------------------------------------------------------------------------------------------

#: Phase -> what happens in it.
HANGS: dict[str, Action] = {
    "banner": "HANG",
    "ehlo": "HANG",
    "starttls": "HANG",
    "handshake": ("220 2.0.0 Go ahead", "HANG"),
    "auth": "HANG",
    "mail": "HANG",
    "rcpt": "HANG",
    "data": "HANG",
    "body": "HANG",
    "eod": "HANG",
    "quit": "HANG",
}
DRIPS: dict[str, Action] = {phase: "DRIP" for phase in HANGS if phase not in {"handshake", "body"}}


def stall(live: Live, phase: str, action: Action, mails: int) -> float:
    """Meet a server that stalls, with `mails` at once. The seconds that the worker was busy with it."""
    secure = phase in {"starttls", "handshake", "auth"}
    tls = certificates().good if secure else None
    script = {"starttls" if phase == "handshake" else phase: action}
    settings = SECURE | {"mail_ca_file": certificates().authority} if secure else {}
    # What says nothing meets the patience for its phase; what says something all the time, the deadline.
    patience = {"handshake": [Phase.STARTTLS], "body": [Phase.BODY, Phase.EOD]}.get(phase) or [Phase(phase)]
    drips = action == "DRIP" and phase != "quit"
    timeouts = {} if drips else dict.fromkeys(patience, SHORT)
    total = 2 * SHORT if drips else 10.0
    live.forget()
    with SmtpServer(
        script, tls=tls, users={"ada": "secret"} if secure else None, drip=SHORT, receive_buffer=4096
    ) as server:
        live.speak_with(server, timeouts=timeouts, total=total, connections=mails, max_emails=1, **settings)
        pks = live.owe(*people(mails), params={"times": 40_000 if phase == "body" else 1})
        began = time.monotonic()
        rows = live.deliver(pks)
        busy = time.monotonic() - began
        live.transport.close()
    assert {row.claims for row in rows} == {1}
    assert {row.status for row in rows} == ({"sent"} if phase == "quit" else {"pending"})
    return busy


def resources() -> tuple[int, int]:
    """Threads and open files (sockets, too) of this process: ours and those of the scripted servers."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def test_a_server_that_stalls_keeps_no_worker_and_leaves_nothing_behind(live: Live) -> None:
    stalls = [*HANGS.items(), *DRIPS.items()]
    mails = -(-(1000 if FULL_SIZE else 300) // len(stalls))
    for phase in ("quit", "eod"):
        stall(live, phase, "HANG", mails)  # whatever is made once, is made
    before = resources()
    busy = {(phase, str(action)): stall(live, phase, action, mails) for phase, action in stalls}
    assert max(busy.values()) < 5, busy
    deadline = time.monotonic() + 5
    while any(now > then for now, then in zip(resources(), before, strict=True)) and time.monotonic() < deadline:
        time.sleep(0.02)
    threads, files = resources()
    assert threads <= before[0]
    assert files <= before[1]


def test_what_has_ended_is_stored_while_another_mail_takes_its_time(live: Live) -> None:
    """A server may think for five minutes after the dot: meanwhile the ledger says what became of the others."""
    others = [f"user{number}@example.com" for number in range(6)]
    # One of them may have been announced behind the slow one.
    enough = len(others) - 1
    seen: list[Counter[str]] = []

    def eod(session: Session) -> None:
        if session.rcpt_to == ["slow@example.com"]:
            deadline = time.monotonic() + 8
            while not seen or (seen[-1]["sent"] < enough and time.monotonic() < deadline):
                time.sleep(0.1)
                seen.append(Counter(row.status for row in live.rows()))

    with SmtpServer({"eod": eod}) as server:
        live.speak_with(server)
        rows = live.deliver(live.owe("slow@example.com", *others))
    assert seen[-1]["sent"] >= enough
    assert seen[-1]["sending"] >= 1
    assert {row.status for row in rows} == {"sent"}


@pytest.mark.parametrize("phase", ["rcpt", "eod"])
def test_an_address_that_the_server_repeats_holds_nobody(live: Live, phase: str) -> None:
    """Whoever signs up chooses its words: what they say of an IP is not the server's."""
    names = ["ptr@example.com", "reverse-dns@example.com", "ada@example.com"]

    def said(session: Session) -> str | None:
        (recipient,) = session.rcpt_to or [session.recipient]
        return None if recipient == "ada@example.com" else f"550 {recipient} is not wanted here"

    with SmtpServer({phase: said}) as server:
        live.speak_with(server)
        rows = live.deliver(live.owe(*names))
    assert [row.status for row in rows] == ["failed", "failed", "sent"]
    assert live.held() == []
