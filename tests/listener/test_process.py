"""`notifier bounces listen` as a process: stopped in order, and killed between the commit and the answer."""

import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from notifier.dev.ports import answers, free_port, wait_until
from notifier.dev.process import die_with_parent
from notifier.models import Status
from notifier.services import services_of
from tests.listener.test_listener import ANONYMOUS, TRACE, snapshot
from tests.support.feedback import key_of, row, send
from tests.support.listener import dialogue

ROOT = Path(__file__).parents[2]

#: A listener that ends itself after the commit, before the answer.
DIES = """
import os, signal
from notifier.listener.receiver import Receiver
take = Receiver._take

def dying(self, data, recipient):
    take(self, data, recipient)
    os.kill(os.getpid(), signal.SIGKILL)

Receiver._take = dying
"""
RUN = "from notifier.__main__ import cli; cli(['bounces', 'listen'], prog_name='notifier')"


@contextmanager
def started(app: Flask, folder: Path, port: int, before: str = "") -> Iterator["subprocess.Popen[str]"]:
    settings = services_of(app).settings
    env = {
        **os.environ,
        "DATABASE_URL": settings.database_url or "",
        "SECRET_KEYS": ",".join(settings.secret_keys),
        "NOTIFIER_DATA_DIR": str(folder),
        "BOUNCE_LISTEN_PORT": str(port),
    }
    with subprocess.Popen(
        [sys.executable, "-c", before + RUN], cwd=ROOT, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent,
    ) as process:  # fmt: skip
        try:
            assert wait_until(lambda: answers("127.0.0.1", port) or process.poll() is not None, 30)
            yield process
        finally:
            process.kill()


def test_killed_between_commit_and_answer_it_stores_once(context: Flask, tmp_path: Path) -> None:
    message = send(context)
    port = free_port()
    with started(context, tmp_path, port, DIES) as process, smtplib.LMTP("127.0.0.1", port, timeout=20) as client:
        with pytest.raises(smtplib.SMTPServerDisconnected):
            dialogue(client, ANONYMOUS, message.envelope_sender)
        assert process.wait(20) == -signal.SIGKILL
    before = snapshot()
    assert len(before[2]) == 1
    with started(context, tmp_path, port) as process:
        with smtplib.LMTP("127.0.0.1", port, timeout=20) as client:
            assert dialogue(client, TRACE + ANONYMOUS, message.envelope_sender) == [(250, "2.1.5 Ok")]
            process.send_signal(signal.SIGTERM)
            assert client.getreply()[0] == 421
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert f"Listening for bounces: lmtp 127.0.0.1:{port}" in output
    assert '"listener.stored"' in output
    assert "Traceback" not in output
    assert "@" not in output, "addresses are no part of the log"
    assert snapshot() == before
    assert row(key_of(message)).status == Status.bounced
