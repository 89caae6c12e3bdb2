"""Flask-Mail's surface on our wire: what people know works, what was unsafe does not happen."""

import email
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import flask_mail
import pytest
from flask import Flask
from structlog.testing import capture_logs

from notifier.delivery.flask_message import text_of
from notifier.delivery.mailer import SUPPRESSED, Mail, RecipientsRefused
from notifier.mail.addresses import AddressError
from notifier.smtp.dialogue import Envelope
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from tests.mail.test_message import PLAIN

DATA = Path(__file__).resolve().parent.parent / "data"
HEADER_CASES = json.loads((DATA / "header_text.json").read_text())
ACCEPTED = Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, 250, None, "queued")
REFUSED = Outcome(Decision.BOUNCE, Phase.RCPT, Scope.RECIPIENT, 550, "5.1.1", "no such user")


class FakeTransport:
    """Keeps what it is given; refuses the addresses in `refusals`."""

    def __init__(self) -> None:
        self.sent: list[Envelope] = []
        self.refusals: dict[str, Outcome] = {}

    def send(self, envelope: Envelope) -> Outcome:
        self.sent.append(envelope)
        return self.refusals.get(envelope.rcpt_to, ACCEPTED)

    @property
    def mail(self) -> EmailMessage:
        """The mail of the last envelope, as the stdlib reads it."""
        data = self.sent[-1].data
        assert b"\n" not in data.replace(b"\r\n", b"")
        assert b"\r" not in data.replace(b"\r\n", b"")
        assert max(map(len, data.split(b"\r\n"))) <= 998
        assert data.isascii() or self.sent[-1].smtputf8
        mail = email.message_from_bytes(data, policy=default)
        assert isinstance(mail, EmailMessage)
        return mail


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def app() -> Iterator[Flask]:
    app = Flask("test")
    app.config |= {"MAIL_DEFAULT_SENDER": "Acme, Inc. <news@acme.example>", "MAIL_SUPPRESS_SEND": False}
    with app.app_context():
        yield app


@pytest.fixture
def mail(app: Flask, transport: FakeTransport) -> Mail:
    mail = Mail(transport=transport)
    mail.init_app(app)
    return mail


def test_deliver_hands_over_the_built_bytes(mail: Mail, transport: FakeTransport) -> None:
    assert mail.deliver(PLAIN, key=7) == ACCEPTED
    envelope = transport.sent[0]
    assert (envelope.key, envelope.mail_from, envelope.rcpt_to) == (7, PLAIN.envelope_sender, PLAIN.recipient)
    assert not envelope.smtputf8
    assert str(transport.mail["Subject"]) == "Hello"
    mail.deliver(replace(PLAIN, recipient="jörg@example.com"), key=8)
    assert transport.sent[1].smtputf8


def test_record_messages_sees_what_was_accepted(mail: Mail, transport: FakeTransport) -> None:
    extra = (("List-ID", "<monthly.notifier.example>"),)
    with mail.record_messages() as outbox:
        mail.deliver(replace(PLAIN, headers=extra, reply_to="help@example.com"), key=7)
    message = outbox[0]
    assert message.subject == "Hello"
    assert message.recipients == ["ada@example.com"]
    assert (message.body, message.html) == (PLAIN.text, PLAIN.html)
    assert message.sender == "Notifier <hello@notifier.example>"
    assert message.reply_to == "help@example.com"
    assert message.extra_headers == {"Auto-Submitted": "auto-generated", "List-ID": "<monthly.notifier.example>"}
    assert message.msgId == PLAIN.message_id
    assert message.as_bytes() == transport.sent[0].data
    assert str(message) == transport.sent[0].data.decode()


def test_a_refused_mail_is_an_outcome_and_no_signal(mail: Mail, transport: FakeTransport) -> None:
    transport.refusals[PLAIN.recipient] = REFUSED
    with mail.record_messages() as outbox:
        assert mail.deliver(PLAIN, key=7) == REFUSED
    assert outbox == []


def test_suppression_is_accepted_said_and_logged(app: Flask, mail: Mail, transport: FakeTransport) -> None:
    app.extensions["mail"].suppress = True
    with mail.record_messages() as outbox, capture_logs() as logs:
        outcome = mail.deliver(PLAIN, key=7)
        mail.send(flask_mail.Message("Hi", ["a@example.com"], "text"))
    assert (outcome.decision, outcome.text) == (Decision.ACCEPTED, SUPPRESSED)
    assert [message.subject for message in outbox] == ["Hello", "Hi"]
    assert [(entry["event"], entry["notification"]) for entry in logs] == [
        ("mail.suppressed", 7),
        ("mail.suppressed", 0),
    ]
    assert transport.sent == []


