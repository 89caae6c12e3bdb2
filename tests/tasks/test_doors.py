"""Through the real door: the form, a real worker, a scripted mail server. The cases of found.json, by their ids."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, select

from notifier.extensions import db
from notifier.models import SignupEmail, User
from notifier.testing.browse import Visitor
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.smtp_server import Accepted, SmtpServer
from tests.support.live import Live
from tests.support.live_app import live_application

FOUND = json.loads((Path(__file__).parent.parent / "data" / "found.json").read_text())
NO_SUCH_USER = "550 5.1.1 No such user here"

pytestmark = [
    # The worker's own loop warns of what is none of ours.
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
]


def cases(*suites: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for suite in suites for case in FOUND[suite]["cases"]]


@pytest.fixture(scope="module")
def door(migrated_sqlite: Path, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("doors")
    with live_application(folder, migrated_sqlite, valkey, ratelimit_enabled=True) as app:
        yield app


@pytest.fixture(scope="module")
def one_worker(door: Flask) -> Iterator[Live]:
    with Live(door) as live:
        yield live


@pytest.fixture
def live(one_worker: Live) -> Iterator[Live]:
    one_worker.forget()
    with one_worker.app.app_context():
        db.session.execute(delete(SignupEmail))
        db.session.commit()
    yield one_worker
    one_worker.transport.close()


def sign_up(live: Live, address: str, name: str = "", network: str = "198.51.100.7") -> int:
    """Fill in the form, and wait until the worker has nothing left to do."""
    status = Visitor(live.app, network).sign_up(address, name).status_code
    live.wait()
    return status


def users(live: Live) -> list[User]:
    return live._all(select(User).order_by(User.id))


def parsed(mail: Accepted) -> EmailMessage:
    return cast("EmailMessage", message_from_bytes(mail.data, policy=default))


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("case", cases("address_identity"))
def test_two_people_stay_two_whoever_bounces(live: Live, case: dict[str, str], order: str) -> None:
    one, other = (case["first"], case["second"])[:: 1 if order == "first" else -1]
    with SmtpServer(rcpt={one: NO_SUCH_USER}) as server:
        live.speak_with(server)
        assert (sign_up(live, one), sign_up(live, other)) == (303, 303)
        assert [user.email for user in users(live)] == [one, other]
        assert [each.identity_key for each in live.suppressions()] == [users(live)[0].identity_key]
        assert [row.status for row in live.rows()] == ["failed", "sent"]
        # And the link that came works.
        path = link(server.accepted[0], "verify")
        visitor = Visitor(live.app)
        assert visitor.post(path, {"csrf_token": visitor.token(path)}).status_code == 200
    assert [mail.rcpt_to for mail in server.accepted] == [(other,)]
    assert [user.verified_at is not None for user in users(live)] == [False, True]


@pytest.mark.parametrize(
    "case", [*cases("address_accept"), pytest.param({"input": "=?utf-8?q?x?=@example.com"}, id="word")]
)
def test_a_legal_address_is_mailed_as_it_was_typed(live: Live, case: dict[str, str]) -> None:
    address = case["input"]
    with SmtpServer() as server:
        live.speak_with(server)
        assert sign_up(live, address, "Zo\u00eb") == 303
        user = users(live)[0]
        confirm(live, server, server.accepted[0])
        with time_machine.travel(user.created_at + timedelta(minutes=3), tick=True):
            assert sign_up(live, address, "Zo\u00eb") == 303
    assert len(server.accepted) == 2
    for mail in server.accepted:
        assert mail.rcpt_to == (address,)
        assert f"\r\nTo: {address}\r\n".encode() in mail.data


def confirm(live: Live, server: SmtpServer, mail: Accepted) -> None:
    path = link(mail, "verify")
    visitor = Visitor(live.app)
    assert visitor.post(path, {"csrf_token": visitor.token(path)}).status_code == 200


def link(mail: Accepted, page: str) -> str:
    """The path of a link in the text of an email."""
    text = parsed(mail).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    found = re.search(rf"http://notifier\.test(/{page}/\S+)", text)
    assert found, text
    return found.group(1)


@pytest.mark.parametrize("case", cases("display_name", "display_name_blank"))
def test_no_name_reaches_somebody_who_did_not_confirm(live: Live, case: dict[str, str]) -> None:
    with SmtpServer() as server:
        live.speak_with(server)
        status = sign_up(live, "ada@example.com", case["input"])
    if case["id"].startswith("display_name_blank"):
        assert status == 303
        assert users(live)[0].display_name == ""
    assert len(server.accepted) == (status == 303)
    for mail in server.accepted:
        message = parsed(mail)
        assert message["To"] == "ada@example.com"
        texts = [str(part.get_content()) for part in message.walk() if not part.is_multipart()]
        assert texts[0].startswith("Hello,\r\n")
        for word in re.findall(r"[^\s?@]{4,}", case["input"]):
            assert not any(word in text for text in (mail.data.decode(), str(message["Subject"]), *texts))


def test_this_was_not_me_ends_the_account_and_the_owner_can_come_later(live: Live) -> None:
    with SmtpServer() as server:
        live.speak_with(server)
        sign_up(live, "victim@gmail.com")
        path = link(server.accepted[0], "not-me")
        owner = Visitor(live.app)
        for _ in range(5):
            assert owner.get(path).status_code == 200  # a scanner looks
        assert len(users(live)) == 1
        answer = owner.post(path, {"csrf_token": owner.token(path)})
        assert answer.status_code == 200
        assert b"The account has been deleted" in answer.data
        assert users(live) == []

        # A stranger again: the ledger says why nothing came.
        began = live.rows()[0].created_at
        with time_machine.travel(began + timedelta(days=29), tick=True):
            assert sign_up(live, "victim@gmail.com", network="203.0.113.9") == 303
        assert [(row.status, row.reason) for row in live.rows()[1:]] == [("suppressed", "suppressed: not_me")]
        assert len(server.accepted) == 1
        # Afterwards, the owner.
        with time_machine.travel(began + timedelta(days=30, minutes=1), tick=True):
            assert sign_up(live, "victim@gmail.com") == 303
    assert [mail.rcpt_to for mail in server.accepted] == [("victim@gmail.com",)] * 2
    assert live.suppressions() == []


def test_the_owner_takes_it_back_by_the_same_link(live: Live) -> None:
    with SmtpServer() as server:
        live.speak_with(server)
        sign_up(live, "victim@gmail.com")
        path = link(server.accepted[0], "not-me")
        owner = Visitor(live.app)
        owner.post(path, {"csrf_token": owner.token(path)})
        assert b"Allow emails to this address" in owner.get(path).data
        answer = owner.post(f"{path}/undo", {"csrf_token": owner.token(path)})
        assert b"Emails are allowed again" in answer.data
        assert live.suppressions() == []
        assert sign_up(live, "victim@gmail.com") == 303
    assert len(server.accepted) == 2


def test_a_flood_that_bounces_is_slowed_and_gmail_goes_on(live: Live) -> None:
    """Sign-ups at one unknown domain, each from a network of its own; in between, one at gmail.com."""
    victims = {f"nobody{n}@flood.example": NO_SUCH_USER for n in range(26)}
    with SmtpServer(rcpt=victims) as server:
        live.speak_with(server)
        for number, address in enumerate(victims):
            assert sign_up(live, address, network=f"10.0.{number}.9") == 303
            if number in {12, 25}:
                assert sign_up(live, f"ada{number}@gmail.com") == 303
                assert server.accepted[-1].rcpt_to == (f"ada{number}@gmail.com",)
    rows = {row.recipient: row for row in live.rows()}
    assert [rows[address].status for address in victims] == ["failed"] * 22 + ["pending"] * 4
    assert {rows[address].reason_code for address in list(victims)[22:]} == {"first_emails_slowed"}


def test_sixty_networks_get_five_emails_out_of_us_for_one_mailbox(live: Live) -> None:
    with SmtpServer() as server:
        live.speak_with(server)
        answers = [sign_up(live, f"vic.tim+{n}@gmail.com", network=f"10.0.{n}.9") for n in range(30)]
    assert len(server.accepted) == 5
    # The form's own limit for one address says so to everybody alike.
    assert set(answers) == {303, 429}
    codes = [row.reason_code for row in live.rows() if row.status == "skipped"]
    assert codes == ["mailbox_limit"] * (answers.count(303) - 5)
