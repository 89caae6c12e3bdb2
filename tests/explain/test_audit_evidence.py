"""What an audit compares with: files and inboxes, read one mail after the other."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from notifier.dev.inbox.app import create_inbox_app
from notifier.dev.inbox.store import Inbox, Mail
from notifier.explain import audit_evidence
from notifier.explain.audit_evidence import EvidenceError, Seen, from_file, from_inbox


def test_a_file_may_hold_ids_log_lines_and_json(tmp_path: Path) -> None:
    path = tmp_path / "accepted.log"
    lines = (
        "# from the mail server", "<1@x>", "2@x", "", "<3@x> ada@example.com 12.5",
        '{"message_id": "<4@x>", "recipient": "bob@example.com"}', '{"message_id": "5@x"}', "- eve@example.com 13.0",
    )  # fmt: skip
    path.write_text("\n".join(lines))
    assert list(from_file(path)) == [
        Seen("1@x"), Seen("2@x"), Seen("3@x", "ada@example.com"), Seen("4@x", "bob@example.com"), Seen("5@x"),
        Seen("", "eve@example.com"),
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["nonsense", '{"id": "1@x"}', "{", "\x00\xff"])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "accepted.log"
    path.write_bytes(b"<1@x>\n" + line.encode("latin-1"))
    with pytest.raises(EvidenceError, match=r"accepted\.log, line 2"):
        list(from_file(path))


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, str]]:
    """An inbox and its address."""
    box = Inbox()
    server = make_server("127.0.0.1", 0, create_inbox_app(box), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield box, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def mail(name: str) -> Mail:
    return Mail("a@x", ("ada@example.com",), f"Message-Id: {name}\r\nSubject: Hi\r\n\r\nHi\r\n".encode())


def test_all_pages_of_an_inbox_are_read(inbox: tuple[Inbox, str]) -> None:
    box, url = inbox
    for number in range(501):
        box.add(mail(f"<{number}@x>"))
    told: list[tuple[int, int]] = []
    found = list(from_inbox(url, lambda *numbers: told.append(numbers)))
    assert {(seen.message_id, seen.recipient) for seen in found} == {(f"{n}@x", "ada@example.com") for n in range(501)}
    assert len(found) == 501
    assert told == [(250, 501), (500, 501), (501, 501)]


def test_an_inbox_that_is_none_is_told_in_words() -> None:
    for url, words in (("ftp://x", "write the address"), ("http://127.0.0.1:9", "does not answer")):
        with pytest.raises(EvidenceError, match=words):
            list(from_inbox(url))


def test_an_inbox_that_changes_meanwhile_is_told_in_words(
    inbox: tuple[Inbox, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    box, url = inbox
    for number in range(300):
        box.add(mail(f"<{number}@x>"))
    ask = audit_evidence._ask

    def slowly(page: str) -> Any:
        answer = ask(page)
        box.add(mail(f"<new{page[-9:]}@x>"))
        return answer

    monkeypatch.setattr(audit_evidence, "_ask", slowly)
    with pytest.raises(EvidenceError, match="changed while it was read"):
        list(from_inbox(url))


def test_what_is_no_inbox_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_evidence, "_ask", lambda page: {"items": "none"})
    with pytest.raises(EvidenceError, match="not with MailHog's API"):
        list(from_inbox("http://127.0.0.1:1"))