def test_testing_suppresses_unless_told_otherwise(transport: FakeTransport) -> None:
    for config, sent in (({"TESTING": True}, 0), ({"TESTING": True, "MAIL_SUPPRESS_SEND": False}, 1), ({}, 1)):
        app = Flask("test")
        app.config |= config
        Mail(app, transport=transport).deliver(PLAIN, key=1)
        assert len(transport.sent) == sent
        transport.sent.clear()


def test_a_mail_that_cannot_be_built_fails_alone(mail: Mail, transport: FakeTransport) -> None:
    with capture_logs() as logs:
        outcome = mail.deliver(replace(PLAIN, text=""), key=7)
    assert (outcome.decision, outcome.text) == (Decision.FAIL, "not built: the text part is empty")
    assert logs[0]["event"] == "mail.not_built"
    assert transport.sent == []


def test_a_listener_that_fails_cannot_cause_a_second_copy(mail: Mail, transport: FakeTransport) -> None:
    def listener(_app: Flask, message: flask_mail.Message) -> None:
        raise RuntimeError(message.subject)

    with flask_mail.email_dispatched.connected_to(listener), capture_logs() as logs:
        assert mail.deliver(PLAIN, key=7) == ACCEPTED
    assert [entry["event"] for entry in logs] == ["mail.listener_failed"]
    assert len(transport.sent) == 1


def test_send_needs_an_application(transport: FakeTransport) -> None:
    with pytest.raises(RuntimeError, match="init_app"):
        Mail(transport=transport).deliver(PLAIN, key=1)


def test_every_recipient_gets_a_transaction_and_bcc_stays_hidden(mail: Mail, transport: FakeTransport) -> None:
    message = flask_mail.Message(
        "Hi",
        recipients=["a@example.com", ("Bea, B.", "b@example.com"), "A@example.com"],
        body="text",
        cc=["Cee <c@example.com>"],
        bcc=["d@example.com"],
        reply_to="Help <help@example.com>",
    )
    mail.send(message)
    assert sorted(envelope.rcpt_to for envelope in transport.sent) == [
        "A@example.com", "b@example.com", "c@example.com", "d@example.com",
    ]  # fmt: skip
    assert {envelope.mail_from for envelope in transport.sent} == {"news@acme.example"}
    assert len({envelope.data for envelope in transport.sent}) == 1
    assert b"d@example.com" not in transport.sent[0].data
    seen = transport.mail
    assert sorted(seen.keys()) == sorted(
        ["From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type",
         "Content-Transfer-Encoding"]
    )  # fmt: skip
    assert seen["From"].addresses[0].display_name == "Acme, Inc."
    assert [box.display_name for box in seen["To"].addresses] == ["", "Bea, B.", ""]
    assert [box.addr_spec for box in seen["Cc"].addresses] == ["c@example.com"]
    assert seen["Message-ID"] == message.msgId
    assert message.msgId.endswith("@acme.example>")
    assert seen.get_content() == "text"


def test_only_hidden_recipients(mail: Mail, transport: FakeTransport) -> None:
    mail.send(flask_mail.Message("Hi", body="text", bcc=["d@example.com"]))
    assert transport.mail["To"].addresses == ()
    assert b"d@example.com" not in transport.sent[0].data


def test_refused_recipients_are_named_and_the_others_served(mail: Mail, transport: FakeTransport) -> None:
    transport.refusals["b@example.com"] = REFUSED
    with mail.record_messages() as outbox, pytest.raises(RecipientsRefused) as caught:
        mail.send(flask_mail.Message("Hi", ["a@example.com", "b@example.com", "c@example.com"], "text"))
    assert caught.value.outcomes == {"b@example.com": REFUSED}
    assert "b@example.com: BOUNCE 550 no such user" in str(caught.value)
    assert len(transport.sent) == 3
    assert outbox == []


def test_all_doors_of_flask_mail_lead_here(app: Flask, mail: Mail, transport: FakeTransport) -> None:
    message = flask_mail.Message("Hi", ["a@example.com"], "text")
    with mail.record_messages() as outbox:
        mail.send_message("Hi", ["a@example.com"], "text")
        app.extensions["mail"].send(message)
        with mail.connect() as connection:
            connection.send(message, envelope_from="Bounces <bounces@acme.example>")
            message.send(connection)
        with app.extensions["mail"].connect() as connection:
            connection.send_message("Hi", ["a@example.com"], "text")
    assert len(outbox) == len(transport.sent) == 5
    assert [envelope.mail_from for envelope in transport.sent].count("bounces@acme.example") == 1


