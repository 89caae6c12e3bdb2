"""Two beats side by side for ten minutes: every slot is one run, every person gets one mail of it."""

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier.campaigns.expand import Expansion
from notifier.campaigns.tick import Tick
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import CampaignRun, Notification
from notifier.services import services_of
from notifier.testing.mail_server import FakeMailServer
from tests.support.campaigns import CONTENT, IDS, SLOT, make_campaign, make_people

pytestmark = pytest.mark.usefixtures("frozen", "context")

MINUTE, TICK = timedelta(minutes=1), timedelta(seconds=30)
BEATS, TICKS = 2, 21


class World:
    """Two beats, and a worker for each that does at once what its beat called for."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        #: Runs that were called for.
        self.called: list[int] = []
        self.errors: list[BaseException] = []
        self.step = threading.Barrier(BEATS + 1, timeout=30)
        self.sender = services_of(app).sender
        self.server = FakeMailServer().attach(app)

    @property
    def mails(self) -> list[tuple[str, str]]:
        """Subject and recipient of every mail that went out."""
        return [(message.subject, message.recipient) for message in self.server.sent]

    def publish(self, keys: Sequence[int], *, bulk: bool) -> bool:
        self.sender.deliver(keys, bulk=bulk)
        return True

    def live(self) -> None:
        """One beat with its worker."""
        with self.app.app_context():
            expansion = Expansion(db.session, self.publish, KINDS, IDS, chunk=2)

            def ring(runs: Sequence[int]) -> bool:
                self.called.extend(runs)
                for run_id in runs:
                    expansion.run(run_id)
                return True

            beat = Tick(db.session, ring, KINDS)
            try:
                for _ in range(TICKS):
                    self.step.wait()
                    ticked = beat.run()
                    assert not ticked.failed
                    self.step.wait()
            except BaseException as error:
                self.errors.append(error)
                self.step.abort()
                raise


def test_two_beats_for_ten_minutes_do_nothing_twice(app: Flask, frozen: time_machine.Traveller) -> None:
    people = make_people(5)
    for name, every in (("each-minute", "* * * * *"), ("each-other", "*/2 * * * *")):
        words = CONTENT | {"subject": name, "again": True}
        make_campaign(name, cron=every, settings=words, capped=False, coalesce=False)
    world = World(app)
    frozen.move_to(SLOT)
    db.session.remove()
    threads = [threading.Thread(target=world.live, daemon=True) for _ in range(BEATS)]
    for thread in threads:
        thread.start()
    for tick in range(TICKS):
        frozen.move_to(SLOT + tick * TICK)
        for _ in ("begin", "end"):
            world.step.wait()
    for thread in threads:
        thread.join(30)

    assert world.errors == []
    minutes = [SLOT + number * MINUTE for number in range(11)]
    runs = db.session.execute(select(CampaignRun.campaign_id, CampaignRun.slot, CampaignRun.state)).all()
    assert sorted((campaign, slot) for campaign, slot, _ in runs) == sorted(both(minutes))
    assert {state for *_, state in runs} == {"done"}
    # A run is called for by the beat that made it, and by no other.
    assert len(world.called) == len(set(world.called)) == len(runs)
    sent = Counter(world.mails)
    addresses = [f"user{number + 1}@example.com" for number in range(len(people))]
    assert sent == {
        (name, address): slots for name, slots in (("each-minute", 11), ("each-other", 6)) for address in addresses
    }
    of_runs = Counter(db.session.execute(select(Notification.run_id, Notification.user_id)).all())
    assert set(of_runs.values()) == {1}
    assert len(of_runs) == len(runs) * len(people)
    assert set(db.session.scalars(select(Notification.status))) == {"sent"}


def both(minutes: Sequence[datetime]) -> list[tuple[int, datetime]]:
    """(campaign, slot) of both campaigns."""
    return [(1, slot) for slot in minutes] + [(2, slot) for slot in minutes[::2]]
