"""A provider that refuses us: only its recipients wait, by transport, until one email gets through."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select, update

from notifier import clock, ledger, retention
from notifier.delivery.deliver import Sender, TransientDelivery
from notifier.delivery.throttle.breaker import Breaker
from notifier.delivery.throttle.gate import Gate
from notifier.delivery.throttle.provider_holds import ProviderHolds
from notifier.delivery.throttle.provider_members import Members
from notifier.delivery.throttle.slowdowns import Pace
from notifier.extensions import db
from notifier.models import Notification, ProviderHold, TransportState
from notifier.observability import healthcheck
from notifier.reasons import ReasonCode
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import ACCEPTED, UNKNOWN_USER, FakeMailServer
from tests.delivery.test_breaker import counted
from tests.support.applications import NOON, make_user
from tests.support.dns import StubResolver

pytestmark = pytest.mark.usefixtures("frozen")

REFUSED = Outcome(Decision.HOLD, Phase.EOD, Scope.PROVIDER, 550, "5.7.515", "Access denied, sending domain")
SLOWED = Outcome(Decision.THROTTLE, Phase.RCPT, Scope.PROVIDER, 421, "4.7.28", "unusual rate")
SPAM = Outcome(Decision.FAIL, Phase.EOD, Scope.CONTENT, 554, "5.7.1", "spam")
AWAY = Outcome(Decision.THROTTLE, Phase.CONNECT, Scope.TRANSPORT, None, None, "refused")


def tried(servers: FakeMailServer) -> list[tuple[str, str]]:
    """Through which transport each email went, and to whom."""
    return [(handed.via, handed.message.recipient) for handed in servers.handed]


@pytest.fixture
def servers() -> FakeMailServer:
    return FakeMailServer()


Make = Callable[..., Sender]


@pytest.fixture
def make_sender(context: Flask, servers: FakeMailServer) -> Make:
    def make(transports: Sequence[str] = ("smtp",), members: Members | None = None) -> Sender:
        sender = services_of(context).sender
        servers.attach(sender)
        sender.gate = Gate(
            db.session,
            Breaker(db.session, fresh=0),
            Pace(db.session, fresh=0),
            transports=transports,
            choose=lambda open_: open_[0],
            holds=ProviderHolds(db.session, fresh=0),
            members=members,
        )
        return sender

    return make


def owed(*addresses: str, deadline: timedelta | None = None) -> list[int]:
    made = [
        ledger.add(
            db.session(),
            kind="verification",
            user=make_user(address),
            dedupe_key=f"test:{address}",
            now=NOON,
            grace=timedelta(0),
            deadline=None if deadline is None else NOON + deadline,
        )
        for address in addresses
    ]
    db.session.commit()
    return [row.id for row in made]


def at(domain: str, count: int) -> list[str]:
    return [f"{domain.partition('.')[0]}{number}@{domain}" for number in range(count)]


def rows() -> dict[str, Notification]:
    db.session.rollback()
    query = select(Notification).order_by(Notification.id).execution_options(populate_existing=True)
    return {row.recipient: row for row in db.session.scalars(query)}


def states(domain: str) -> set[tuple[str, int, str | None]]:
    return {(row.status, row.attempts, row.reason_code) for who, row in rows().items() if who.endswith(f"@{domain}")}


def holds() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(ProviderHold.key).order_by(ProviderHold.key)))


HELD = {("pending", 0, "provider_held")}
SENT = {("sent", 1, None)}


def test_only_its_recipients_wait_and_no_attempt_is_burnt(make_sender: Make, servers: FakeMailServer) -> None:
    servers.answers = {("smtp", domain): REFUSED for domain in ("outlook.com", "hotmail.com")}
    groups = zip(at("outlook.com", 5), at("hotmail.com", 5), at("gmail.com", 5), strict=True)
    mixed = [address for group in groups for address in group]
    make_sender().deliver(owed(*mixed, "ada@example.com"))
    assert states("outlook.com") == states("hotmail.com") == HELD
    assert states("gmail.com") == states("example.com") == SENT
    assert [who for _, who in tried(servers) if not who.endswith(("gmail.com", "example.com"))] == [
        "outlook0@outlook.com"
    ]
    assert holds() == ["smtp:microsoft"]
    assert db.session.scalar(select(func.count()).select_from(TransportState)) == 0
    row = rows()["hotmail4@hotmail.com"]
    assert (row.hold_key, row.reason) == (
        "smtp:microsoft",
        "Microsoft is refusing our emails: sending to it is on hold",
    )


def test_while_it_is_held_its_emails_are_not_claimed_and_a_single_one_waits_too(
    make_sender: Make, servers: FakeMailServer
) -> None:
    servers.answers["smtp", "outlook.com"] = REFUSED
    sender = make_sender()
    sender.deliver(owed("first@outlook.com"))
    (alone,) = owed("verify@live.com")
    sender.deliver([alone], quick_tries_left=3)
    sender.deliver(owed("b@outlook.com", "c@gmail.com"))
    found = rows()
    assert (found["verify@live.com"].claims, found["b@outlook.com"].claims) == (0, 0)
    assert found["verify@live.com"].next_attempt_at == NOON + timedelta(seconds=60)
    assert found["c@gmail.com"].status == "sent"


def test_one_email_probes_less_and_less_often_and_all_follow_when_it_gets_through(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers = {("smtp", domain): REFUSED for domain in ("outlook.com", "hotmail.com")}
    sender = make_sender()
    pks = owed(*at("outlook.com", 3), *at("hotmail.com", 3))
    sender.deliver(pks)
    for wait, tries in [(59, 1), (2, 2), (100, 2), (25, 3), (230, 3), (15, 4), (290, 4), (15, 5), (290, 5), (15, 6)]:
        frozen.shift(timedelta(seconds=wait))
        sender.deliver(pks)
        assert len(servers.handed) == tries, wait
    assert states("outlook.com") == states("hotmail.com") == HELD
    servers.forget()
    frozen.shift(timedelta(seconds=301))
    sender.deliver(pks)
    assert len(servers.handed) == 1
    assert holds() == []
    sender.deliver(pks)
    assert states("outlook.com") == states("hotmail.com") == SENT


def test_the_end_of_one_hold_wakes_nothing_that_waits_for_another(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers = {("smtp", domain): REFUSED for domain in ("outlook.com", "gmail.com")}
    sender = make_sender()
    microsoft, google = owed(*at("outlook.com", 3)), owed(*at("gmail.com", 3))
    sender.deliver([*microsoft, *google])
    # What waited for the first probe, in vain, waits for the second one.
    frozen.shift(timedelta(seconds=61))
    sender.deliver([*microsoft, *google])
    del servers.answers["smtp", "outlook.com"]
    frozen.shift(timedelta(seconds=121))
    sender.deliver(microsoft[:1])
    due = {who: row.next_attempt_at <= clock.now() for who, row in rows().items() if row.status == "pending"}
    assert due["outlook2@outlook.com"]
    sender.deliver([*microsoft, *google])
    assert states("outlook.com") == SENT
    assert states("gmail.com") == HELD
    assert holds() == ["smtp:gmail"]


def test_another_transport_carries_what_a_provider_refuses_through_the_first(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers["first", "outlook.com"] = REFUSED
    sender = make_sender(["first", "second"])
    pks = owed(*at("outlook.com", 4), *at("gmail.com", 2))
    sender.deliver(pks)
    assert states("outlook.com") == HELD
    frozen.shift(timedelta(seconds=30))
    db.session.execute(update(Notification).values(next_attempt_at=NOON, enqueue_at=NOON))
    db.session.commit()
    sender.deliver(pks)
    assert states("outlook.com") == SENT
    found = rows().values()
    assert {(row.recipient.partition("@")[2], row.transport) for row in found} == {
        ("outlook.com", "second"),
        ("gmail.com", "first"),
    }
    # The first one is still found out about, in passing, by one email.
    frozen.shift(timedelta(seconds=31))
    del servers.answers["first", "outlook.com"]
    servers.handed.clear()
    sender.deliver(owed("x@outlook.com", "y@outlook.com"))
    assert sorted(via for via, _ in tried(servers)) == ["first", "second"]
    assert holds() == []


def test_a_domain_of_no_known_provider_is_held_alone(make_sender: Make, servers: FakeMailServer) -> None:
    servers.answers["smtp", "one.example"] = REFUSED
    make_sender().deliver(owed(*at("one.example", 3), *at("two.example", 3)))
    assert holds() == ["smtp:one.example"]
    assert (states("one.example"), states("two.example")) == (HELD, SENT)


def test_held_emails_expire_by_their_deadline(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers["smtp", "outlook.com"] = REFUSED
    sender = make_sender()
    pks = owed(*at("outlook.com", 2), deadline=timedelta(seconds=40))
    sender.deliver(pks)
    frozen.shift(timedelta(seconds=41))
    ledger.expire(db.session(), now=clock.now(), limit=10)
    db.session.commit()
    assert {row.status for row in rows().values()} == {"expired"}


def test_a_provider_that_asks_us_to_slow_down_slows_nobody_else(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers["smtp", "yahoo.com"] = SLOWED
    sender = make_sender()
    sender.deliver(owed(*at("yahoo.com", 3), *at("gmail.com", 3)))
    assert states("gmail.com") == SENT
    assert states("yahoo.com") == {("pending", 0, "provider_slowed")}
    assert len([who for _, who in tried(servers) if who.endswith("yahoo.com")]) == 1
    assert rows()["yahoo2@yahoo.com"].reason == "Yahoo asked us to slow down"
    (later,) = owed("later@ymail.com")
    with pytest.raises(TransientDelivery):
        sender.deliver([later], quick_tries_left=1)
    assert rows()["later@ymail.com"].claims == 0
    servers.forget()
    frozen.shift(timedelta(seconds=2))
    sender.deliver([later])
    assert states("ymail.com") == SENT


def test_a_provider_that_slows_one_transport_gets_its_emails_by_another(
    make_sender: Make, servers: FakeMailServer
) -> None:
    servers.answers["first", "yahoo.com"] = SLOWED
    sender = make_sender(["first", "second"])
    sender.deliver(owed("a@yahoo.com"))
    sender.deliver(owed("b@yahoo.com", "c@gmail.com"))
    assert tried(servers) == [("first", "a@yahoo.com"), ("first", "c@gmail.com"), ("second", "b@yahoo.com")]


def test_only_what_waits_for_this_hold_wakes(context: Flask) -> None:
    mine, other, elsewhere = owed("a@outlook.com", "b@gmail.com", "c@outlook.com")
    session, later = db.session(), NOON + timedelta(minutes=5)
    for pk, key in ((mine, "smtp:microsoft"), (other, "smtp:gmail"), (elsewhere, "smtp:microsoft")):
        ledger.defer(session, [pk], until=later, code=ReasonCode.provider_held, hold_key=key, provider="Provider")
    # It went on, and waits for something else by now. Its key stays.
    ledger.defer(session, [elsewhere], until=later + timedelta(minutes=1), code=ReasonCode.rate_limited)
    assert ledger.count_held(session, "smtp:microsoft", limit=10) == 1
    assert ledger.wake_held(session, "smtp:microsoft", now=NOON, limit=10) == 1
    session.commit()
    assert {row.id for row in rows().values() if row.next_attempt_at == NOON} == {mine}


@pytest.mark.parametrize(
    ("meets", "over", "next_probe"),
    [
        (ACCEPTED, True, None),
        (SPAM, True, None),
        (UNKNOWN_USER, False, 0),
        (AWAY, False, 120),
        (SLOWED, False, 120),
        (REFUSED, False, 120),
    ],
    ids=["accepted", "judged after the dot", "gone before the dot", "server away", "slowed", "refused"],
)
def test_what_a_probe_proves(
    make_sender: Make,
    servers: FakeMailServer,
    frozen: time_machine.Traveller,
    meets: Outcome,
    over: bool,
    next_probe: float | None,
) -> None:
    """The refusal came after the dot: an address that does not exist ends before, and shows nothing."""
    servers.answers["smtp", "outlook.com"] = REFUSED
    sender = make_sender()
    pks = owed(*at("outlook.com", 2))
    sender.deliver(pks)
    frozen.shift(timedelta(seconds=61))
    servers.answers["smtp", "outlook.com"] = meets
    sender.deliver(pks)
    assert holds() == ([] if over else ["smtp:microsoft"])
    if next_probe is not None:
        moment = db.session.scalars(select(ProviderHold.next_probe_at)).one()
        assert moment == clock.now() + timedelta(seconds=next_probe)


def test_a_probe_that_found_no_email_is_given_back(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers["smtp", "outlook.com"] = REFUSED
    sender = make_sender()
    pks = owed(*at("outlook.com", 2))
    sender.deliver(pks)
    servers.forget()
    frozen.shift(timedelta(seconds=61))
    db.session.execute(update(Notification).where(Notification.id == pks[0]).values(status="cancelled"))
    db.session.commit()
    sender.deliver(pks[:1])
    assert tried(servers) == []
    sender.deliver(pks[1:])
    assert tried(servers) == [("smtp", "outlook1@outlook.com")]


def test_while_nothing_is_held_it_costs_no_query_for_an_email(make_sender: Make, servers: FakeMailServer) -> None:
    sender = make_sender()
    gate = sender.gate
    gate._routes._holds._fresh = gate._pace._fresh = gate._breaker._fresh = 1.0
    pks = owed(*at("outlook.com", 20))
    list(gate.portions(pks[:1]))
    with counted() as statements:
        for _ in gate.portions(pks):
            pass
        for portion in gate.portions(pks):
            for who in at("outlook.com", 20):
                portion.closed_to(who)
                portion.report(who, ACCEPTED, clock.now())
    assert statements == []


def test_a_held_transports_probe_is_over_if_only_the_provider_refuses(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    refused = Outcome(Decision.HOLD, Phase.AUTH, Scope.TRANSPORT, 535, "5.7.8", "bad credentials")
    servers.answers["smtp", "outlook.com"] = refused
    sender = make_sender()
    pks = owed("a@outlook.com", "b@gmail.com")
    sender.deliver(pks[:1])
    frozen.shift(timedelta(seconds=61))
    servers.answers["smtp", "outlook.com"] = REFUSED
    sender.deliver(pks[:1])
    assert holds() == ["smtp:microsoft"]
    sender.deliver(pks[1:])
    assert states("gmail.com") == SENT


def test_health_names_the_provider_the_text_and_its_page(make_sender: Make, servers: FakeMailServer) -> None:
    servers.answers |= {("smtp", "outlook.com"): REFUSED, ("smtp", "one.example"): REFUSED}
    sender = make_sender()
    sender.deliver(owed(*at("outlook.com", 3), "a@one.example"))
    found = {line.name: line for line in healthcheck.examine(db.session(), clock.now()) if "provider" in line.name}
    assert not found["provider Microsoft"].ok
    assert found["provider one.example"].ok  # one stranger's server is no fault of the whole
    assert found["provider Microsoft"].detail == (
        "refuses our emails through smtp since 2026-11-20 12:00:00 UTC (1 second): "
        "550 5.7.515 Access denied, sending domain; "
        "waiting: 3 emails; next probe at 2026-11-20 12:01:00 UTC; "
        "see https://sendersupport.olc.protection.outlook.com/pm/"
    )


def test_a_hold_that_no_email_waits_for_is_forgotten(
    make_sender: Make, servers: FakeMailServer, frozen: time_machine.Traveller
) -> None:
    servers.answers |= {("smtp", "outlook.com"): REFUSED, ("smtp", "one.example"): REFUSED}
    make_sender().deliver(owed("a@outlook.com", "a@one.example"))
    db.session.execute(update(Notification).where(Notification.recipient == "a@one.example").values(status="expired"))
    db.session.commit()
    frozen.shift(timedelta(hours=2))
    assert retention.purge_holds(db.session) == 1
    assert holds() == ["smtp:microsoft"]


# --- customers of providers ------------------------------------------------------------------------


def answered(members: Members) -> None:
    """Wait for DNS. The thread beside writes, and on SQLite one transaction is in the way of another."""
    db.session.rollback()
    members.wait()


GOOGLE = ["aspmx.l.google.com", "alt1.aspmx.l.google.com"]


class Dns(StubResolver):
    """Customers of Gmail, and a domain of its own."""

    def __init__(self, customers: int) -> None:
        super().__init__({("mx", f"customer{number}.example"): GOOGLE for number in range(customers)})
        self.records["mx", "own.example"] = ["mx.own.example"]


@pytest.fixture
def dns() -> Dns:
    return Dns(10)


@pytest.fixture
def members(context: Flask, dns: Dns) -> Members:
    return Members(db.session, lambda: dns, context.app_context)


def test_a_customer_of_a_held_provider_waits_as_soon_as_dns_has_answered(
    make_sender: Make, servers: FakeMailServer, members: Members, dns: Dns
) -> None:
    servers.answers["smtp", "gmail.com"] = REFUSED
    sender = make_sender(members=members)
    sender.deliver(owed("a@gmail.com"))
    sender.deliver(owed("a@customer1.example", "a@own.example"))
    assert states("customer1.example") == states("own.example") == SENT  # an email never waits for DNS
    answered(members)
    sender.deliver(owed("b@customer1.example", "b@own.example"))
    found = rows()
    assert (found["b@customer1.example"].hold_key, found["b@own.example"].status) == ("smtp:gmail", "sent")
    assert sorted(dns.asked) == [("mx", "customer1.example"), ("mx", "own.example")]


def test_an_answer_is_kept_for_seven_days_for_all_processes(
    context: Flask, frozen: time_machine.Traveller, members: Members, dns: Dns
) -> None:
    def known() -> dict[str, str]:
        another = Members(db.session, lambda: dns, context.app_context)
        found = another.known({"customer1.example", "own.example", "gmail.com"}, clock.now())
        answered(another)
        return found

    members.known({"customer1.example", "own.example"}, clock.now())
    answered(members)
    assert known() == {"customer1.example": "gmail"}
    frozen.shift(timedelta(days=6, hours=23))
    assert known() == {"customer1.example": "gmail"}
    assert len(dns.asked) == 2
    frozen.shift(timedelta(hours=2))
    assert known() == {}
    assert len(dns.asked) == 4


def test_dns_that_fails_is_left_alone_for_a_while_and_nothing_is_stored(
    frozen: time_machine.Traveller, members: Members, dns: Dns
) -> None:
    dns.records["mx", "customer1.example"] = "servers failed"
    for wait, asked in [(0, 1), (599, 1), (2, 2)]:
        frozen.shift(timedelta(seconds=wait))
        assert members.known({"customer1.example"}, clock.now()) == {}
        answered(members)
        assert len(dns.asked) == asked
    dns.records["mx", "customer1.example"] = GOOGLE
    frozen.shift(timedelta(seconds=601))
    members.known({"customer1.example"}, clock.now())
    answered(members)
    assert members.known({"customer1.example"}, clock.now()) == {"customer1.example": "gmail"}


def test_while_nothing_is_held_dns_is_not_asked(make_sender: Make, members: Members, dns: Dns) -> None:
    make_sender(members=members).deliver(owed("a@customer1.example"))
    answered(members)
    assert dns.asked == []


def test_a_few_customers_cannot_hold_their_provider_for_everyone_and_many_can(
    make_sender: Make, servers: FakeMailServer, members: Members, frozen: time_machine.Traveller
) -> None:
    """Anyone may own a domain whose mail servers are a provider's today, and their own tomorrow."""
    domains = [f"customer{number}.example" for number in range(6)]
    servers.answers = {("smtp", domain): REFUSED for domain in domains}
    sender = make_sender(members=members)
    few, rest = owed(*(f"a@{domain}" for domain in domains[:4])), owed(*(f"a@{domain}" for domain in domains[4:]))
    for pks, held in ((few, False), (rest, True)):
        sender.deliver(pks)
        members.known(set(domains), clock.now())
        answered(members)
        frozen.shift(timedelta(seconds=61))
        sender.deliver([*few, *rest] if held else few)
        assert ("smtp:gmail" in holds()) is held
