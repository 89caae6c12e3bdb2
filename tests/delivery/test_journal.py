"""The journal: what a killed process sent is settled, what it had begun is unknown, the rest waits again."""

import os
import resource
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier import ledger
from notifier.delivery import settler
from notifier.delivery.attempt_facts import Facts
from notifier.delivery.recovery import journal
from notifier.delivery.recovery.journal import Journal, Page
from notifier.delivery.recovery.replay import Replayed, replay
from notifier.extensions import db
from notifier.models import Attempt, Notification, Suppression
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from tests.support.applications import NOON, make_owed
from tests.support.forked import dying

pytestmark = pytest.mark.usefixtures("frozen")

ACCEPTED = Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, 250, "2.0.0", "Ok: queued as\n4F2AB 1")
BOUNCE = Outcome(Decision.BOUNCE, Phase.RCPT, Scope.RECIPIENT, 550, "5.1.1", "no such user")


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def hold(pks: list[int], owner: str) -> None:
    ledger.claim(db.session(), pks, now=NOON, lease=timedelta(minutes=8), owner=owner)
    db.session.commit()


def row_of(pk: int) -> Notification:
    db.session.rollback()
    return db.session.get_one(Notification, pk, populate_existing=True)


def lost_process(folder: Path, write: Callable[[Page], None]) -> str:
    """The owner's name of a process that wrote to its journal and was killed."""

    def work() -> None:
        with Journal(folder).writing() as page:
            write(page)
            os.kill(os.getpid(), signal.SIGKILL)

    dying(work)
    (path,) = files(folder)
    return path.stem


def facts_of(pk: int) -> Facts:
    return Facts(f"<n{pk}@notifier.example>", "v1", "smtp")


def begin(page: Page, pk: int, claim: int = 1) -> None:
    page.begin(pk, claim, facts_of(pk))


def reply(page: Page, pk: int, outcome: Outcome, claim: int = 1) -> None:
    page.replied(pk, claim, facts_of(pk), outcome)


def begun(path: Path) -> set[int]:
    return {pk for pk, _ in journal.read(path).begun}


def accepted(pk: int) -> Callable[[Page], None]:
    """What a process notes of a mail that was sent."""

    def write(page: Page) -> None:
        begin(page, pk)
        reply(page, pk, ACCEPTED)

    return write


def test_a_living_process_keeps_its_journal(context: Flask, tmp_path: Path) -> None:
    book = Journal(tmp_path)
    with book.writing() as page:
        begin(page, 1)
        with journal.orphans(tmp_path) as lost:
            assert lost == []
    assert files(tmp_path)[0].stem == page.owner


