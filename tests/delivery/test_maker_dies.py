"""An email whose making kills its process (out of memory): it takes no other along, and it ends."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from notifier import ledger
from notifier.app import create_app
from notifier.delivery import batch as batching
from notifier.delivery.deliver import Sender
from notifier.delivery.recovery import composing_marks
from notifier.delivery.recovery.journal import Journal
from notifier.delivery.recovery.poison_emails import Company
from notifier.delivery.recovery.replay import Replayed, replay
from notifier.emails import Owed
from notifier.extensions import db
from notifier.mail.message import Message
from notifier.models import Attempt, Notification
from notifier.services import services_of
from notifier.smtp.observer import Observer
from notifier.smtp.outcome import Decision, Outcome
from notifier.testing.mail_server import ACCEPTED, BUSY, FakeMailServer
from tests.support.applications import NOON, make_owed, make_settings
from tests.support.forked import forked
from tests.support.live import Letter, letter_templates

pytestmark = pytest.mark.usefixtures("frozen")

LEASE = timedelta(seconds=30)


class Deadly(Letter):
    """A letter that ends the process that makes it, if its row says so."""

    def context(self, owed: Owed) -> dict[str, Any]:
        """Make it."""
        if owed.notification.params.get("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().context(owed)


@pytest.fixture
def app(database_url: str, tmp_path: Path) -> Iterator[Flask]:
    made = create_app(
        make_settings(database_url=database_url, notifier_data_dir=tmp_path),
        publish=lambda keys, bulk: None,
        kinds={Letter.name: Deadly()},
        templates=letter_templates(tmp_path / "templates"),
    )
    yield made
    with made.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def sender(context: Flask) -> Sender:
    FakeMailServer().attach(context)
    return services_of(context).sender


def owed(count: int, *deadly: int) -> list[int]:
    return [
        make_owed(number, kind=Letter.name, bulk=True, params={"deadly": True} if number in deadly else {})
        for number in range(1, count + 1)
    ]


def rows() -> dict[int, Notification]:
    db.session.rollback()
    return {row.id: row for row in db.session.scalars(select(Notification).execution_options(populate_existing=True))}


def dies(work: Callable[[], object]) -> bool:
    """Run it in a process of its own; whether that was killed."""
    db.session.remove()
    code = forked(work)
    assert code in {0, -signal.SIGKILL}
    return code != 0


def test_it_fails_visibly_after_three_deaths_and_the_others_are_sent_once(sender: Sender) -> None:
    keys = owed(30, 14)
    deadly = keys[13]
    deaths = 0
    while dies(lambda: sender.deliver(keys, bulk=True)):
        deaths += 1
        assert deaths < 10, "without end"
        replay(db.session, sender.journal.folder)
    found = rows()
    assert deaths == 3
    assert {row.status for pk, row in found.items() if pk != deadly} == {"sent"}
    assert {row.unknowns for row in found.values()} == {0}
    poison = found[deadly]
    assert (poison.status, poison.reason_code, poison.attempts) == ("failed", "maker_died", 0)
    assert "3 worker processes crashed" in (poison.reason or "")
    assert db.session.scalars(select(Attempt.decision).where(Attempt.notification_id == deadly)).all() == ["MAKER_DIED"]


def test_its_neighbours_count_no_death(sender: Sender) -> None:
    keys = owed(30, 14)
    assert dies(lambda: sender.deliver(keys, bulk=True))
    replay(db.session, sender.journal.folder)
    found = rows()
    assert {pk: row.deaths for pk, row in found.items() if row.deaths} == {keys[13]: 1}
    assert [found[pk].status for pk in keys[:13]] == ["sent"] * 13
    assert {found[pk].status for pk in keys[13:]} == {"pending"}


def test_reading_its_data_counts_too(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole chunk's, because nobody can say whose."""
    keys = owed(5)
    db.session.execute(Notification.__table__.update().values(run_id=1))
    db.session.commit()
    monkeypatch.setattr(sender.recheck, "look", lambda rows, **given: os.kill(os.getpid(), signal.SIGKILL))
    assert dies(lambda: sender.deliver(keys, bulk=True))
    assert replay(db.session, sender.journal.folder) == Replayed(waiting=5)
    assert {row.deaths for row in rows().values()} == {1}


