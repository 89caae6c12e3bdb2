"""The thread that publishes for the requests of a web process: nothing waits for it, and nothing gets lost."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from notifier.outbox import Cooldown, Outbox
from tests.support.working import eventually


class Broker:
    """A broker that takes its time."""

    def __init__(self) -> None:
        """It answers until `answers` is cleared."""
        self.taken: list[list[int]] = []
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.answers.set()

    def __call__(self, keys: Sequence[int], bulk: bool) -> None:
        """Take the keys, once it answers."""
        self.asked.set()
        assert self.answers.wait(10)
        self.taken.append(list(keys))


def refuses(_keys: Sequence[int], _bulk: bool) -> None:
    raise ConnectionError("down")


@contextmanager
def relaying(outbox: Outbox) -> Iterator[Outbox]:
    outbox.relay()
    try:
        yield outbox
    finally:
        outbox.close()


def test_a_request_does_not_wait_for_the_broker() -> None:
    broker = Broker()
    broker.answers.clear()
    with relaying(Outbox(broker)) as outbox:
        assert outbox.publish([1])
        assert broker.asked.wait(10)
        assert broker.taken == []
        broker.answers.set()
        eventually(lambda: broker.taken == [[1]], "the broker took it")


def test_what_comes_meanwhile_goes_together() -> None:
    broker = Broker()
    broker.answers.clear()
    with relaying(Outbox(broker)) as outbox:
        outbox.publish([1])
        assert broker.asked.wait(10)
        for key in (2, 3, 4):
            outbox.publish([key])
        broker.answers.set()
        eventually(lambda: broker.taken == [[1], [2, 3, 4]], "the broker took all")


def test_emails_of_campaigns_are_published_at_once() -> None:
    broker = Broker()
    with relaying(Outbox(broker)) as outbox:
        outbox.publish([1, 2], bulk=True)
        assert broker.taken == [[1, 2]]


def test_the_last_keys_go_when_the_process_ends() -> None:
    broker = Broker()
    outbox = Outbox(broker)
    outbox.relay()
    outbox.publish([1])
    outbox.close()
    assert broker.taken == [[1]]


def test_after_its_end_a_request_publishes_itself() -> None:
    broker = Broker()
    outbox = Outbox(broker)
    outbox.relay()
    outbox.close()
    outbox.publish([1])
    assert broker.taken == [[1]]


def test_what_the_broker_refuses_is_left_to_the_sweep() -> None:
    with relaying(Outbox(refuses, cooldown=Cooldown(60))) as outbox:
        for key in (1, 2):
            assert outbox.publish([key])
            eventually(lambda wanted=key: outbox.left_to_sweep == wanted, "it is counted")
        assert outbox.published == 0
