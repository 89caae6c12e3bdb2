"""`flask notifier up` for real, beside `flask run`: a user signs up with the host, and gets an email."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from notifier.dev.ports import answers, free_port, wait_until
from notifier.dev.process import die_with_parent
from tests.embedding.test_page import FILES
from tests.support.family import descendants, is_alive
from tests.support.up import ROOT, mails_to

#: Four Pythons import the whole application; a busy machine takes its time.
pytestmark = pytest.mark.timeout(240)

#: The application of docs/embedding.md with a form, and the tables.
SITE = """
from flask import request

from app import create_app, notifier
from models import User, db

site = create_app(SECRET_KEY="for tests", SQLALCHEMY_DATABASE_URI="sqlite:///site.db")
with site.app_context():
    db.create_all()
    notifier.create_all(db.engine)


@site.post("/sign-up")
def sign_up():
    db.session.add(User(email=request.form["email"], first_name="Ada"))
    db.session.commit()
    return "Welcome"
"""


class Terminal:
    """A `flask` command that runs, in the host's folder."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.output = folder / f"{words[0]}.output"
        env = {name: value for name, value in os.environ.items() if not name.startswith(("NOTIFIER_", "REDIS_"))}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "site_.py:site", *words],
                stdout=output, stderr=subprocess.STDOUT, cwd=folder, env={**env, "PYTHONPATH": str(ROOT)},
                preexec_fn=die_with_parent,
            )  # fmt: skip

    def says(self) -> str:
        return self.output.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def test_a_sign_up_reaches_the_inbox_and_nothing_stays_behind(tmp_path: Path) -> None:
    for name, text in FILES.items():
        if "/" not in name:
            (tmp_path / name).write_text(text)
    (tmp_path / "site_.py").write_text(SITE)
    port = free_port()
    ports = ["--web-port", str(port), "--inbox-port", "0", "--smtp-port", "0", "--bounce-port", "0"]
    up = Terminal(tmp_path, "notifier", "up", *ports)
    assert wait_until(lambda: "notifier is up" in up.says() or up.process.poll() is not None, 180, 0.2)
    assert up.process.poll() is None, up.says()
    family = descendants(up.process.pid)
    data = tmp_path / "instance" / "notifier"
    assert "REDIS_URL=" in (data / "up.env").read_text()

    web = Terminal(tmp_path, "run", "--port", str(port))
    assert wait_until(lambda: answers("127.0.0.1", port), 60, 0.2), web.says()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-up", b"email=ada@example.com").close()
    found = re.search(r"(?m)^  inbox +(http://\S+)$", up.says())
    assert found, up.says()
    assert wait_until(lambda: bool(mails_to(found[1], "ada@example.com")), 60, 0.2), up.says()
    [email] = mails_to(found[1], "ada@example.com")
    assert f"http://127.0.0.1:{port}/mail/verify/" in str(email).replace("=\\r\\n", "")
    web.stop()
    bounced = urllib.request.Request(f"{found[1]}/messages/{email['ID']}/return", b"report=hard")
    with urllib.request.urlopen(bounced, timeout=30) as answer:
        said = answer.read().decode()
    assert "and stored" in said
    assert f"http://127.0.0.1:{port}/mail/admin/notifications/1/" in said

    assert len(family) >= 5, "broker, inbox, bounces, worker, beat"
    assert up.stop() == 0, up.says()[-5000:]
    assert [pid for pid in family if is_alive(pid)] == []
    assert not (data / "up.env").exists()
