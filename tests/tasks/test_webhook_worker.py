"""The queue of webhooks: the job requests calls, and a worker of that queue makes them."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from notifier import clock
from notifier.events import EventType, record
from notifier.extensions import db
from notifier.operators.audit_log import SYSTEM
from notifier.services import services_of
from notifier.tasks.queues import CONTROL, WEBHOOKS
from notifier.testing.servers.valkey import ValkeyServer
from tests.support.receiver import Receiver, hangs, says
from tests.support.working import eventually, working

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def receivers() -> Iterator[tuple[Receiver, Receiver]]:
    """One that hangs, and one that answers."""
    made = Receiver(hangs()), Receiver(says())
    yield made
    for each in made:
        each.close()


def test_a_receiver_that_hangs_delays_no_other_one(
    make_app: Callable[..., Flask], valkey: ValkeyServer, receivers: tuple[Receiver, Receiver]
) -> None:
    app = make_app(redis_url=valkey.url, webhook_loopback=True)
    dead, alive = receivers
    parts = services_of(app)
    with app.app_context():
        for each in receivers:
            parts.endpoints.add(db.session(), each.url, ["run.paused"], by=SYSTEM)
        record(db.session(), [(EventType.run_paused, {"id": each}) for each in range(30)], at=clock.now())
        db.session.commit()
    with working(app, (WEBHOOKS, CONTROL)):
        parts.run_now("events")
        eventually(lambda: len(alive.requests) == 30, "the other one gets all events")
        assert len(dead.requests) <= 4
        dead.close()