def test_what_had_begun_is_in_doubt_and_no_death(sender: Sender) -> None:
    keys = owed(3)
    db.session.execute(Notification.__table__.update().values(on_unknown="never"))
    db.session.commit()

    def hand_over(
        messages: Iterable[tuple[int, Message]], via: str, observer: Observer
    ) -> Iterator[tuple[int, Outcome]]:
        first, _second = (pk for pk, _ in (next(iter(messages)), next(iter(messages))))
        observer.begin(first)
        os.kill(os.getpid(), signal.SIGKILL)
        yield first, ACCEPTED

    sender.hand_over = hand_over
    assert dies(lambda: sender.deliver(keys, bulk=True))
    replay(db.session, sender.journal.folder)
    assert [(row.status, row.deaths) for _, row in sorted(rows().items())] == [
        ("unknown", 0),
        ("pending", 0),
        ("pending", 0),
    ]


def test_a_batch_that_failed_in_a_living_process_is_no_death(sender: Sender) -> None:
    keys = owed(3)

    def hand_over(
        messages: Iterable[tuple[int, Message]], via: str, observer: Observer
    ) -> Iterator[tuple[int, Outcome]]:
        yield next(iter(messages))[0], ACCEPTED
        raise RuntimeError("the database is away")

    working, sender.hand_over = sender.hand_over, hand_over
    with pytest.raises(RuntimeError):
        sender.deliver(keys, bulk=True)
    assert sender.journal.left_behind
    sender.hand_over = working
    assert sender.deliver(keys, bulk=True) == {Decision.ACCEPTED: 3}  # it settles first what it left
    assert {row.deaths for row in rows().values()} == {0}
    assert not sender.journal.left_behind


def test_an_email_that_was_made_alone_counts_its_deaths_no_more(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was kills of the process, and none of its making."""
    keys = owed(3)
    db.session.execute(Notification.__table__.update().where(Notification.id == keys[1]).values(deaths=2))
    db.session.commit()
    together: list[list[int]] = []
    run = batching.Batch.run

    def noted(self: batching.Batch) -> Any:
        together.append(list(self._portion.pks))
        return run(self)

    monkeypatch.setattr(batching.Batch, "run", noted)
    FakeMailServer(BUSY).attach(sender)
    assert sender.deliver(keys, bulk=True) == {Decision.RETRY: 3}
    assert together == [keys, [keys[1]]]
    assert {row.deaths for row in rows().values()} == {0}


def test_what_no_journal_can_tell_ends_too(context: Flask) -> None:
    """A container that takes its journal along, time and again: after two lost leases the third is the last."""
    pk = make_owed(1)
    for number in range(3):
        ledger.claim(db.session(), [pk], now=NOON, lease=LEASE, owner="pod-0123abcd-1-00000000")
        ledger.expire_leases(db.session(), now=NOON, lease_now=NOON + LEASE, limit=10)
        db.session.commit()
        row = rows()[pk]
        assert (row.status, row.deaths, row.unknowns) == (
            "pending" if number < 2 else "unknown",
            min(number + 1, 2),
            number + 1,
        )


# --- company --------------------------------------------------------------------------------------------


def test_who_is_alone_waits_for_the_others_and_they_for_it() -> None:
    company = Company()
    order: list[str] = []
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with company.together():
            inside.set()
            leave.wait(5)
            order.append("other")

    def next_one() -> None:
        with company.together():
            order.append("next")

    first = threading.Thread(target=other)
    first.start()
    assert inside.wait(5)
    threading.Timer(0.05, leave.set).start()
    with company.alone() as made:
        assert made is not None
        order.append("alone")
        second = threading.Thread(target=next_one)
        second.start()
        second.join(0.05)
        order.append("still alone")
        made()
        second.join(5)
    first.join(5)
    assert order == ["other", "alone", "still alone", "next"]


def test_who_cannot_be_alone_in_time_gives_up() -> None:
    company = Company(patience=0.01)
    with company.together(), company.alone() as made:
        assert made is None
    with company.alone() as made:
        assert made is not None


# --- marks ----------------------------------------------------------------------------------------------


def test_each_batch_of_a_process_has_a_mark_of_its_own(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    with book.writing() as one, book.writing() as other:
        one.makes(7)
        other.makes(8)
        (path,) = tmp_path.glob("*.journal")
        assert composing_marks.read(path) == {7, 8}
        one.makes(0)
        assert composing_marks.read(path) == {8}
    assert composing_marks.read(path) == set()


def test_more_batches_than_marks_are_never_blamed(tmp_path: Path) -> None:
    found = composing_marks.Marks(tmp_path / "x.journal")
    slots = [found.take() for _ in range(600)]
    assert slots.count(None) == 600 - len(set(slots) - {None}) > 0
    found.set(None, 7)
    found.give_back(None)
    assert composing_marks.read(tmp_path / "x.journal") == set()


def test_a_disk_that_is_full_stops_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(tmp_path).writing() as page:

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        page.loads([1, 2])
        monkeypatch.undo()
