"""A relay that accepts everything: refusals of us come back as bounces, and only several people together prove them."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from notifier.bounces.reasons import Reason
from notifier.delivery.deliver import Sender
from notifier.delivery.throttle.breaker import Breaker
from notifier.delivery.throttle.gate import Gate
from notifier.delivery.throttle.provider_holds import ProviderHolds
from notifier.delivery.throttle.slowdowns import Pace
from notifier.extensions import db
from notifier.feedback.events import FeedbackEvent
from notifier.models import Notification, ProviderHold, RunState, Status, Suppression, User
from notifier.operators.audit_log import SYSTEM
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.factories import make_notification, make_user
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import NOON
from tests.support.campaigns import expand, make_campaign, make_people, run_row, start_run
from tests.support.feedback import QUEUED, event, feedback, put_run, row, take

pytestmark = pytest.mark.usefixtures("frozen")

DOMAINS = ("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "hotmail.de")
REFUSED = Outcome(Decision.HOLD, Phase.EOD, Scope.PROVIDER, 550, "5.7.515", "Access denied, sending domain")


@pytest.fixture
def server(context: Flask) -> FakeMailServer:
    """A relay that takes every email, and a sender that looks at the holds each time."""
    sender: Sender = services_of(context).sender
    sender.gate = Gate(
        db.session,
        Breaker(db.session, fresh=0),
        Pace(db.session, fresh=0),
        transports=("smtp",),
        choose=lambda open_: open_[0],
        holds=ProviderHolds(db.session, fresh=0),
    )
    return FakeMailServer(QUEUED).attach(sender)


def refusal(notifier_id: str, reason: Reason = Reason.AUTHENTICATION) -> FeedbackEvent:
    return event(notifier_id, reason, enhanced="5.7.515", text="Access denied, sending domain does not pass DMARC")


def people_at(*domains: str) -> list[str]:
    """Store a confirmed person at each of these domains. Return their addresses."""
    pks = make_people(len(domains))
    addresses = [f"user{pk}@{domain}" for pk, domain in zip(pks, domains, strict=True)]
    for pk, address in zip(pks, addresses, strict=True):
        db.session.execute(update(User).where(User.id == pk).values(email=address, identity_key=address))
    db.session.commit()
    return addresses


@pytest.fixture
def run_id(server: FakeMailServer) -> int:
    """A run to six people at Microsoft and one elsewhere, sent."""
    people_at(*DOMAINS, "example.net")
    pk = start_run(make_campaign())
    keys: list[int] = []
    expand(pk, keys)
    sent_by(server, keys)
    put_run(pk, state=RunState.sending.value)
    return pk


def sent_by(server: FakeMailServer, keys: list[int], *, bulk: bool = True) -> list[str]:
    """Send these emails. Return the addresses that the relay was handed."""
    before = len(server.handed)
    sender: Sender = server.sender  # type: ignore[attr-defined]
    sender.deliver(keys, bulk=bulk)
    db.session.rollback()
    return [handed.message.recipient for handed in server.handed[before:]]


@pytest.fixture(autouse=True)
def _reachable(server: FakeMailServer, context: Flask) -> None:
    server.sender = services_of(context).sender  # type: ignore[attr-defined]


def ids(server: FakeMailServer) -> list[str]:
    return [handed.message.notifier_id for handed in server.handed]


def holds() -> list[ProviderHold]:
    db.session.rollback()
    return list(db.session.scalars(select(ProviderHold)))


def bulk_email(address: str) -> int:
    """Store an email that goes with those of campaigns."""
    return make_notification(make_user(address), bulk=True)


def test_the_fifth_report_pauses_campaigns_to_that_provider_alone(
    context: Flask, server: FakeMailServer, run_id: int
) -> None:
    reports = list(map(refusal, ids(server)[:5]))
    take(context, *reports[:4])
    assert holds() == []
    take(context, reports[4])
    (hold,) = holds()
    assert (hold.transport, hold.scope, hold.bulk_only, hold.code) == ("smtp", "microsoft", True, 550)
    assert {each.effect for each in feedback()} == {"counted"}
    assert db.session.scalars(select(Suppression)).all() == []
    held, free = bulk_email("new@live.de"), bulk_email("new@example.org")
    assert sent_by(server, [held, free]) == ["new@example.org"]
    assert row(held).reason_code == "provider_held"
    # Also while another provider holds all emails, so that each email looks for its own.
    db.session.add(
        ProviderHold(
            key="smtp:yahoo",
            transport="smtp",
            scope="yahoo",
            held_since=NOON,
            phase="eod",
            text="",
            probes=0,
            next_probe_at=NOON + timedelta(minutes=5),
        )
    )
    db.session.commit()
    someone = make_user("new@outlook.com")
    assert sent_by(server, [make_notification(someone)], bulk=False) == ["new@outlook.com"]


@pytest.mark.parametrize("reason", [Reason.TOO_BIG, Reason.GREYLISTED, Reason.USER_UNKNOWN, Reason.REFUSED])
def test_other_reports_pause_nothing(context: Flask, server: FakeMailServer, run_id: int, reason: Reason) -> None:
    take(context, *(refusal(each, reason) for each in ids(server)[:6]))
    assert holds() == []


def test_one_person_alone_pauses_nothing(context: Flask, server: FakeMailServer, run_id: int) -> None:
    take(context, *[refusal(ids(server)[0]) for _ in range(20)])
    assert holds() == []


def test_reports_far_apart_pause_nothing(
    context: Flask, server: FakeMailServer, run_id: int, frozen: time_machine.Traveller
) -> None:
    for each in ids(server)[:6]:
        take(context, refusal(each))
        frozen.shift(timedelta(minutes=3))
    assert holds() == []


@pytest.mark.parametrize(("people", "is_held"), [(24, False), (25, True)])
def test_one_domain_of_a_provider_needs_many_people(
    context: Flask, server: FakeMailServer, people: int, is_held: bool
) -> None:
    people_at(*["gmail.com"] * people)
    keys: list[int] = []
    expand(start_run(make_campaign()), keys)
    sent_by(server, keys)
    take(context, *map(refusal, ids(server)))
    assert bool(holds()) is is_held


def test_a_domain_without_a_provider_is_never_paused_by_reports(context: Flask, server: FakeMailServer) -> None:
    people_at(*["example.net"] * 30)
    keys: list[int] = []
    expand(start_run(make_campaign()), keys)
    sent_by(server, keys)
    take(context, *map(refusal, ids(server)))
    assert holds() == []


def test_the_pause_ends_an_hour_after_the_last_report_when_an_email_gets_through(
    context: Flask, server: FakeMailServer, run_id: int, frozen: time_machine.Traveller
) -> None:
    take(context, *map(refusal, ids(server)[:5]))
    frozen.shift(timedelta(minutes=5))
    take(context, refusal(ids(server)[5]))
    assert [each.next_probe_at for each in holds()] == [NOON + timedelta(minutes=65)]
    news = [bulk_email("new@live.de"), bulk_email("new@outlook.fr")]
    frozen.shift(timedelta(minutes=59))
    assert sent_by(server, news) == []
    frozen.shift(timedelta(minutes=2))
    assert len(sent_by(server, news)) == 1
    assert holds() == []
    assert {row(pk).reason_code for pk in news} <= {None, "provider_held"}
    assert len(sent_by(server, news)) == 1


def test_a_refusal_of_our_own_holds_all_emails(context: Flask, server: FakeMailServer, run_id: int) -> None:
    take(context, *map(refusal, ids(server)[:5]))
    server.answer = REFUSED
    sent_by(server, [make_notification(make_user("new@outlook.com"))], bulk=False)
    (hold,) = holds()
    assert not hold.bulk_only
    server.answer = QUEUED
    assert sent_by(server, [make_notification(make_user("newer@outlook.com"))], bulk=False) == []


def test_repair_offers_exactly_those_people(context: Flask, server: FakeMailServer, run_id: int) -> None:
    first, second, third, *_ = ids(server)
    take(context, refusal(first), refusal(second), event(third, Reason.MAILBOX_FULL))
    assert row(int(first.partition(".")[0])).status == Status.bounced
    db.session.rollback()
    repair = services_of(context).repair
    damage = repair.look(run_id)
    assert damage.refused == tuple(int(each.partition(".")[0]) for each in (first, second))
    assert damage.people == 0
    assert repair.mend(damage, by=SYSTEM).owed == 2
    fresh = db.session.scalars(select(Notification).where(Notification.status == Status.pending)).all()
    assert {each.user_id for each in fresh} == {row(pk).user_id for pk in damage.refused}
    db.session.rollback()
    again = repair.look(run_id)
    assert again.refused == ()
    # What comes back about the first copy is still proven by its Message-ID.
    take(context, event(first, Reason.ABUSE))
    assert row(damage.refused[0]).status == Status.complained
    assert run_row(run_id).planned == 9
