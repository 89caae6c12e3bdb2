"""`notifier bounces read`: each email once, also if the reader is killed."""

import json
import mailbox
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from notifier.bounces.files import Found, new_in
from notifier.extensions import db
from notifier.feedback import reader as reading
from notifier.feedback.reader import Reader
from notifier.models import Feedback, Notification, Status, Suppression
from notifier.services import services_of
from tests.support.commands import Run
from tests.support.feedback import everything, feedback, key_of, row, send, send_many, suppression

DATA = Path(__file__).parent.parent / "data"
HARD = next(case["raw"] for case in json.loads((DATA / "dsn.json").read_text()) if case["name"] == "bad_domain")


def bounce(notifier_id: str) -> bytes:
    return HARD.replace("{verp}", notifier_id).replace("{message_id}", "").encode()


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    return tmp_path / "Maildir"


def test_a_maildir_is_read_and_its_emails_move(context: Flask, run: Run, maildir: Path) -> None:
    messages = [send(context) for _ in range(3)]
    for number, message in enumerate(messages):
        (maildir / "new" / f"{number}.host").write_bytes(bounce(message.notifier_id))
    (maildir / "new" / ".hidden").write_bytes(b"x")
    (maildir / "new" / "3.host").write_bytes(b"From: Ada\n\nHello\n")
    done = run("bounces", "read", "--maildir", str(maildir), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {
        "emails": 4,
        "effects": {"suppressed": 3, "complained": 0, "known": 0, "scored": 0, "counted": 0, "waiting": 0, "none": 0},
        "known_or_foreign": 1,
        "later": 0,
        "unreadable": [],
    }
    assert sorted(path.name for path in (maildir / "cur").iterdir()) == [f"{number}.host:2,S" for number in range(4)]
    assert {row(key_of(each)).status for each in messages} == {Status.bounced}
    assert run("bounces", "read", "--maildir", str(maildir)).output == "Emails read: 0.\n"


def test_the_same_emails_in_an_mbox_a_pipe_and_with_other_line_ends_change_nothing(
    context: Flask, run: Run, maildir: Path, tmp_path: Path
) -> None:
    message = send(context)
    data = bounce(message.notifier_id)
    (maildir / "new" / "1").write_bytes(data)
    assert run("bounces", "read", "--maildir", str(maildir)).exit_code == 0
    before = everything()
    box = mailbox.mbox(tmp_path / "mbox")
    for _ in range(2):
        box.add(data.replace(b"\r\n", b"\n"))
    box.close()
    for _ in range(2):
        done = run("bounces", "read", "--mbox", str(tmp_path / "mbox"), "--json")
        assert json.loads(done.output)["known_or_foreign"] == 2
    assert run("bounces", "read", "-", input=data.replace(b"\r\n", b"\n")).exit_code == 0
    assert everything() == before
    assert len(before[2]) == 1


def test_the_recipient_of_the_envelope_names_the_email(context: Flask, run: Run) -> None:
    message = send(context)
    data = HARD.replace("b+{verp}@", "someone@").replace("{message_id}", "").encode()
    address = message.envelope_sender.upper()
    assert run("bounces", "read", "-", "--recipient", address, input=data).exit_code == 0
    assert suppression(message.recipient) is not None


def test_an_email_that_is_being_sent_is_offered_again(context: Flask, run: Run, maildir: Path) -> None:
    message = send(context)
    (maildir / "new" / "1").write_bytes(bounce(message.notifier_id))
    pk = key_of(message)
    db.session.execute(update(Notification).where(Notification.id == pk).values(status=Status.sending))
    db.session.commit()
    assert run("bounces", "read", "-", input=bounce(message.notifier_id)).exit_code == os.EX_TEMPFAIL
    assert "to be read again 1" in run("bounces", "read", "--maildir", str(maildir)).output
    assert (maildir / "new" / "1").exists()
    db.session.execute(update(Notification).where(Notification.id == pk).values(status=Status.sent))
    db.session.commit()
    assert run("bounces", "read", "--maildir", str(maildir)).exit_code == 0
    assert row(pk).status == Status.bounced
    assert not (maildir / "new" / "1").exists()


@pytest.mark.parametrize(
    "words", [["--maildir", "/nowhere"], ["--maildir", "/dev"], ["--mbox", "/"], ["--mbox", "/dev/null"]]
)
def test_what_is_not_there_ends_with_the_status_for_it(run: Run, context: Flask, words: list[str]) -> None:
    """A mail server or a pipe that got 75 would try for ever."""
    done = run("bounces", "read", *words)
    assert (done.exit_code, words[1] in done.output) == (os.EX_NOINPUT, True)


@pytest.mark.parametrize("words", [[], ["-", "--mbox", __file__], ["--no-such"], ["+"]])
def test_a_wrong_command_ends_with_the_status_for_it(run: Run, context: Flask, words: list[str]) -> None:
    assert run("bounces", "read", *words).exit_code == os.EX_USAGE


def test_a_database_that_is_away_lets_the_mail_server_try_again(
    context: Flask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise OperationalError("INSERT", {}, Exception("the server is away"))

    monkeypatch.setattr("notifier.feedback.intake.Intake.take_all", away)
    assert run("bounces", "read", "-", input=b"Subject: x\n\nx\n").exit_code == os.EX_TEMPFAIL


def test_after_a_deadlock_each_email_gets_a_transaction_of_its_own(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [send(context) for _ in range(3)]
    intake, failed = services_of(context).intake, []
    take_all = type(intake).take_all

    def once(self: object, session: object, events: object) -> object:
        taken = take_all(self, session, events)  # type: ignore[arg-type]
        if not failed:
            failed.append(events)
            raise OperationalError("UPDATE", {}, Exception("deadlock detected"))
        return taken

    monkeypatch.setattr(type(intake), "take_all", once)
    found = [Found(str(number), bounce(each.notifier_id)) for number, each in enumerate(messages)]
    done: list[str] = []
    tally = Reader(db.session, intake).read(found, done=done.append)
    assert failed
    assert (tally.effects, done) == ({"suppressed": 3}, ["0", "1", "2"])
    assert len(feedback()) == 3


def test_emails_in_memory_are_bounded(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_HELD", 1000)
    held: list[int] = []
    intake = services_of(context).intake
    monkeypatch.setattr(type(intake), "known", lambda self, session, source, names: held.append(len(names)) or set())
    Reader(db.session, intake, batch=3).read([Found(str(size), b"x" * size) for size in (600, 600, 1, 2, 3, 9000, 4)])
    assert held == [2, 3, 1, 1]


def test_an_email_that_was_taken_before_is_not_read_again(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    message = send(context)
    found = [Found("1", bounce(message.notifier_id))]
    reader = Reader(db.session, services_of(context).intake)
    assert reader.read(found).effects == {"suppressed": 1}
    monkeypatch.setattr(reading, "read", lambda data, envelope_to: pytest.fail("it was read again"))
    done: list[str] = []
    assert reader.read(found, done=done.append).known_or_foreign == 1
    assert done == ["1"]


def test_the_emails_of_a_maildir_are_opened_one_by_one(context: Flask, maildir: Path) -> None:
    for number in range(5):
        (maildir / "new" / str(number)).write_bytes(b"x")
    first = new_in(maildir)
    next(first)
    (maildir / "new" / "late").write_bytes(b"y")
    assert len({each.name for each in first}) >= 4


KILLED = 400


def test_a_reader_that_is_killed_loses_and_doubles_nothing(
    context: Flask, database_url: str, maildir: Path, tmp_path: Path
) -> None:
    """kill -9 three times in between, then once to the end."""
    for number, made in enumerate(send_many(context, KILLED)):
        (maildir / "new" / str(number)).write_bytes(bounce(made))
    command = [sys.executable, "-c", _READ, str(maildir), database_url, str(tmp_path)]
    for part in (1, 2, 3):
        reader = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        while reader.poll() is None and len(os.listdir(maildir / "cur")) < part * KILLED // 8:
            time.sleep(0.002)
        reader.send_signal(signal.SIGKILL)
        reader.wait()
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    assert list((maildir / "new").iterdir()) == []
    assert len(list((maildir / "cur").iterdir())) == KILLED
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(Feedback)) == KILLED
    assert db.session.scalar(select(func.count()).select_from(Suppression)) == KILLED
    statuses = db.session.scalars(select(Notification.status)).all()
    assert set(statuses) == {Status.bounced}
    assert make_url(database_url)


_READ = """
import sys
from pathlib import Path
from notifier.app import create_app
from notifier.bounces.files import new_in, put_away
from notifier.extensions import db
from notifier.feedback import reader as reading
from notifier.feedback.reader import Reader
from notifier.services import services_of
from notifier.testing.settings import make_settings

app = create_app(make_settings(database_url=sys.argv[2], notifier_data_dir=Path(sys.argv[3])))
with app.app_context():
    reader = Reader(db.session, services_of(app).intake, batch=50)
    maildir = Path(sys.argv[1])
    reader.read(new_in(maildir), done=lambda name: put_away(maildir, name))
"""
