"""Refusals that are about us, or not about the address, through a scripted server and a real worker."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier import clock
from notifier.extensions import db
from notifier.models import Campaign, Notification
from notifier.services import services_of
from notifier.smtp.transport_config import PRIMARY
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.smtp_server import Action, Session, SmtpServer
from tests.support.applications import NOON
from tests.support.campaigns import expand, make_campaign, make_people, start_run
from tests.support.live import LETTERS, Live, letter_templates
from tests.support.live_app import live_application

FOUND = json.loads((Path(__file__).parent.parent / "data" / "found.json").read_text())

pytestmark = [
    # The worker's own loop warns of what is none of ours.
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
]


def cases(suite: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in FOUND[suite]["cases"]]


def as_script(text: str) -> str:
    """The reply as the server writes it: its lines have their codes already, and end with \\r\\n."""
    return text.replace("\r\n", "\n")


@pytest.fixture(scope="module")
def live_app(migrated_sqlite: Path, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("live")
    second = folder / "transports.toml"
    second.write_text('[[transport]]\nname = "second"\nserver = "127.0.0.1"\nport = 9\nsecurity = "none"\nweight = 0\n')
    wiring = {"kinds": LETTERS, "templates": letter_templates(folder / "templates")}
    with live_application(folder, migrated_sqlite, valkey, wiring=wiring, mail_transports=second) as app:
        yield app


@pytest.fixture(scope="module")
def one_worker(live_app: Flask) -> Iterator[Live]:
    with Live(live_app) as live:
        yield live


@pytest.fixture
def live(one_worker: Live) -> Iterator[Live]:
    one_worker.forget()
    services_of(one_worker.app).sender.gate._transports = (PRIMARY,)
    yield one_worker
    one_worker.transport.close()


#: Verdicts on us in a provider's own words, also where it waits for the body.
OWN_WORDS = [
    {"id": name, "input": said, "expect": decision, "phases": phases, "recipient": recipient}
    for name, decision, recipient, phases, said in (
        ("S3140", "HOLD", "person@outlook.com", ["data"], "550 5.7.1 their network is on our block list (S3140)"),
        ("reputation", "HOLD", "person@gmail.com", ["eod"], "550 5.7.1 very low reputation of the sending domain"),
        ("rate", "THROTTLE", "person@gmail.com", ["rcpt"], "421 4.7.0 an unusual rate of unsolicited mail"),
    )
]
WAYS: dict[str, Callable[[Live, list[int]], list[Notification]]] = {
    "batch": Live.deliver,
    "alone": Live.deliver_alone,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", cases("rcpt_not_suppressed"))
def test_a_refusal_that_is_not_about_the_address_suppresses_no_one(live: Live, case: dict[str, Any], way: str) -> None:
    with SmtpServer({case["phase"]: [as_script(case["input"])]}) as server:
        live.speak_with(server)
        (row,) = WAYS[way](live, live.owe("ada@example.com"))
        assert {attempt.decision for attempt in live.attempts()} == {case["expect"]}
        assert row.status == {"RETRY": "pending", "FAIL": "failed"}[case["expect"]]
        assert bool(live.suppressions()) is case["suppress"]
        # The person signs up again: a new row for the same address.
        with live.app.app_context():
            later = Notification(
                kind="letter", user_id=row.user_id, recipient=row.recipient, dedupe_key=f"again:{way}:{case['id']}"
            )
            db.session.add(later)
            db.session.commit()
            again = later.id
        rows = {each.id: each for each in WAYS[way](live, [again])}
    assert rows[again].status == "sent"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("case", "phase"),
    [
        pytest.param(case, phase, id=f"{case['id']}-{phase}")
        for case in (*FOUND["refusal_about_us"]["cases"], *OWN_WORDS)
        for phase in case["phases"]
    ],
)
def test_a_refusal_about_us_concerns_its_provider_and_burns_nothing(
    live: Live, case: dict[str, Any], phase: str, way: str
) -> None:
    def said(session: Session) -> Action:
        (recipient,) = session.rcpt_to or [session.recipient]
        return as_script(case["input"]) if recipient == case["recipient"] else None

    with SmtpServer({phase: said}) as server:
        live.speak_with(server)
        rows = WAYS[way](live, live.owe(case["recipient"], "ada@example.com", "eve@example.org"))
    refused, *others = rows
    assert {attempt.decision for attempt in live.attempts()} == {case["expect"]}
    assert (refused.status, refused.attempts) == ("pending", 0)
    assert [row.status for row in others] == ["sent", "sent"]
    assert (live.held(), live.suppressions()) == ([], [])
    provider = {"outlook.com": "microsoft", "gmail.com": "gmail", "yahoo.com": "yahoo"}
    key = f"smtp:{provider[case['recipient'].partition('@')[2]]}"
    assert refused.hold_key == key
    assert [hold.key for hold in live.held_providers()] == ([key] if case["expect"] == "HOLD" else [])
    assert set(live.paused()) == ({f"provider:{key}"} if case["expect"] == "THROTTLE" else set())


# --- a campaign ------------------------------------------------------------------------------------

REFUSAL = "550 5.7.515 Access denied, sending domain example.com does not meet the required authentication level"
DOMAINS = ("outlook.com", "gmail.com", "example.com", "hotmail.com", "example.org", "yahoo.com")


def refusing(microsoft: Callable[[], bool]) -> SmtpServer:
    """A server that refuses us for Microsoft's customers, for as long as it says so."""

    def eod(session: Session) -> Action:
        refused = session.rcpt_to[0].endswith(("outlook.com", "hotmail.com")) and microsoft()
        return REFUSAL if refused else None

    return SmtpServer({"eod": eod})


