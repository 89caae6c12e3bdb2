"""Emails of the inbox come back by real LMTP: the reports, the buttons, and what follows."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from flask import Flask
from flask.testing import FlaskClient

from notifier.bounces.reading import read
from notifier.bounces.reasons import Kind, Reason, Verdict
from notifier.dev.inbox.app import create_inbox_app
from notifier.dev.inbox.reports import REPORTS, Listener, build
from notifier.dev.inbox.returning import Returns
from notifier.dev.inbox.store import Inbox, Mail
from notifier.dev.ports import free_port
from notifier.mail.message import Message
from notifier.models import Status, SuppressionReason
from tests.support.feedback import feedback, key_of, row, send, suppression
from tests.support.listener import listening

RETURN_PATH = "b+17.abcdefgh234567ij@notifier.example"
ADMIN = "http://127.0.0.1:8000/admin/"


def received(message: Message | None = None, *, sender: str = RETURN_PATH) -> Mail:
    """An email as the inbox got it."""
    email = EmailMessage()
    email["From"], email["To"], email["Subject"] = "App <app@notifier.example>", "ada@example.com", "Hello"
    email.set_content("Text")
    to, back = ("ada@example.com", sender) if message is None else (message.recipient, message.envelope_sender)
    return Mail(back, (to,), email.as_bytes())


@pytest.mark.parametrize(
    ("report", "kind", "verdict", "reason"),
    [
        ("hard", Kind.BOUNCE, Verdict.HARD, Reason.USER_UNKNOWN),
        ("soft", Kind.BOUNCE, Verdict.SOFT, Reason.MAILBOX_FULL),
        ("spam", Kind.COMPLAINT, Verdict.NONE, Reason.ABUSE),
    ],
)
@pytest.mark.parametrize(
    "data", [received().data, received().data.replace(b"\n", b"\r\n"), b"", b"\xff\n\n", b"X: y\n" * 100_000]
)
def test_a_report_says_what_its_button_says(
    report: str, kind: Kind, verdict: Verdict, reason: Reason, data: bytes
) -> None:
    said = read(build(Mail(RETURN_PATH, ("ada@example.com",), data), REPORTS[report]), "")
    assert (said.kind, said.verdict, said.reason) == (kind, verdict, reason)
    assert said.notification == "17.abcdefgh234567ij"
    assert list(said.recipients) in ([], ["ada@example.com"])


def test_a_report_is_built_as_the_standards_say() -> None:
    """RFC 3464 and RFC 5965, as the standard library reads them."""
    for name, fields in {
        "hard": {"Final-Recipient": "rfc822; ada@example.com", "Diagnostic-Code": "smtp; 550 5.1.1 User unknown"},
        "spam": {"Feedback-Type": "abuse", "Version": "1", "Original-Mail-From": f"<{RETURN_PATH}>"},
    }.items():
        email = message_from_bytes(build(received(), REPORTS[name]), policy=policy.default)
        assert email.get_content_type() == "multipart/report"
        text, machine, headers = email.iter_parts()
        assert machine.get_content_type() == f"message/{email.get_param('report-type')}"
        for field, value in fields.items():
            assert f"{field}: {value}" in machine.as_string(), name
        assert headers.get_content_type() == "text/rfc822-headers"
        assert "Subject: Hello" in headers.as_string()
        assert text.get_content_type() == "text/plain"


def pages(inbox: Inbox, port: int, admin: str = ADMIN) -> FlaskClient:
    return create_inbox_app(inbox, returns=Returns(Listener("127.0.0.1", port), admin)).test_client()


def press(client: FlaskClient, mail: Mail, report: str) -> str:
    """Press a button. Return the notice on the page that follows."""
    done = client.post(f"/messages/{mail.id}/return", data={"report": report, "view": "text"}, follow_redirects=True)
    assert done.status_code == 200
    assert done.request.args["view"] == "text"
    found = re.search(r'<p class="notice.*?</p>', done.text, re.DOTALL)
    assert found
    return found.group(0)


@pytest.mark.parametrize(
    ("report", "status", "reason"),
    [
        ("hard", Status.bounced, SuppressionReason.hard_bounce),
        ("soft", Status.bounced, None),
        ("spam", Status.complained, SuppressionReason.complaint),
    ],
)
def test_a_button_changes_the_ledger(
    context: Flask, report: str, status: Status, reason: SuppressionReason | None
) -> None:
    message = send(context)
    mail, inbox = received(message), Inbox()
    inbox.add(mail)
    with listening(context) as listener:
        client = pages(inbox, listener.port)
        for _ in range(2):
            notice = press(client, mail, report)
            assert f"Sent to {message.envelope_sender}, and stored." in notice
            assert f'href="{ADMIN}notifications/{key_of(message)}/"' in notice
    assert row(key_of(message)).status == status
    suppressed = suppression(message.recipient)
    assert (suppressed.reason if suppressed else None) == reason


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_refusal_is_shown(context: Flask) -> None:
    mail, inbox = received(), Inbox()
    inbox.add(mail)
    with listening(context) as listener:
        notice = press(pages(inbox, listener.port), mail, "hard")
    assert f"Not stored for {RETURN_PATH}: the listener said 550 5.1.1 This is no return path of ours." in notice
    assert 'role="status"' in notice
    assert ADMIN not in notice
    assert feedback() == []


def test_without_a_listener_the_page_says_where_it_should_be() -> None:
    mail, inbox, port = received(), Inbox(), free_port()
    inbox.add(mail)
    assert f"no answer from 127.0.0.1:{port}" in press(pages(inbox, port), mail, "hard")


def test_other_sites_press_no_button() -> None:
    mail, inbox = received(), Inbox()
    inbox.add(mail)
    client = pages(inbox, free_port())
    for origin in ("http://evil.example", "null"):
        answer = client.post(f"/messages/{mail.id}/return", data={"report": "hard"}, headers={"Origin": origin})
        assert answer.status_code == 403
    assert client.get(f"/messages/{mail.id}/return").status_code == 405
    assert client.post(f"/messages/{mail.id}/return", data={"report": "x"}).status_code == 400
    assert client.post("/messages/nope/return", data={"report": "hard"}).status_code == 404
    assert not mail.notices


def test_there_are_buttons_only_where_they_work() -> None:
    bounce, mail, inbox = received(sender=""), received(), Inbox()
    inbox.add(bounce)
    inbox.add(mail)
    client = pages(inbox, free_port())
    assert "Report as spam" in client.get(f"/messages/{mail.id}").text
    assert "Report as spam" not in client.get(f"/messages/{bounce.id}").text
    assert client.post(f"/messages/{bounce.id}/return", data={"report": "hard"}).status_code == 400
    alone = create_inbox_app(inbox).test_client()
    assert "Report as spam" not in alone.get(f"/messages/{mail.id}").text
    assert alone.post(f"/messages/{mail.id}/return", data={"report": "hard"}).status_code == 404


def test_browsers_name_the_origin_of_our_own_forms() -> None:
    """With `no-referrer`, Chromium sends `Origin: null`, which is refused."""
    mail, inbox = received(), Inbox()
    inbox.add(mail)
    client = pages(inbox, free_port())
    assert client.get("/").headers["Referrer-Policy"] == "same-origin"
    assert client.get(f"/messages/{mail.id}/html").headers["Referrer-Policy"] == "no-referrer"