def test_html_alternatives_and_attachments(mail: Mail, transport: FakeTransport) -> None:
    message = flask_mail.Message("Hi", ["a@example.com"], html="<style>p{}</style><p>Hé &amp; <b>you</b></p><p>x</p>")
    message.attach('../über "a".pdf', "application/pdf", b"\x00\xff" * 500)
    message.attach("notes.txt", "text/plain", "näme", headers={"Content-ID": "<notes>"}, disposition="inline")
    message.attach(None, None, b"raw")
    mail.send(message)
    seen = transport.mail
    assert seen.get_content_type() == "multipart/mixed"
    alternative, *files = seen.iter_parts()
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "text/html"]
    text = next(alternative.iter_parts()).get_payload(decode=True).decode()
    assert text == "Hé & you\nx".replace("\n", "\r\n")
    assert [part.get_filename() for part in files] == ['über "a".pdf', "notes.txt", None]
    assert files[0].get_content() == b"\x00\xff" * 500
    assert files[1].get_payload(decode=True) == "näme".encode()
    assert files[1]["Content-ID"] == "<notes>"
    assert [part.get_content_disposition() for part in files] == ["attachment", "inline", "attachment"]
    assert files[2].get_content_type() == "application/octet-stream"


def test_an_invitation_to_a_calendar_keeps_its_method(mail: Mail, transport: FakeTransport) -> None:
    """RFC 6047, section 2.4: the method stands in the content type."""
    invitation = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
    message = flask_mail.Message("Meeting", ["a@example.com"], "text", alts={"calendar; method=REQUEST": invitation})
    message.attach("invite.ics", 'text/calendar; method=REQUEST; name="in vite.ics"', invitation)
    mail.send(message)
    alternative, attached = transport.mail.iter_parts()
    inline = list(alternative.iter_parts())[1]
    for part in (inline, attached):
        assert part.get_content_type() == "text/calendar"
        assert part["Content-Type"].params["method"] == "REQUEST"
        assert part["Content-Type"].params["charset"] == "utf-8"
        assert part.get_payload(decode=True).decode() == invitation
    assert attached["Content-Type"].params["name"] == "in vite.ics"


def test_extra_headers(mail: Mail, transport: FakeTransport) -> None:
    url = "<https://app.example.com/u/" + "t" * 150 + ">"
    extra = {"X-Campaign": "März\r\nBcc: x@example.org", "List-Unsubscribe": url, "References": "<1@a> <2@b>"}
    mail.send(flask_mail.Message("Hi", ["a@example.com"], "text", extra_headers=extra))
    assert str(transport.mail["X-Campaign"]) == "März Bcc: x@example.org"
    assert f"\r\nList-Unsubscribe: {url}\r\n".encode() in transport.sent[0].data
    assert transport.mail["Bcc"] is None


@pytest.mark.parametrize(
    "options",
    [
        {"recipients": ["a@example.com\r\nBcc: b@example.com"]},
        {"recipients": ["a@example.com, b@example.com"]},
        {"recipients": [("x", "a@example.com> SIZE=1")]},
        {"recipients": ["jörg@bücher..com"]},
        {"recipients": []},
        {"sender": "Acme"},
        {"sender": ("x\r\ny", "a@exam ple.com")},
        {"cc": ["nobody"]},
        {"bcc": ["a@example.com>"]},
        {"reply_to": "x\ny"},
        {"extra_headers": {"Bcc": "b@example.com"}},
        {"extra_headers": {"Message-ID": "<1@a>"}},
        {"extra_headers": {"X-A\r\nEvil": "x"}},
        {"extra_headers": {"Evil: x": "x"}},
        {"extra_headers": {"Resent-To": "b@example.com"}},
        {"extra_headers": {"List-ID": "a\r\nBcc: b@example.com"}},
        {"extra_headers": {"List-ID": "é"}},
        {"mail_options": ["SIZE=1"]},
        {"rcpt_options": ["NOTIFY=NEVER"]},
        {"alts": {"html\r\nX: y": "x"}},
        {"attachments": [flask_mail.Attachment("a", "text/plain\r\nX: y", b"x")]},
        {"attachments": [flask_mail.Attachment("a", "text/plain", b"x", "attachment\r\nX: y")]},
        {"attachments": [flask_mail.Attachment("a", "text/plain", b"x", headers={"X-A": "y"})]},
        {"attachments": [flask_mail.Attachment("a", "text/plain", b"x", headers={"Content-ID": "<a>\r\nX: y"})]},
        {"attachments": [flask_mail.Attachment("a", "multipart/mixed", b"x")]},
        {"attachments": [flask_mail.Attachment("a", "text/plain; a=b\r\nX: y", b"x")]},
        {"attachments": [flask_mail.Attachment("a", 'text/plain; a="b\r\nX: y"', b"x")]},
        {"attachments": [flask_mail.Attachment("a", "text/plain;", b"x")]},
        {"attachments": [flask_mail.Attachment("a", "text/plain" + "; a=b" * 6, b"x")]},
        {"alts": {"html; a": "x"}},
    ],
)
def test_what_is_not_safe_is_refused_before_anything_is_sent(
    mail: Mail, transport: FakeTransport, options: dict[str, Any]
) -> None:
    arguments: dict[str, Any] = {"subject": "Hi", "recipients": ["a@example.com"], "body": "text"} | options
    with mail.record_messages() as outbox, pytest.raises(ValueError, match=r"."):
        mail.send(flask_mail.Message(**arguments))
    assert transport.sent == outbox == []


