"""`./run up` for real: mail arrives, whatever happens to broker and worker, and a second shell reaches it."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from notifier.embedded.ports import wait_until
from tests.support.family import member, members
from tests.support.up import Up, mails_to, sign_up

#: Five Pythons import the whole application; a busy machine takes its time.
# One worker runs all tests of the stack: there is one stack.
pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("up")]


def someone() -> str:
    return f"{uuid4().hex[:10]}@example.com"


def assert_arrives_once(up: Up, address: str, seconds: float) -> None:
    """The mail is there in time, and no second one follows."""
    inbox = up.address("inbox")
    assert wait_until(lambda: bool(mails_to(inbox, address)), seconds, 0.05), up.says()[-3000:]
    time.sleep(1)
    assert len(mails_to(inbox, address)) == 1


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_signup_to_inbox(up: Up) -> None:
    address = someone()
    sign_up(up.address("web"), address)
    assert_arrives_once(up, address, 15)
    (mail,) = mails_to(up.address("inbox"), address)
    assert f"{up.address('web')}/verify/" in mail["Raw"]["Data"].replace("=\r\n", "").replace("=3D", "=")


def test_a_second_shell_reaches_the_stack(up: Up) -> None:
    env_file = up.data / "up.env"
    assert env_file.stat().st_mode & 0o777 == 0o600
    done = subprocess.run(
        up.command("health"), env=up.env(), cwd=up.data.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"broker +answers", done.stdout), done.stdout
    assert re.search(r"mail server +\S+ answers", done.stdout), done.stdout


def test_a_broker_that_hangs_slows_no_signup_and_costs_no_mail(up: Up) -> None:
    addresses = [someone() for _ in range(4)]
    with stopped(member(up.process.pid, "valkey")):
        for address in addresses:
            sign_up(up.address("web"), address)
    for address in addresses:
        assert_arrives_once(up, address, 15)


def test_a_broker_that_is_killed_costs_no_mail(up: Up) -> None:
    os.kill(member(up.process.pid, "valkey"), signal.SIGKILL)
    addresses = [someone() for _ in range(4)]
    for address in addresses:
        sign_up(up.address("web"), address)
    for address in addresses:
        assert_arrives_once(up, address, 15)


def test_a_worker_killed_between_claim_and_send_costs_time_and_makes_no_copy(up: Up) -> None:
    address = someone()
    worker = member(up.process.pid, "celery", "transactional")
    with stopped(member(up.process.pid, "notifier.embedded.inbox")):
        sign_up(up.address("web"), address)
        time.sleep(1.5)  # it has claimed the row and waits for the mail server
        os.kill(worker, signal.SIGKILL)
        assert wait_until(lambda: set(members(up.process.pid, "celery", "transactional")) - {worker} != set(), 20, 0.1)
    assert_arrives_once(up, address, 60)
