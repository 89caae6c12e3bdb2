"""A journal that comes late: its host was lost, its leases ran out, and its rows were decided without it."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from notifier import clock, ledger
from notifier.delivery.attempt_facts import Facts
from notifier.delivery.recovery import journal
from notifier.delivery.recovery.journal import Journal, Page
from notifier.delivery.recovery.replay import Replayed, replay
from notifier.extensions import db
from notifier.models import Attempt, Notification, Status, Suppression
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from tests.support.applications import NOON, make_owed

pytestmark = pytest.mark.usefixtures("frozen")

LEASE = timedelta(seconds=30)
ACCEPTED = Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, 250, "2.0.0", "Ok: queued as 4F2AB")
BOUNCE = Outcome(Decision.BOUNCE, Phase.RCPT, Scope.RECIPIENT, 550, "5.1.1", "no such user")


class LostHost:
    """A host whose folder is away: its claims lapse, and its journal comes back when a test says so."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder / "journal"
        self._book = Journal(self.folder, "web-3", durable=durable)
        writing = self._book.writing()
        self._writing: AbstractContextManager[Page] | None = writing
        self.page: Page = writing.__enter__()

    def claims(self, *pks: int) -> None:
        ledger.claim(db.session(), pks, now=clock.now(), lease=LEASE, owner=self.page.owner)
        db.session.commit()

    def begins(self, *pks: int, claim: int = 1) -> None:
        for pk in pks:
            self.page.begin(pk, claim, facts_of(pk))

    def hears(self, pk: int, outcome: Outcome, claim: int = 1) -> None:
        self.page.replied(pk, claim, facts_of(pk), outcome)

    def lapses(self) -> None:
        ledger.expire_leases(db.session(), now=clock.now() + LEASE, limit=100)
        db.session.commit()

    def dies(self) -> None:
        """The lock of its process is gone."""
        writing, self._writing = self._writing, None
        if writing is not None:
            error = RuntimeError("it dies")
            writing.__exit__(RuntimeError, error, None)

    def comes_back(self, *, rebooted: bool = False) -> Replayed:
        """Its process is gone, and the folder is there again."""
        self.dies()
        if rebooted:
            other = self.page.owner.replace(ledger.boot_of(self.page.owner), "0123abcd")
            for suffix in ("journal", "making"):
                self.path.with_suffix(f".{suffix}").rename(self.folder / f"{other}.{suffix}")
            db.session.query(Attempt).filter_by(owner=self.page.owner).update({"owner": other})
            db.session.commit()
            self.page.owner = other
        return replay(db.session, self.folder)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.page.owner}.journal"


@pytest.fixture
def host(context: Flask, tmp_path: Path) -> Iterator[LostHost]:
    lost = LostHost(tmp_path)
    yield lost
    lost.dies()


def facts_of(pk: int) -> Facts:
    return Facts(f"<n{pk}@notifier.example>", "v1", "smtp")


def rows(*pks: int) -> list[Notification]:
    db.session.rollback()
    return [db.session.get_one(Notification, pk, populate_existing=True) for pk in pks]


def statuses(*pks: int) -> list[str]:
    return [row.status for row in rows(*pks)]


def owed(count: int, policy: str = "never") -> list[int]:
    return [make_owed(number, on_unknown=policy) for number in range(1, count + 1)]


def test_it_corrects_what_was_taken_as_unknown(host: LostHost) -> None:
    sent, bounced, begun, _never_begun = keys = owed(4)
    host.claims(*keys)
    host.begins(sent, begun)
    host.hears(sent, ACCEPTED)
    host.hears(bounced, BOUNCE)
    host.lapses()
    assert statuses(*keys) == ["unknown"] * 4

    assert host.comes_back() == Replayed(settled=2, waiting=1, corrected=3)
    assert statuses(*keys) == ["sent", "failed", "unknown", "pending"]
    assert [(row.attempts, row.unknowns) for row in rows(*keys)] == [(1, 0), (1, 0), (0, 1), (0, 0)]
    assert rows(sent)[0].reason_code == "journal_found"
    assert [row.message_id for row in rows(sent, bounced, begun)] == [
        facts_of(pk).message_id for pk in (sent, bounced, begun)
    ]
    assert [row.server_id for row in rows(sent, bounced, begun)] == ["4F2AB", None, None]
    assert db.session.scalars(select(Suppression.identity_key)).all() == ["user2@example.com"]
    # Once more it finds nothing to do.
    assert replay(db.session, host.folder) == Replayed()


def test_an_email_that_waits_to_be_sent_again_and_had_arrived_is_not_sent_again(host: LostHost) -> None:
    sent, _begun = keys = owed(2, "resend")
    host.claims(*keys)
    host.begins(*keys)
    host.hears(sent, ACCEPTED)
    host.lapses()
    assert statuses(*keys) == ["pending", "pending"]
    host.comes_back()
    assert statuses(*keys) == ["sent", "pending"]
    assert [row.unknowns for row in rows(*keys)] == [0, 1]


