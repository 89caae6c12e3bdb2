"""A host's requests read and then write on SQLite beside a worker of ours that writes between the two."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from notifier.dev.ports import wait_until
from notifier.dev.process import die_with_parent
from notifier.models import Notification, Status
from tests.embedding.conftest import Host

ROOT = Path(__file__).parents[2]

THREADS, REQUESTS = 3, 5


@contextmanager
def sender(url: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start the sender, and end it."""
    argv = [sys.executable, "-m", "tests.support.embedded_sender", url]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with (folder / "sender.log").open("w") as log:
        process = subprocess.Popen(
            argv, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            preexec_fn=die_with_parent,
        )  # fmt: skip
        with process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "ready\n", (folder / "sender.log").read_text()
                yield process
            except BaseException:
                process.kill()
                raise


@pytest.fixture
def shared(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Host]:
    """A host on a file that it shares with the sender."""
    shutil.copy(migrated_sqlite, tmp_path / "shared.db")
    host = Host(f"sqlite:///{tmp_path / 'shared.db'}", tmp_path)
    host.start()
    yield host
    host.close()


def is_sent(host: Host, key: int) -> bool:
    with host.app.app_context():
        return host.stored(select(Notification.status).where(Notification.id == key)) == [Status.sent]


def request(host: Host, number: int, again: int) -> None:
    """Write a row; then read, wait until the sender has written, and write."""
    session = host.db.session
    sent = host.notifier.send("verification", number, key=f"first:{number}:{again}").id
    session.commit()
    user = session.get_one(host.User, number)
    seen = user.last_seen
    assert wait_until(lambda: is_sent(host, sent), 30, 0.002)
    user.last_seen = seen + 1
    user.name = f"Seen {again}"
    host.notifier.send("verification", user, key=f"second:{number}:{again}")
    session.commit()


def test_no_request_finds_the_database_locked_and_every_email_goes_out(shared: Host, tmp_path: Path) -> None:
    failures: list[BaseException] = []
    with shared.app.app_context():
        for number in range(1, THREADS + 1):
            shared.add(f"u{number}@example.com")

    def requests(number: int) -> None:
        try:
            for again in range(REQUESTS):
                with shared.app.app_context():
                    request(shared, number, again)
        except BaseException as error:
            failures.append(error)

    with sender(f"sqlite:///{tmp_path / 'shared.db'}", tmp_path) as process:
        threads = [threading.Thread(target=requests, args=(number,)) for number in range(1, THREADS + 1)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(120)
        assert failures == []
        pending = select(Notification.id).where(Notification.status != Status.sent)
        assert wait_until(lambda: not shared.stored(pending), 30, 0.01)
        out, _ = process.communicate("end\n", timeout=30)
    assert out == f"{THREADS * REQUESTS * 2}\n"
    assert shared.stored(select(shared.User.last_seen)) == [REQUESTS] * THREADS
    assert {row.display_name for row in shared.mirrored().values()} == {f"Seen {REQUESTS - 1}"}
