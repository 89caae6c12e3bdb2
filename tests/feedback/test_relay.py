"""A relay over sockets that answers 250, and reports later that a provider refuses us."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from notifier.bounces.files import new_in, put_away
from notifier.delivery.throttle.breaker import Breaker
from notifier.delivery.throttle.gate import Gate
from notifier.delivery.throttle.provider_holds import ProviderHolds
from notifier.delivery.throttle.provider_members import Members
from notifier.delivery.throttle.slowdowns import Pace
from notifier.extensions import db
from notifier.feedback.customers import Customers
from notifier.feedback.reader import Reader
from notifier.models import DomainProvider, Feedback, Notification, ProviderHold, RunState, Status, Suppression, User
from notifier.services import services_of
from notifier.testing.factories import make_notification, make_user
from notifier.testing.returned import bounce, put
from notifier.testing.smtp_server import SmtpServer
from tests.support.applications import NOON
from tests.support.campaigns import expand, make_campaign, make_people, start_run
from tests.support.dns import StubResolver
from tests.support.feedback import put_run

pytestmark = pytest.mark.usefixtures("frozen")

REFUSED = "550 5.7.515 Access denied, sending domain example.org does not meet the required authentication level"
OWN = ("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "live.fr")
CUSTOMERS = tuple(f"customer{number}.example" for number in range(6))
MX = {("mx", domain): [f"{domain.replace('.', '-')}.mail.protection.outlook.com"] for domain in CUSTOMERS}


class Relay:
    """An application, its relay, and the mailbox of what comes back."""

    def __init__(self, app: Flask, server: SmtpServer, maildir: Path, dns: StubResolver) -> None:
        self.app, self.server, self.maildir = app, server, maildir
        self.members = Members(db.session, lambda: dns, app.app_context)
        self.customers = Customers(db.session, self.members.known, witnesses=5)
        self.sender = services_of(app).sender
        self.sender.gate = Gate(
            db.session,
            Breaker(db.session, fresh=0),
            Pace(db.session, fresh=0),
            transports=("smtp",),
            choose=lambda open_: open_[0],
            holds=ProviderHolds(db.session, fresh=0),
            members=self.members,
        )

    def send(self, keys: list[int], *, bulk: bool = True) -> list[str]:
        """Send these emails. Return the addresses that the relay accepted."""
        before = len(self.server.accepted)
        self.sender.deliver(keys, bulk=bulk)
        db.session.rollback()
        return [each.rcpt_to[0] for each in self.server.accepted[before:]]

    def refuse(self, *domains: str) -> None:
        """Let reports come back about these domains, one after the other, and read them."""
        for domain in domains:
            email = next(each for each in self.server.accepted if each.rcpt_to[0].endswith("@" + domain))
            put(self.maildir, bounce(email, REFUSED))
        Reader(db.session, services_of(self.app).intake).read(
            new_in(self.maildir), done=partial(put_away, self.maildir)
        )

    def holds(self) -> list[tuple[str, bool]]:
        db.session.rollback()
        return [(each.key, each.bulk_only) for each in db.session.scalars(select(ProviderHold))]

    def run_to(self, *domains: str) -> int:
        """Send a run to a person at each of these domains, and leave it open."""
        pks = make_people(len(domains))
        for pk, domain in zip(pks, domains, strict=True):
            address = f"user{pk}@{domain}"
            db.session.execute(update(User).where(User.id == pk).values(email=address, identity_key=address))
        db.session.commit()
        pk = start_run(make_campaign())
        keys: list[int] = []
        expand(pk, keys)
        assert len(self.send(keys)) == len(domains)
        put_run(pk, state=RunState.sending.value)
        return pk

    def look_up(self) -> int:
        """Do what two sweeps do: the first one asks DNS, the second one has the answer."""
        self.customers.run()
        db.session.rollback()
        self.members.wait()
        return self.customers.run()


@pytest.fixture
def dns() -> StubResolver:
    return StubResolver(dict(MX))


@pytest.fixture
def relay(make_app: Callable[..., Flask], dns: StubResolver, tmp_path: Path) -> Iterator[Relay]:
    with SmtpServer() as server:
        app = make_app(
            publish=lambda keys, bulk: True,
            mail_server=server.host,
            mail_port=server.port,
            mail_suppress_send=False,
            mail_bounce_address="b+@bounces.example.org",
        )
        (tmp_path / "came" / "new").mkdir(parents=True)
        with app.app_context():
            yield Relay(app, server, tmp_path / "came", dns)
            services_of(app).transports.close()


def test_the_fifth_report_pauses_campaigns_and_repair_offers_exactly_those_people(relay: Relay) -> None:
    run_id = relay.run_to(*OWN, "example.net")
    relay.refuse(*OWN[:4])
    assert relay.holds() == []
    relay.refuse(OWN[4])
    assert relay.holds() == [("smtp:microsoft", True)]
    assert db.session.scalars(select(Suppression)).all() == []
    bulk = [make_notification(make_user(f"new@{domain}"), bulk=True) for domain in ("live.de", "example.net")]
    assert relay.send(bulk) == ["new@example.net"]
    single = make_notification(make_user("new@outlook.com"))
    assert relay.send([single], bulk=False) == ["new@outlook.com"]
    query = select(Notification.recipient).where(
        Notification.id.in_(services_of(relay.app).repair.look(run_id).refused)
    )
    assert {each.partition("@")[2] for each in db.session.scalars(query)} == set(OWN[:5])


def test_customers_of_the_provider_count_as_soon_as_dns_has_told(relay: Relay, dns: StubResolver) -> None:
    relay.run_to("outlook.com", *CUSTOMERS[:4], "example.net")
    relay.refuse(*CUSTOMERS[:4], "example.net", "outlook.com")
    assert relay.holds() == []
    assert dns.asked == []
    assert relay.look_up() == 4
    assert relay.holds() == [("smtp:microsoft", True)]
    assert sorted(db.session.scalars(select(Feedback.provider))) == ["example.net"] + ["microsoft"] * 5
    db.session.rollback()
    assert relay.look_up() == 0
    waiting = make_notification(make_user(f"new@{CUSTOMERS[0]}"), bulk=True)
    assert relay.send([waiting]) == []


def test_four_customers_are_not_enough(relay: Relay) -> None:
    relay.run_to(*CUSTOMERS[:4])
    relay.refuse(*CUSTOMERS[:4])
    assert relay.look_up() == 4
    assert relay.holds() == []


def test_a_customer_that_is_known_counts_at_once(relay: Relay, dns: StubResolver) -> None:
    relay.run_to(*CUSTOMERS)
    relay.refuse(*CUSTOMERS[:4])
    relay.look_up()
    db.session.add(DomainProvider(domain=CUSTOMERS[4], provider="microsoft", looked_up_at=NOON))
    db.session.commit()
    relay.refuse(CUSTOMERS[4])
    assert relay.holds() == [("smtp:microsoft", True)]


def test_dns_that_fails_delays_nothing(relay: Relay, dns: StubResolver) -> None:
    dns.up = False
    relay.run_to(*CUSTOMERS[:5])
    relay.refuse(*CUSTOMERS[:5])
    assert relay.look_up() == 0
    assert relay.holds() == []
    statuses = db.session.scalars(select(Notification.status)).all()
    assert set(statuses) == {Status.bounced}
