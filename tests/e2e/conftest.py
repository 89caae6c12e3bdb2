"""One stack for all tests that need one: starting it is what takes time."""

import signal
from collections.abc import Iterator

import pytest

from tests.support.family import descendants, is_alive
from tests.support.up import Up


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`./run up` on free ports; at the end it must stop cleanly and leave nothing behind."""
    running = Up(tmp_path_factory.mktemp("up"))
    running.wait_until_up()
    yield running
    family = descendants(running.process.pid)
    assert len(family) >= 8, "broker, inbox, worker, bulk with two, beat, web with one"
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0, running.says()[-5000:]
    assert [pid for pid in family if is_alive(pid)] == []
    assert not (running.data / "up.env").exists()
    assert list((running.data / "run").iterdir()) == []