def test_attachment_names_cannot_break_out(mail: Mail, transport: FakeTransport) -> None:
    for name in (
        'a"; x="b',
        "a\r\nX: y",
        "C:\\dir\\a.txt",
        "/etc/passwd",
        "=?utf-8?q?a?=",
        "é\u202egnp.exe",
        "x" * 5000,
    ):
        message = flask_mail.Message("Hi", ["a@example.com"], "text")
        message.attach(name, "text/plain", b"x")
        mail.send(message)
        part = list(transport.mail.iter_parts())[1]
        assert sorted(part.keys()) == ["Content-Disposition", "Content-Transfer-Encoding", "Content-Type"]
        assert "/" not in (part.get_filename() or "")
        assert list(part["Content-Disposition"].params) == ["filename"]


@pytest.mark.parametrize("case", HEADER_CASES, ids=[case["id"] for case in HEADER_CASES])
def test_header_corpus(mail: Mail, transport: FakeTransport, case: dict[str, Any]) -> None:
    text = case["input"]
    options: dict[str, Any] = {
        "subject": {"subject": text},
        "campaign_name": {"subject": text},
        "display_name": {"recipients": [(text, "a@example.com")]},
        "from_name": {"sender": (text, "s@example.com")},
        "reply_to_name": {"reply_to": (text, "r@example.com")},
        "header_value": {"extra_headers": {"X-Value": text}},
        "header_name": {"extra_headers": {text: "x"}},
    }[case["field"]]
    message = flask_mail.Message(**{"subject": "Hi", "recipients": ["a@example.com"], "body": "text"} | options)
    try:
        mail.send(message)
    except (ValueError, AddressError):
        assert case["expect"] != "literal"
        assert transport.sent == []
        return
    assert [envelope.rcpt_to for envelope in transport.sent] == ["a@example.com"]
    assert transport.mail["Bcc"] is None
    assert len(transport.mail.get_all("From", [])) == len(transport.mail.get_all("Subject", [])) == 1


def test_random_messages(mail: Mail, transport: FakeTransport) -> None:
    dice = random.Random(10)
    pool = [
        *"=?=. \t\r\n<>\"'\\,;:@aé日",
        "\ud800",
        "\x00",
        "\u2028",
        "\r\nBcc: x@example.org\r\n",
        "a@example.org",
    ]

    def text() -> str:
        return "".join(dice.choices(pool, k=dice.randint(0, 20)))

    sent = 0
    for _ in range(250):
        transport.sent.clear()
        message = flask_mail.Message(
            text(), [(text(), "a@example.com")], text(),
            sender=dice.choice([(text(), "s@example.com"), f"{text()} <s@example.com>"])
        )  # fmt: skip
        try:
            mail.send(message)
        except ValueError:
            assert transport.sent == []
            continue
        sent += 1
        assert set(transport.mail.keys()) == {
            "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
        }  # fmt: skip
        assert [(envelope.mail_from, envelope.rcpt_to) for envelope in transport.sent] == [
            ("s@example.com", "a@example.com")
        ]
    assert sent > 120


def test_words_of_an_html_body() -> None:
    assert text_of("<title>t</title><h1>A</h1>\n b<br>c &lt;d&gt;<script>x</script>") == "A\nb\nc <d>"
    assert text_of("") == ""