def test_what_is_settled_leaves_no_record(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    other_is_done = threading.Event()

    def other() -> None:
        with book.writing() as page:
            begin(page, 2)
        other_is_done.set()

    with book.writing() as page:
        begin(page, 1)
        threading.Thread(target=other).start()
        assert other_is_done.wait(5)
        assert begun(files(tmp_path)[0]) == {1, 2}
    assert files(tmp_path)[0].stat().st_size == 0


def test_a_batch_that_failed_gives_its_journal_up(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    failing = book.writing()
    page = failing.__enter__()
    begin(page, 7)
    error = RuntimeError("the database is away")
    assert not failing.__exit__(RuntimeError, error, None)
    with journal.orphans(tmp_path) as lost:
        assert [name for _, name in lost] == [page.owner]
        assert begun(lost[0][0]) == {7}
    with book.writing() as fresh:
        assert fresh.owner != page.owner


def test_a_forked_child_has_its_own(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    with book.writing():
        pass

    def child() -> None:
        with book.writing() as page:
            begin(page, 5)
            os.kill(os.getpid(), signal.SIGKILL)

    dying(child)
    assert len(files(tmp_path)) == 2
    with journal.orphans(tmp_path) as lost:
        assert [begun(path) for path, _ in lost] == [{5}]


def test_a_record_that_was_cut_off_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    whole = b"F 1 v1 smtp\nB 1 1 1 <n1@x>\nB 2 1 1 <n2@x>\nR 1 1 - - 5 ACCEPTED eod message 250 2.0.0 Ok\n"
    path.write_bytes(whole + b"R 2 1 - - 5 ACCEP")
    trace = journal.read(path)
    assert trace.begun == {(1, 1): Facts("<n1@x>", "v1", "smtp"), (2, 1): Facts("<n2@x>", "v1", "smtp")}
    assert list(trace.replied) == [(1, 1)]


def test_a_record_that_a_full_disk_cut_off_stops_its_mail_and_hides_no_other(tmp_path: Path) -> None:
    """The kernel takes a part of it: without its record the body must not go out, and the next record is one again."""

    def write(page: Page) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        begin(page, 1)
        (path,) = files(tmp_path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 3, resource.RLIM_INFINITY))
        for pk in (22, 33):
            with pytest.raises(OSError, match=r"part of a record|File too large"):
                begin(page, pk)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        begin(page, 4)
        reply(page, 4, ACCEPTED)

    lost_process(tmp_path, write)
    (path,) = files(tmp_path)
    trace = journal.read(path)
    assert (set(trace.begun), list(trace.replied), trace.damaged) == ({(1, 1), (4, 1)}, [(4, 1)], 0)


def test_a_damaged_journal_leaves_doubt_and_stops_nobody(context: Flask, tmp_path: Path) -> None:
    """What its damage hides may have been on the wire: shown as a doubt, never sent again in silence."""
    sent, hidden = make_owed(1), make_owed(2)

    owner = lost_process(tmp_path, accepted(sent))
    (path,) = files(tmp_path)
    with path.open("ab") as file:
        file.write(b"B 10B %d 1 1 <x>\nR\nR 7 1 - - 5 what eod message 250 - Ok\n\0\0\nB 8 9\n" % hidden)
    hold([sent, hidden], owner)
    assert journal.read(path).damaged == 5
    assert replay(db.session, tmp_path) == Replayed(settled=1, unknown=1)
    assert (row_of(sent).status, row_of(hidden).status, row_of(hidden).unknowns) == ("sent", "pending", 1)


@pytest.mark.parametrize("name", ["000.journal", "zzz.journal"])
@pytest.mark.parametrize("kind", ["folder", "loop"])
def test_what_is_no_journal_keeps_none_from_being_replayed(
    context: Flask, tmp_path: Path, name: str, kind: str
) -> None:
    """Neither those before it nor those behind it, and no file stays open."""
    pk, bad = make_owed(1), tmp_path / name

    hold([pk], lost_process(tmp_path, accepted(pk)))
    bad.mkdir() if kind == "folder" else bad.symlink_to(bad)
    before = len(os.listdir("/proc/self/fd"))
    assert replay(db.session, tmp_path) == Replayed(settled=1)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_what_a_crashed_host_may_not_have_written_is_in_doubt(context: Flask, tmp_path: Path) -> None:
    """Without fsync the last records are lost with the host, or are zeros: nobody can say that a mail was not begun."""
    sent, hidden = make_owed(1), make_owed(2)

    owner = lost_process(tmp_path, accepted(sent))
    assert journal.is_of_this_boot(owner)
    (path,) = files(tmp_path)
    host, _, *rest = owner.rsplit("-", 3)
    before = "-".join([host, "0123abcd", *rest])
    assert not journal.is_of_this_boot(before)
    path.rename(tmp_path / f"{before}.journal")
    hold([sent, hidden], before)
    assert replay(db.session, tmp_path) == Replayed(settled=1, unknown=1)


def test_after_a_crash_of_the_host_an_end_is_an_end(context: Flask, tmp_path: Path) -> None:
    """A new try of the row would have a new claim."""
    pk = make_owed(1)
    owner = lost_process(tmp_path, lambda page: reply(page, pk, ACCEPTED._replace(decision=Decision.RETRY)))
    (path,) = files(tmp_path)
    before = "0123abcd".join(owner.rsplit(owner.rsplit("-", 3)[1], 1))
    path.rename(tmp_path / f"{before}.journal")
    hold([pk], before)
    assert replay(db.session, tmp_path) == Replayed(settled=1)
    assert (row_of(pk).status, row_of(pk).attempts, row_of(pk).unknowns) == ("pending", 1, 0)


def test_a_journal_that_fails_while_it_is_read_stops_nobody(
    context: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad disk, or a folder in which nothing can be removed."""
    pk, read = make_owed(1), journal.read

    def failing(path: Path) -> journal.Trace:
        if path.name.startswith("000"):
            raise OSError(5, "Input/output error")
        return read(path)

    hold([pk], lost_process(tmp_path, accepted(pk)))
    (tmp_path / "000.journal").touch()
    os.mkfifo(tmp_path / "001.journal")
    monkeypatch.setattr(journal, "read", failing)
    assert replay(db.session, tmp_path) == Replayed(settled=1)


def test_every_bounce_of_a_full_store_suppresses(
    context: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler, "FLUSH_ROWS", 2)
    pks = [make_owed(1), make_owed(2)]

    def write(page: Page) -> None:
        for pk in pks:
            begin(page, pk)
            reply(page, pk, BOUNCE)

    hold(pks, lost_process(tmp_path, write))
    assert replay(db.session, tmp_path) == Replayed(settled=2)
    assert len(db.session.scalars(select(Suppression)).all()) == 2


def test_zeros_at_the_end_of_a_journal_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(b"B 1 1 1 <x>\nR 1 1 - - 5 ACCEPTED eod message 250 - Ok\n" + b"\0" * 64)
    trace = journal.read(path)
    assert (list(trace.replied), trace.damaged) == ([(1, 1)], 1)


def test_replay_settles_doubts_and_gives_back(context: Flask, tmp_path: Path) -> None:
    pks = [make_owed(number) for number in range(1, 6)]
    sent, bounced, doubtful, _waiting, of_somebody_else = pks

    def write(page: Page) -> None:
        for pk in (sent, bounced, doubtful):
            begin(page, pk)
        reply(page, sent, ACCEPTED)
        reply(page, bounced, BOUNCE)

    owner = lost_process(tmp_path, write)
    hold(pks[:4], owner)
    hold([of_somebody_else], "another worker")

    assert replay(db.session, tmp_path) == Replayed(settled=2, unknown=1, waiting=1)
    assert [row_of(pk).status for pk in pks] == ["sent", "failed", "pending", "pending", "sending"]
    assert (row_of(sent).sent_at, row_of(sent).last_text) == (NOON, "Ok: queued as 4F2AB 1")
    assert [row_of(pk).attempts for pk in pks] == [1, 1, 1, 0, 0]
    assert [row_of(pk).unknowns for pk in pks] == [0, 0, 1, 0, 0]
    assert db.session.scalars(select(Suppression.identity_key)).all() == ["user2@example.com"]
    assert set(db.session.scalars(select(Attempt.decision))) == {"BOUNCE", "UNKNOWN"}


@pytest.mark.parametrize("end", ["accepted", "refused at RCPT", "in doubt"])
def test_a_row_that_is_settled_from_a_journal_knows_its_email(context: Flask, tmp_path: Path, end: str) -> None:
    """Message-ID, template version, transport, the reply and its time: as if its worker had lived to say it."""
    pk = make_owed(1)

    def write(page: Page) -> None:
        begin(page, 999)  # the first email of the file writes down what the others share
        if end != "refused at RCPT":
            begin(page, pk)
        if end != "in doubt":
            reply(page, pk, ACCEPTED if end == "accepted" else BOUNCE)

    hold([pk], lost_process(tmp_path, write))
    with time_machine.travel(NOON + timedelta(hours=3), tick=False):
        replay(db.session, tmp_path)
    row = row_of(pk)
    assert (row.message_id, row.template_version, row.transport) == facts_of(pk)
    said = {"accepted": (250, "Ok: queued as 4F2AB 1", NOON), "refused at RCPT": (550, "no such user", None)}
    assert row.server_id == ("4F2AB" if end == "accepted" else None)
    unsaid = (None, "the worker crashed while the email was being sent", None)
    assert (row.last_code, row.last_text, row.sent_at) == said.get(end, unsaid)


def test_a_record_of_an_older_claim_tells_nothing_of_a_newer_one(context: Flask, tmp_path: Path) -> None:
    pk = make_owed(1)
    hold([pk], lost_process(tmp_path, lambda page: reply(page, pk, ACCEPTED, claim=7)))
    assert replay(db.session, tmp_path) == Replayed(waiting=1)


def test_what_emails_share_is_written_down_again_after_the_file_was_emptied(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    for number in (1, 2):
        with book.writing() as page:
            begin(page, number)
            assert journal.read(files(tmp_path)[0]).begun == {(number, 1): facts_of(number)}


def test_a_claim_whose_commit_came_late_is_found_too(context: Flask, tmp_path: Path) -> None:
    pk = make_owed(1)
    owner = lost_process(tmp_path, lambda page: None)
    assert replay(db.session, tmp_path) == Replayed()
    hold([pk], owner)
    assert replay(db.session, tmp_path) == Replayed(waiting=1)


def test_an_old_journal_that_nobody_needs_goes(context: Flask, tmp_path: Path) -> None:
    lost_process(tmp_path, lambda page: None)
    (path,) = files(tmp_path)
    os.utime(path, times=(NOON.timestamp() - 61,) * 2)
    replay(db.session, tmp_path)
    assert files(tmp_path) == []


def test_replay_leaves_a_doubt_where_the_policy_says_never(context: Flask, tmp_path: Path) -> None:
    pk = make_owed(1, on_unknown="never")
    owner = lost_process(tmp_path, lambda page: begin(page, pk))
    hold([pk], owner)
    replay(db.session, tmp_path)
    assert (row_of(pk).status, row_of(pk).reason_code) == ("unknown", "delivery_uncertain")


def test_replay_twice_changes_nothing_more(context: Flask, tmp_path: Path) -> None:
    pk = make_owed(1)
    owner = lost_process(tmp_path, lambda page: begin(page, pk))
    hold([pk], owner)
    replay(db.session, tmp_path)
    assert replay(db.session, tmp_path) == Replayed()
    assert row_of(pk).unknowns == 1
