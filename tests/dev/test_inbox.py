"""The development inbox over real SMTP and HTTP, with emails that break parsers."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from urllib.parse import quote

import pytest

from notifier.dev.inbox.app import create_inbox_app
from notifier.dev.inbox.contents import framed_html
from notifier.dev.inbox.email_parsing import Reading
from notifier.dev.inbox.store import Inbox, Mail
from tests.support.inbox import ROOT, InboxServer


@pytest.fixture(scope="module")
def process() -> Iterator[InboxServer]:
    running = InboxServer()
    yield running
    assert "Traceback" not in running.stop()


@pytest.fixture
def inbox(process: InboxServer) -> InboxServer:
    """Empty."""
    assert process.get("/api/v1/messages", "DELETE")[0] == 200
    return process


def mail(subject: str = "Hello", text: str = "Text", html: str = "") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "App <app@notifier.example>", "ada@example.com", subject
    message["List-Unsubscribe"] = "<http://x.example/u>, <mailto:u@x.example>"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message.as_bytes()


def test_item_has_mailhogs_shape(inbox: InboxServer) -> None:
    inbox.send(mail("Grüße", html="<p>Hi</p>"), "ada@example.com", "bob@example.org")
    (item,) = inbox.items()
    assert set(item) == {"ID", "From", "To", "Content", "Created", "MIME", "Raw"}
    assert item["From"] == {"Relays": None, "Mailbox": "app", "Domain": "notifier.example", "Params": ""}
    assert [to["Mailbox"] for to in item["To"]] == ["ada", "bob"]
    assert item["Content"]["Headers"]["Subject"] == ["=?utf-8?q?Gr=C3=BC=C3=9Fe?="]
    assert item["Content"]["Headers"]["Return-Path"] == ["<app@notifier.example>"]
    assert [part["Headers"]["Content-Type"][0].split(";")[0] for part in item["MIME"]["Parts"]] == [
        "text/plain",
        "text/html",
    ]
    assert item["Raw"]["From"] == "app@notifier.example"
    assert item["Raw"]["To"] == ["ada@example.com", "bob@example.org"]
    assert item["Raw"]["Data"].startswith("From: App")
    assert item["Created"].endswith("Z")
    assert json.loads(inbox.get(f"/api/v1/messages/{item['ID']}")[1]) == item


def test_pages_of_the_api(inbox: InboxServer) -> None:
    for number in range(4):
        inbox.send(mail(f"Mail {number}"))
    page = json.loads(inbox.get("/api/v2/messages?start=1&limit=2")[1])
    assert (page["total"], page["count"], page["start"]) == (4, 2, 1)
    assert [item["Content"]["Headers"]["Subject"] for item in page["items"]] == [["Mail 2"], ["Mail 1"]]
    assert json.loads(inbox.get("/api/v2/messages?start=-1&limit=x")[1])["count"] == 4


def test_search(inbox: InboxServer) -> None:
    inbox.send(mail("One", "Zwölf Boxkämpfer"), "ada@example.com")
    inbox.send(mail("Two"), "bob@example.org", sender="other@notifier.example")

    def found(kind: str, query: str) -> list[str]:
        items = inbox.items(f"/api/v2/search?kind={kind}&query={quote(query)}")
        return [item["Content"]["Headers"]["Subject"][0] for item in items]

    assert found("to", "BOB@example") == ["Two"]
    assert found("from", "other@") == ["Two"]
    assert found("containing", "boxkämpfer") == ["One"], "decoded text is searched too"
    assert found("containing", "\x00") == []
    assert inbox.get("/api/v2/search?kind=cc&query=x")[0] == 400


def test_delete_one(inbox: InboxServer) -> None:
    inbox.send(mail("One"))
    inbox.send(mail("Two"))
    one = inbox.items()[1]["ID"]
    assert inbox.get(f"/api/v1/messages/{one}", "DELETE")[0] == 200
    assert inbox.get(f"/api/v1/messages/{one}", "DELETE")[0] == 404
    assert inbox.get(f"/api/v1/messages/{one}")[0] == 404
    assert len(inbox.items()) == 1


def test_extensions_and_pipelining(inbox: InboxServer) -> None:
    """What a fast sender does: everything up to DATA in one write, two mails on one connection."""
    with socket.create_connection(("127.0.0.1", inbox.smtp_port), 5) as connection, connection.makefile("rb") as lines:
        envelope = "MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<zoë@exämple.com>\r\nDATA\r\n"
        connection.sendall(b"EHLO test\r\n")
        connection.sendall(envelope.encode())
        replies = [next(lines) for _ in range(10)]
        assert {b"250-PIPELINING\r\n", b"250-8BITMIME\r\n", b"250-SMTPUTF8\r\n", b"250-SIZE 26214400\r\n"} <= set(
            replies
        )
        assert replies[-1].startswith(b"354")
        connection.sendall("Subject: ü\r\n\r\n..dot\r\n.\r\n".encode() + envelope.encode())
        assert [next(lines)[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        connection.sendall(b"Subject: two\r\n\r\nx\r\n.\r\nQUIT\r\n")
        assert [next(lines)[:3] for _ in range(2)] == [b"250", b"221"]
    two, one = inbox.items()
    assert two["Content"]["Headers"]["Subject"] == ["two"]
    assert one["Raw"]["To"] == ["zoë@exämple.com"]
    assert one["Content"]["Body"] == ".dot\r\n", "the extra dot is gone"


def test_null_sender(inbox: InboxServer) -> None:
    """A bounce."""
    inbox.send(mail(), sender="")
    assert inbox.items()[0]["Raw"]["From"] == ""


DEFECTIVE = {
    "unknown charset": b"Subject: =?no-such?q?=FF?=\r\nContent-Type: text/plain; charset=no-such\r\n\r\n\xff\xfe",
    "charset that is no text": b"Content-Type: text/plain; charset=base64\r\n\r\nabc",
    "charset of RFC 2231": b"Content-Type: text/plain; charset*=x'y'%FF%00\r\n\r\nabc",
    "bad base64": b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!a",
    "bad encoded word": b"Subject: =?utf-8?b?####?= =?utf-8?q?\xff?=\r\nFrom: <<>>@,;\r\n\r\nabc",
    "raw bytes in headers": b"Subject: caf\xe9 \xff\r\nX-\xff: 1\r\nTo: \xff@\xff\r\n\r\nabc",
    "lone surrogate": b"Content-Type: text/html; charset=utf-16-le\r\n\r\n<p>\x00\xd8</p>",
    "no header at all": b"just a line",
    "nothing": b"",
    "nul": b"Subject: a\x00b\r\n\r\n\x00",
    "boundary that never comes": b"Content-Type: multipart/mixed; boundary=x\r\n\r\nabc",
    "multipart without boundary": b"Content-Type: multipart/alternative\r\n\r\nabc",
    "bad declaration": b"Content-Type: text/html\r\n\r\n<a href='http://x.example/'>x</a><![foo[<!><!-",
    "bad file name": b"Content-Disposition: attachment; filename*=no-such''%FF\r\nContent-Type: x/y\r\n\r\nabc",
    "message in message": b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nabc",
    "long lines": b"Subject: " + b"x" * 900 + b"\r\n\r\n" + b"y" * 900,
}


@pytest.mark.parametrize("data", DEFECTIVE.values(), ids=DEFECTIVE)
def test_defective_mail_is_shown(inbox: InboxServer, data: bytes) -> None:
    """Every view and the API answer; nothing is a 500."""
    inbox.send(data)
    (item,) = inbox.items()
    page = f"/messages/{item['ID']}"
    paths = ["/", "/fragment", "/?query=%00", page, f"{page}/html", f"{page}/raw", f"{page}/parts/0"]
    paths += [f"{page}?view={view}" for view in ("html", "text", "links", "headers", "source", "nonsense")]
    assert {path: inbox.get(path)[0] for path in paths} == dict.fromkeys(paths, 200)


def test_deep_nesting_is_shown() -> None:
    """A tree that would exhaust the stack is read as far as is sane."""
    data = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    inbox = Inbox()
    inbox.add(Mail("a@b.example", ("c@d.example",), data))
    client = create_inbox_app(inbox).test_client()
    mail_id = inbox.newest_first()[0].id
    assert client.get(f"/messages/{mail_id}", base_url="http://127.0.0.1").status_code == 200
    assert client.get("/api/v2/messages", base_url="http://127.0.0.1").status_code == 200


def test_mail_is_harmless(inbox: InboxServer) -> None:
    """Its own policy: no script, no request; links leave the frame."""
    inbox.send(mail(html='<script>alert(1)</script><a href="http://x.example/">x</a>'))
    page = f"/messages/{inbox.items()[0]['ID']}"
    csp = inbox.get(f"{page}/html")[2]["Content-Security-Policy"]
    assert csp.startswith("default-src 'none';")
    assert "script-src" not in csp
    assert csp.endswith("sandbox allow-popups allow-popups-to-escape-sandbox")
    _, body, headers = inbox.get(page)
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in body
    assert "alert(1)" not in body
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_names_in_a_mail_are_escaped(inbox: InboxServer) -> None:
    inbox.send(mail('<b>"bold"</b>', "http://x.example/?a=1&b=2.", '<a href="javascript:alert(1)">bad</a>'))
    assert "&lt;b&gt;" in inbox.get("/fragment")[1]
    assert 'href="http://x.example/u"' in inbox.get(f"/messages/{inbox.items()[0]['ID']}?view=links")[1]
    links = inbox.get(f"/messages/{inbox.items()[0]['ID']}?view=links")[1]
    assert "<code>javascript:alert(1)</code>" in links
    assert 'href="http://x.example/?a=1&amp;b=2"' in links


def test_other_sites_are_refused(inbox: InboxServer) -> None:
    """DNS rebinding by the host name, forged forms by their origin."""
    inbox.send(mail())
    assert inbox.get("/api/v2/messages", Host="evil.example")[0] == 400
    assert inbox.get("/delete-all", "POST", Origin="http://evil.example")[0] == 403
    assert len(inbox.items()) == 1
    assert inbox.get("/delete-all", "POST", Origin=f"http://127.0.0.1:{inbox.http_port}")[0] == 200
    assert inbox.items() == []


def test_fragment_is_sent_once(inbox: InboxServer) -> None:
    """The page asks every second: nothing new costs nothing."""
    first = inbox.get("/fragment")
    assert "No emails yet" in first[1]
    assert inbox.get("/fragment", **{"If-None-Match": first[2]["ETag"]})[0] == 304
    inbox.send(mail("Fresh"))
    assert "Fresh" in inbox.get("/fragment", **{"If-None-Match": first[2]["ETag"]})[1]


def test_gone_mail_says_so(inbox: InboxServer) -> None:
    status, body, _ = inbox.get("/messages/nope")
    assert status == 404
    assert "This email is gone" in body


def test_taken_port_is_one_line(inbox: InboxServer) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "notifier.dev.inbox", "--smtp-port", str(inbox.smtp_port), "--http-port", "0"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_oldest_make_room() -> None:
    inbox = Inbox(max_mails=3, max_bytes=100)
    for number in range(5):
        inbox.add(Mail("a@b.example", (), b"%d" % number))
    assert [mail.data for mail in inbox.newest_first()] == [b"4", b"3", b"2"]
    inbox.add(Mail("a@b.example", (), b"x" * 99))
    assert len(inbox) == 2
    inbox.add(Mail("a@b.example", (), b"y" * 1000))
    assert [len(mail.data) for mail in inbox.newest_first()] == [1000], "the newest stays, however large"


def test_inline_images_come_from_the_mail() -> None:
    message = EmailMessage()
    message.set_content('<!doctype html><img src="cid:logo@x">', subtype="html")
    message.add_related(b"\x89PNG", "image", "png", cid="<logo@x>")
    html = framed_html(Reading(message.as_bytes()))
    assert html.startswith('<!doctype html><base target="_blank">')
    assert 'src="data:image/png;base64,iVBORw=="' in html
