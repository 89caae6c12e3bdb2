"""`notifier bounces read --imap` against a real Dovecot: each email once, and removed only after its commit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from notifier.bounces.files import MAX_READ, Found
from notifier.extensions import db
from notifier.feedback import imap_mailbox
from notifier.feedback.imap_mailbox import WAITS, After, Delete, ImapMailbox, Keep, Move
from notifier.feedback.intake import Intake
from notifier.imap.account import ImapAway, ImapRefused
from notifier.imap.folder import Folder
from notifier.models import Feedback, Notification, Status, Suppression
from notifier.testing.servers import dovecot as dovecots
from notifier.testing.servers.dovecot import PASSWORD, DovecotServer
from tests.feedback.test_reader import bounce
from tests.support.commands import Run, runner
from tests.support.feedback import everything, feedback, key_of, row, send, send_many
from tests.support.mailboxes import Box, CuttingProxy, authority, dovecot, email
from tests.support.needs import need


@pytest.fixture(scope="module")
def server() -> Iterator[DovecotServer]:
    need(dovecots.find, "DOVECOT")
    with dovecot() as running:
        yield running


@pytest.fixture
def box(server: DovecotServer) -> Box:
    return Box(server)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    values = {"inbound_imap_password": PASSWORD, "inbound_imap_ca_file": authority()[0]}
    return make_app(publish=lambda keys, bulk: None, **values)


@pytest.fixture
def read(app: Flask, box: Box) -> Callable[..., tuple[int, str]]:
    """Run the command on the folder of `box`. Return its status and what it prints."""
    run: Run = runner(app)

    def command(*words: str) -> tuple[int, str]:
        user = box.user.replace("@", "%40")
        url = f"imaps://{user}@localhost:{box.server.tls_port}/{box.folder}"
        done = run("bounces", "read", "--imap", url, *words)
        return done.exit_code, done.output

    return command


Read = Callable[..., tuple[int, str]]


def mailbox(box: Box, after: After, port: int = 0, waits: list[float] | None = None) -> ImapMailbox:
    kept: list[float] = [] if waits is None else waits
    return ImapMailbox(box.account(port), box.folder, after, sleep=kept.append)


def subject(found: Found) -> str:
    return found.data.split(b"Subject: ")[1].split(b"\r\n")[0].decode() if not found.error else f"! {found.error}"


def read_all(reading: ImapMailbox) -> list[str]:
    """Read, store at once, remove. Return the subjects."""
    subjects = []
    with reading:
        for found in reading.emails():
            subjects.append(subject(found))
            if not found.error:
                reading.done(found.name)
        reading.finish()
    return subjects


# --- The command


def test_a_mailbox_is_read_and_its_emails_are_deleted(context: Flask, box: Box, read: Read) -> None:
    messages = [send(context) for _ in range(3)]
    box.put(*(bounce(each.notifier_id) for each in messages), email("hello"))
    box.put(email("theirs"), flags="(\\Deleted)")
    status, output = read("--json")
    assert (status, json.loads(output)) == (0, {
        "emails": 4,
        "effects": {"suppressed": 3, "complained": 0, "known": 0, "scored": 0, "counted": 0, "waiting": 0, "none": 0},
        "known_or_foreign": 1,
        "later": 0,
        "unreadable": [],
    })  # fmt: skip
    assert {row(key_of(each)).status for each in messages} == {Status.bounced}
    assert box.subjects() == ["theirs"]
    assert read()[1].startswith("Emails read: 0.")


def test_kept_emails_are_read_once_and_again_without_an_effect(context: Flask, box: Box, read: Read) -> None:
    box.folder = "Bounces"
    box.make("Bounces")
    message = send(context)
    box.put(bounce(message.notifier_id))
    assert read("--keep")[0] == 0
    before = everything()
    assert read("--keep")[1].startswith("Emails read: 0.")
    box.remake()
    box.put(bounce(message.notifier_id))
    assert "Emails read: 1;" in read("--keep")[1]
    assert everything() == before
    assert len(box.subjects()) == 1


def test_an_email_that_is_being_sent_stays(context: Flask, box: Box, read: Read) -> None:
    message = send(context)
    box.put(bounce(message.notifier_id), email("hello"))
    status = update(Notification).where(Notification.id == key_of(message))
    db.session.execute(status.values(status=Status.sending))
    db.session.commit()
    code, output = read()
    assert (code, "to be read again 1" in output, len(box.subjects())) == (0, True, 1)
    db.session.execute(status.values(status=Status.sent))
    db.session.commit()
    assert (read()[0], box.subjects()) == (0, [])
    assert row(key_of(message)).status == Status.bounced


def test_an_email_whose_commit_fails_stays(
    context: Flask, box: Box, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.put(bounce(send(context).notifier_id))

    def away(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("the server is away"))

    with monkeypatch.context() as broken:
        broken.setattr(Intake, "take_all", away)
        assert read()[0] == os.EX_TEMPFAIL
    assert (len(box.subjects()), feedback()) == (1, [])
    assert (read()[0], box.subjects(), len(feedback())) == (0, [], 1)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--imap"], os.EX_USAGE, "set INBOUND_IMAP_URL"),
        (["--imap", "imaps://a:hush@b.example/"], os.EX_USAGE, "has a password in it"),
        (["--imap", "imaps://a@b.example", "--keep", "--move-to", "x"], os.EX_USAGE, "not both"),
        (["--imap", "imaps://a@b.example", "--move-to", "inbox"], os.EX_USAGE, "another folder"),
        (["--imap", "imaps://a@b.example", "-"], os.EX_USAGE, "Give one of"),
        (["-", "--keep"], os.EX_USAGE, "need --imap"),
    ],
)
def test_a_wrong_command_says_what_to_do(sqlite_app: Flask, words: list[str], status: int, said: str) -> None:
    with sqlite_app.app_context():
        done = runner(sqlite_app)("bounces", "read", *words)
    assert (done.exit_code, said in done.output, "hush" in done.output) == (status, True, False)


def test_without_a_password_the_setting_is_named(sqlite_app: Flask) -> None:
    with sqlite_app.app_context():
        done = runner(sqlite_app)("bounces", "read", "--imap", "imaps://a@b.example")
    assert (done.exit_code, "Set INBOUND_IMAP_PASSWORD" in done.output) == (os.EX_CONFIG, True)


def test_a_server_that_refuses_or_is_away_has_a_status_of_its_own(
    make_app: Callable[..., Flask], box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_mailbox, "WAITS", ())
    url = f"imap://{box.user.replace('@', '%40')}@127.0.0.1:{box.server.port}"
    app = make_app(publish=lambda keys, bulk: None, inbound_imap_url=url, inbound_imap_password="wrong")
    with app.app_context():
        refused = runner(app)("bounces", "read", "--imap")
        away = runner(app)("bounces", "read", "--imap", "imap://a@127.0.0.1:1")
    assert (refused.exit_code, "does not let" in refused.output) == (os.EX_CONFIG, True)
    assert (away.exit_code, "read it again later" in away.output) == (os.EX_TEMPFAIL, True)


# --- The mailbox


def test_emails_move_to_another_folder(box: Box) -> None:
    box.put(email("one"), email("two"))
    with pytest.raises(ImapRefused, match="'Read' cannot be used"):
        read_all(mailbox(box, Move("Read")))
    box.make("Read")
    assert read_all(mailbox(box, Move("Read"))) == ["one", "two"]
    assert (box.subjects(), box.subjects("Read")) == ([], ["one", "two"])


def test_a_read_only_folder_is_read_if_it_is_kept(box: Box) -> None:
    box.put(email("one"))
    (box.maildir() / "cur").chmod(0o555)
    for _ in range(2):
        assert read_all(mailbox(box, Keep())) == ["one"]
    with pytest.raises(ImapRefused, match="read-only"):
        read_all(mailbox(box, Delete()))


def test_only_the_beginning_of_a_large_email_is_fetched(box: Box) -> None:
    box.put(email("large", size=MAX_READ + 100_000))
    with CuttingProxy(box.server.port, [MAX_READ + 50_000]) as proxy, mailbox(box, Delete(), proxy.port) as reading:
        (found,) = reading.emails()
    assert (len(found.data), proxy.connections) == (MAX_READ, 1)


def test_no_email_is_removed_before_it_is_done(box: Box) -> None:
    box.put(*(email(str(number)) for number in range(3)))
    with mailbox(box, Delete()) as reading:
        first, second, _ = reading.emails()
        assert box.subjects() == ["0", "1", "2"]
        reading.done(second.name)
        reading.finish()
    assert first.data
    assert box.subjects() == ["0", "2"]


#: Bytes until the sign-in and the list of emails are over; one of the emails below is longer.
OPENING, LONG = 4_000, 8_000


def test_a_connection_that_is_cut_loses_and_doubles_nothing(box: Box) -> None:
    names = [str(number) for number in range(12)]
    box.put(*(email(each, size=LONG) for each in names))
    waits: list[float] = []
    with CuttingProxy(box.server.port, [OPENING + LONG * 4]) as proxy:
        assert read_all(mailbox(box, Delete(), proxy.port, waits)) == names
    assert proxy.connections > 2
    assert set(waits) == {WAITS[0]}
    assert box.subjects() == []


def test_a_server_that_stays_away_ends_the_reading(box: Box) -> None:
    box.put(*(email(str(number), size=LONG) for number in range(4)))
    waits: list[float] = []
    with (
        CuttingProxy(box.server.port, [OPENING + LONG * 2, 0]) as proxy,
        mailbox(box, Delete(), proxy.port, waits) as reading,
    ):
        emails = (reading.done(found.name) for found in reading.emails())
        with pytest.raises(ImapAway):
            list(emails)
        assert (proxy.connections, waits) == (4, list(WAITS))
    remaining = box.subjects()
    assert remaining
    assert read_all(mailbox(box, Delete())) == remaining


def test_an_old_uid_removes_nothing_after_uidvalidity_changed(box: Box) -> None:
    """The folder is made anew between two connections, with other emails under the same UIDs."""
    box.folder = "Bounces"
    box.make("Bounces")
    box.put(email("old 1"), email("old 2"))
    with mailbox(box, Delete()) as reading:
        emails = reading.emails()
        first, late = next(emails), next(emails)
        box.remake()
        box.put(email("new 1"), email("new 2"))
        reading.done(first.name)
        second = next(emails)
        assert (subject(second), box.subjects()) == ("new 1", ["new 1", "new 2"])
        reading.done(late.name)
        reading.done(second.name)
        assert subject(next(emails)) == "new 2"
        reading.finish()
    assert box.subjects() == ["new 2"]


def test_an_email_that_the_server_cannot_read_does_not_block_the_others(box: Box) -> None:
    box.put(email("one"), email("broken"), email("three"))
    (broken,) = (path for path in box.paths() if b"Subject: broken" in path.read_bytes())
    broken.chmod(0)
    one, unreadable, three = read_all(mailbox(box, Delete()))
    assert (one, three, unreadable[0]) == ("one", "three", "!")
    broken.chmod(0o644)
    assert box.subjects() == ["broken"]


def test_what_another_client_removes_meanwhile_is_left_out(box: Box) -> None:
    box.put(email("one"), email("two"), email("three"))
    with mailbox(box, Delete()) as reading:
        emails = reading.emails()
        next(emails)
        with box.client() as client:
            client.store("2", "+FLAGS", "(\\Deleted)")
            client.expunge()
        assert [subject(each) for each in emails] == ["three"]


def test_a_folder_that_lets_the_user_delete_nothing_is_refused(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "deletes", False)
    with pytest.raises(ImapRefused, match="use --keep or --move-to"):
        read_all(mailbox(box, Delete()))


# --- kill -9

KILLED = 100


@pytest.mark.timeout(180)
def test_a_reader_that_is_killed_loses_and_doubles_nothing(
    context: Flask, box: Box, database_url: str, tmp_path: Path
) -> None:
    """kill -9 twice in between, then once to the end. Each reader is a process of its own."""
    box.put(*map(bounce, send_many(context, KILLED)))
    command = [sys.executable, "-c", _READ, str(box.server.port), box.user, PASSWORD, database_url, str(tmp_path)]
    for part in (1, 2):
        reader = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        while reader.poll() is None and len(box.paths()) > KILLED - part * KILLED // 5:
            time.sleep(0.002)
        reader.send_signal(signal.SIGKILL)
        reader.wait()
        assert len(box.paths()) + stored() >= KILLED
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    assert (box.paths(), stored()) == ([], KILLED)
    assert db.session.scalar(select(func.count()).select_from(Suppression)) == KILLED
    assert set(db.session.scalars(select(Notification.status))) == {Status.bounced}


def stored() -> int:
    """Events that are committed."""
    counted = db.session.scalar(select(func.count()).select_from(Feedback)) or 0
    # On SQLite the transaction holds the lock that the reader needs.
    db.session.rollback()
    return counted


_READ = """
import sys
from pathlib import Path
from notifier.app import create_app
from notifier.extensions import db
from notifier.feedback.imap_mailbox import Delete, ImapMailbox
from notifier.feedback.reader import Reader
from notifier.imap.account import Account, Security
from notifier.services import services_of
from notifier.testing.settings import make_settings

port, user, password, url, folder = sys.argv[1:]
app = create_app(make_settings(database_url=url, notifier_data_dir=Path(folder)))
with app.app_context(), ImapMailbox(
    Account("127.0.0.1", int(port), Security.NONE, user, password), "INBOX", Delete()
) as mailbox:
    Reader(db.session, services_of(app).intake, batch=10).read(mailbox.emails(), done=mailbox.done)
    mailbox.finish()
"""