def people(number: int) -> list[str]:
    return [f"person{n}@{DOMAINS[n % len(DOMAINS)]}" for n in range(number)]


def test_a_campaign_goes_on_where_it_is_welcome_and_the_rest_follows(live: Live) -> None:
    everybody = people(300)
    theirs = [who for who in everybody if who.endswith(("outlook.com", "hotmail.com"))]
    works_again = NOON + timedelta(minutes=9)
    with (
        time_machine.travel(NOON) as traveller,
        refusing(lambda: clock.now() < works_again) as server,
    ):
        live.speak_with(server, connections=4)
        rows = live.deliver(live.owe(*everybody, bulk=True), batch=100)
        assert {row.recipient for row in rows if row.status == "sent"} == set(everybody) - set(theirs)
        assert server.sessions <= 4 * 3
        refused = len(server.lines("DATA")) - len(server.accepted)
        assert refused <= 3 * 8  # what was on the wire, and announced behind it, in each batch
        while clock.now() < works_again:
            traveller.shift(timedelta(seconds=20))
            live.sweep()
            assert [(hold.key, hold.code) for hold in live.held_providers()] == [("smtp:microsoft", 550)]
        probes = len(server.lines("DATA")) - len(server.accepted) - refused
        assert probes == 3  # after 1, 3 and 7 minutes; the next one is due after 12
        while any(row.status == "pending" for row in live.rows()) and clock.now() < works_again + timedelta(hours=1):
            traveller.shift(timedelta(seconds=20))
            live.sweep()
        ended = clock.now()
    assert {(row.status, row.attempts, row.unknowns) for row in live.rows()} == {("sent", 1, 0)}
    assert {mail.rcpt_to[0] for mail in server.accepted} == set(everybody)
    assert len(server.accepted) == len(everybody)
    assert ended - works_again <= timedelta(minutes=5)
    assert live.held_providers() == []


def test_through_two_transports_the_second_carries_what_is_refused_by_the_first(live: Live) -> None:
    everybody = people(120)
    second: Any = services_of(live.app).transports.transport("second")
    services_of(live.app).sender.gate._transports = (PRIMARY, "second")
    with refusing(lambda: True) as server, SmtpServer() as other:
        live.speak_with(server)
        live.speak_with(other, transport=second)
        pks = live.owe(*everybody, bulk=True)
        live.deliver(pks)
        # Rows that were under way when the first refused are due again in a moment.
        live.make_due(forget_holds=False)
        rows = live.deliver(pks)
        second.close()
    theirs = {who for who in everybody if who.endswith(("outlook.com", "hotmail.com"))}
    assert {(row.status, row.attempts) for row in rows} == {("sent", 1)}
    assert {row.recipient for row in rows if row.transport == "second"} == theirs
    assert {mail.rcpt_to[0] for mail in other.accepted} == theirs
    assert [hold.key for hold in live.held_providers()] == ["smtp:microsoft"]


@pytest.mark.parametrize("case", cases("content_refusal_at_rcpt"))
def test_content_that_is_refused_at_rcpt_pauses_the_campaign(
    make_app: Callable[..., Flask], case: dict[str, Any]
) -> None:
    with SmtpServer({"rcpt": as_script(case["input"])}) as server:
        app = make_app(mail_server=server.host, mail_port=server.port, mail_suppress_send=False, mail_connections=1)
        with app.app_context(), time_machine.travel(NOON):
            make_people(80)
            told: list[int] = []
            expand(start_run(make_campaign()), told)
            services_of(app).sender.deliver(told, bulk=True)
            db.session.rollback()
            (campaign,) = db.session.scalars(select(Campaign))
            assert campaign.state == "paused"
            assert "Message rejected due to content policy" in (campaign.paused_reason or "")
            statuses = set(db.session.scalars(select(Notification.status)))
            assert statuses == {"failed", "pending"}
