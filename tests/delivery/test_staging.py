"""Staging: neither the ledger nor `mail.send()` sends email to people outside."""

from dataclasses import replace

import flask_mail
import pytest
from flask import Flask
from structlog.testing import capture_logs

from notifier.config.settings import ConfigError
from notifier.delivery.mailer import Mail
from notifier.delivery.staging import EVERYBODY, NOT_ALLOWED, Deliver, Staging, stage
from notifier.mail.message import Message
from notifier.smtp.outcome import Decision
from tests.delivery.test_mailer import FakeTransport
from tests.mail.test_message import PLAIN
from tests.support.applications import make_settings

BOX = "staging@example.org"


def staging(redirect_to: str | None = None, allow: str | None = None) -> Staging:
    return Staging.from_settings(make_settings(mail_redirect_to=redirect_to, mail_allow=allow))


def test_outside_staging_everybody_is_mailed() -> None:
    assert staging() == EVERYBODY
    assert not EVERYBODY.active
    assert EVERYBODY.route("whatever") == Deliver("whatever")
    assert stage(PLAIN, EVERYBODY) is PLAIN


@pytest.mark.parametrize(
    ("recipient", "allowed"),
    [
        ("ada@example.com", True),
        ("Ada@EXAMPLE.com", True),
        ("ada+tag@example.com", False),
        ("bob@example.com", False),
        ("bob@team.example", True),
        ("bob@TEAM.example", True),
        ("bob@sub.team.example", False),
        ("bob@team.example.evil.example", False),
        ("bob@xn--bcher-kva.example", True),
        ("bob@b\u00fccher.example", True),
        ("no address", False),
        ("team.example", False),
        ('"x@team.example"@evil.example', False),
        ("ada@example.com@evil.example", False),
        ("ada@example.com\r\n", False),
    ],
)
def test_the_list(recipient: str, allowed: bool) -> None:
    only = staging(allow=" ADA@example.com, @Team.example,b\u00fccher.example, ")
    assert only.route(recipient) == (Deliver(recipient) if allowed else NOT_ALLOWED)
    both = replace(only, redirect_to=BOX)
    assert both.route(recipient).address == (recipient if allowed else BOX)  # type: ignore[union-attr]


def test_a_redirected_mail_says_for_whom_it_was() -> None:
    way = staging(BOX).route("ada@example.com")
    assert way == Deliver(BOX, shown="ada at example.com")
    assert way.redirected


def test_what_comes_back_of_a_redirected_mail_says_nothing_about_its_person() -> None:
    message = replace(PLAIN, notifier_id="7.zs6qgw76nnyxwfvp", envelope_sender="b+7.zs6qgw76nnyxwfvp@notifier.example")
    staged = stage(message, staging(BOX))
    assert isinstance(staged, Message)
    assert (staged.notifier_id, staged.envelope_sender) == ("", "b@notifier.example")
    assert stage(message, staging(BOX, "ada@example.com")) is message


def test_what_was_redirected_stays_redirected() -> None:
    """The spine asks, and the mailer asks again."""
    both = staging(BOX, "team.example")
    once = stage(PLAIN, both)
    assert stage(once, both) == once  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("redirect_to", "allow", "line"),
    [
        ("nobody", None, "MAIL_REDIRECT_TO: This address has no @"),
        ("A <a@example.com>", None, "MAIL_REDIRECT_TO: "),
        (None, "ada@", "MAIL_ALLOW: ada@: "),
        (None, "team", "MAIL_ALLOW: team: "),
        (None, "*@example.com@", "MAIL_ALLOW: *@example.com@: "),
        (None, "*.example.com", "MAIL_ALLOW: *.example.com: "),
        (None, ", ,", "MAIL_ALLOW: names no recipient"),
    ],
)
def test_mistakes_end_the_start(redirect_to: str | None, allow: str | None, line: str) -> None:
    with pytest.raises(ConfigError) as failure:
        staging(redirect_to, allow)
    assert str(failure.value).startswith(line)


# --- the doors -------------------------------------------------------------------------------------


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


def mailer(transport: FakeTransport, redirect_to: str | None = None, allow: str | None = None) -> Mail:
    app = Flask("test")
    app.config |= {"MAIL_DEFAULT_SENDER": "News <news@acme.example>", "MAIL_SUPPRESS_SEND": False}
    return Mail(app, transport=transport, staging=staging(redirect_to, allow))


def test_deliver_redirects_envelope_and_to(transport: FakeTransport) -> None:
    assert mailer(transport, BOX).deliver(PLAIN, key=1).decision is Decision.ACCEPTED
    assert [envelope.rcpt_to for envelope in transport.sent] == [BOX]
    assert transport.mail["To"] == f'"ada at example.com" <{BOX}>'
    assert b"ada@example.com" not in transport.sent[0].data.partition(b"\r\n\r\n")[0]


def test_deliver_withholds(transport: FakeTransport) -> None:
    with capture_logs() as logs:
        outcome = mailer(transport, allow="team.example").deliver(PLAIN, key=1)
    assert (outcome.decision, outcome.text) == (Decision.FAIL, NOT_ALLOWED.reason)
    assert transport.sent == []
    assert logs == [{"event": "mail.withheld", "log_level": "info", "notification": 1, "reason": NOT_ALLOWED.reason}]


def test_an_address_that_needs_smtputf8_does_not_need_it_once_redirected(transport: FakeTransport) -> None:
    mailer(transport, BOX).deliver(replace(PLAIN, recipient="j\u00f6rg@example.com"), key=1)
    assert not transport.sent[0].smtputf8
    assert str(transport.mail["To"].addresses[0].display_name) == "j\u00f6rg at example.com"


def everywhere() -> flask_mail.Message:
    return flask_mail.Message(
        "Hello",
        recipients=["Ada <ada@example.com>", "Bob <bob@team.example>"],
        cc=[("Cy", "cy@example.com")],
        bcc=["dan@example.com", "eve@team.example"],
        body="Hello.",
        sender="news@acme.example",
    )


def test_send_redirects_all_and_mails_the_box_once(transport: FakeTransport) -> None:
    mailer(transport, BOX).send(everywhere())
    assert [envelope.rcpt_to for envelope in transport.sent] == [BOX]
    assert transport.mail["To"] == f'"ada at example.com" <{BOX}>, "bob at team.example" <{BOX}>'
    assert transport.mail["Cc"] == f'"cy at example.com" <{BOX}>'


@pytest.mark.parametrize("connected", [False, True])
def test_send_mails_the_allowed_only(connected: bool, transport: FakeTransport) -> None:
    mail = mailer(transport, allow="team.example")
    with mail.connect() as connection:
        (connection if connected else mail).send(everywhere())
    assert [envelope.rcpt_to for envelope in transport.sent] == ["bob@team.example", "eve@team.example"]
    assert transport.mail["To"] == "Bob <bob@team.example>"
    assert transport.mail["Cc"] is None


def test_send_with_both(transport: FakeTransport) -> None:
    mailer(transport, BOX, "team.example").send(everywhere())
    assert [envelope.rcpt_to for envelope in transport.sent] == [BOX, "bob@team.example", "eve@team.example"]


def test_send_of_a_mail_that_nobody_may_get_is_no_error_and_no_signal(transport: FakeTransport) -> None:
    mail = mailer(transport, allow="elsewhere.example")
    with mail.record_messages() as outbox, capture_logs() as logs:
        mail.send(everywhere())
    assert (transport.sent, outbox) == ([], [])
    assert [entry["event"] for entry in logs] == ["mail.withheld"]