def test_it_touches_no_row_that_was_claimed_again_or_decided(host: LostHost) -> None:
    again, held, sent, resent = keys = owed(4)
    host.claims(*keys)
    host.begins(*keys)
    for pk in (again, held, resent):
        host.hears(pk, ACCEPTED)
    host.lapses()
    for pk in (again, held):
        ledger.move(db.session(), pk, Status.unknown, Status.pending, now=NOON)
    ledger.move(db.session(), sent, Status.unknown, Status.sent, now=NOON)
    ledger.claim(db.session(), [again, held], now=NOON, lease=LEASE, owner="another")
    db.session.commit()
    ledger.settle(
        db.session(), [ledger.Settlement(again, 2, Status.failed, 1, 1)], now=NOON,
    )  # fmt: skip
    db.session.commit()
    assert host.comes_back() == Replayed(settled=1, corrected=1)
    assert statuses(*keys) == ["failed", "sending", "sent", "sent"]


def test_after_a_crash_of_the_host_what_is_not_there_may_have_been_begun(host: LostHost) -> None:
    sent, hidden = keys = owed(2)
    host.claims(*keys)
    host.begins(sent)
    host.hears(sent, ACCEPTED)
    host.lapses()
    assert host.comes_back(rebooted=True) == Replayed(settled=1, corrected=1)
    assert statuses(sent, hidden) == ["sent", "unknown"]


@pytest.mark.parametrize("tail", [b"", b"\0" * 300, b"R 1 1 - - 5 ACC\0\0\0\n\0\0"], ids=["clean", "zeros", "torn"])
def test_if_the_disk_was_waited_for_a_crash_of_the_host_has_lost_no_begin(
    context: Flask, tmp_path: Path, tail: bytes
) -> None:
    host = LostHost(tmp_path, durable=True)
    begun, never_begun = keys = owed(2)
    host.claims(*keys)
    host.begins(begun)
    host.lapses()
    host.dies()
    with host.path.open("ab") as file:
        file.write(tail)
    assert host.comes_back(rebooted=True) == Replayed(waiting=1, corrected=1)
    assert statuses(begun, never_begun) == ["unknown", "pending"]


def test_damage_in_the_midst_of_a_durable_journal_is_no_tail(context: Flask, tmp_path: Path) -> None:
    host = LostHost(tmp_path, durable=True)
    begun, hidden = keys = owed(2)
    host.claims(*keys)
    with host.path.open("ab") as file:
        file.write(b"B 2\0\0\n")
    host.begins(begun)
    host.lapses()
    assert host.comes_back(rebooted=True) == Replayed()
    assert statuses(begun, hidden) == ["unknown", "unknown"]


def test_a_durable_journal_waits_for_the_disk_before_each_body(
    context: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(os.fstat(fd).st_size))
    host = LostHost(tmp_path, durable=True)
    host.begins(1)
    assert synced == [2, host.path.stat().st_size]
    host.hears(1, ACCEPTED)
    assert len(synced) == 2
    assert host._writing is not None
    host._writing.__exit__(None, None, None)
    assert host.path.read_bytes() == b"D\n"  # so that a crash between two batches leaves a journal that is believed
    host._writing = None


def test_an_unknown_end_of_its_own_is_not_corrected(host: LostHost) -> None:
    """The process itself had stored that nobody can know: its journal was emptied then, and tells nothing."""
    pk = make_owed(1, on_unknown="never")
    host.claims(pk)
    (row,) = ledger.held_by(db.session(), host.page.owner)
    end = ledger.unknown(row.id, 1, 1, 0, "never", now=NOON, reply=ledger.StoredReply("UNKNOWN", "eod"))
    ledger.settle(db.session(), [end], now=NOON)
    db.session.commit()
    assert host.comes_back() == Replayed()
    assert statuses(pk) == ["unknown"]


# --- what becomes of the file -------------------------------------------------------------------------


def grow_old(host: LostHost) -> None:
    os.utime(host.path, times=(NOON.timestamp() - 61,) * 2)


def test_a_journal_that_was_used_goes(host: LostHost) -> None:
    (pk,) = owed(1)
    host.claims(pk)
    host.begins(pk)
    host.hears(pk, ACCEPTED)
    host.lapses()
    host.comes_back()
    assert journal.read(host.path).used
    grow_old(host)
    assert replay(db.session, host.folder) == Replayed()
    assert list(host.folder.iterdir()) == []


def test_a_journal_that_came_too_late_is_set_aside_and_said(host: LostHost, caplog: pytest.LogCaptureFixture) -> None:
    """It says that an email had arrived that was then sent again: a person may want to know."""
    caplog.set_level("WARNING")
    (pk,) = owed(1, "resend")
    host.claims(pk)
    host.begins(pk)
    host.hears(pk, ACCEPTED)
    host.lapses()
    ledger.claim(db.session(), [pk], now=NOON + LEASE, lease=LEASE, owner="another")
    db.session.commit()
    host.dies()
    grow_old(host)
    assert host.comes_back() == Replayed()
    assert [path.suffix for path in host.folder.iterdir()] == [".kept"]
    assert "accepted_and_claimed_again=1" in caplog.text
    assert replay(db.session, host.folder) == Replayed()


def test_a_journal_that_is_not_believed_is_set_aside_while_its_rows_are_in_doubt(
    host: LostHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    (pk,) = owed(1)
    host.claims(pk)
    host.lapses()
    host.dies()
    grow_old(host)
    host.comes_back(rebooted=True)
    assert [path.suffix for path in host.folder.iterdir()] == [".kept"]
    assert "left_in_doubt=1" in caplog.text
