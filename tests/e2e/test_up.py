"""`./run up` for real: sign up in the web app, find the mail in the inbox, stop, and nothing is left."""

import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifier.embedded.ports import wait_until
from notifier.embedded.process import die_with_parent
from tests.e2e.test_supervisor import descendants, is_alive

ROOT = Path(__file__).parents[2]

#: Five Pythons import the whole application; a busy machine takes its time.
pytestmark = pytest.mark.timeout(240)


class Up:
    """One `up` on free ports."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*self.command("up"), "--web-port", "0", "--inbox-port", "0", "--smtp-port", "0"],
                stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=self.env(), preexec_fn=die_with_parent,
            )  # fmt: skip

    def env(self) -> dict[str, str]:
        """From another folder, as `./run` does it."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "NOTIFIER_DATA_DIR": str(self.data)}

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "notifier", *arguments]

    def says(self) -> str:
        return self.output.read_text()

    def wait_until_up(self) -> None:
        assert wait_until(lambda: "notifier is up" in self.says() or self.process.poll() is not None, 180, 0.2)
        assert self.process.poll() is None, self.says()

    def address(self, name: str) -> str:
        found = re.search(rf"(?m)^  {name} +(http://\S+)$", self.says())
        assert found, self.says()
        return found.group(1)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = Up(tmp_path_factory.mktemp("up"))
    running.wait_until_up()
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def sign_up(web: str, email: str) -> None:
    """As a browser does: the form, its token, its cookie."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with browser.open(f"{web}/signup") as page:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.read().decode())
    assert token
    fields = {"csrf_token": token.group(1), "email": email, "display_name": "Ada"}
    with browser.open(f"{web}/signup", urllib.parse.urlencode(fields).encode()) as page:
        assert page.status == 200


def mails_to(inbox: str, email: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{inbox}/api/v2/search?kind=to&query={email}") as answer:
        return list(json.loads(answer.read())["items"])


def test_signup_to_inbox(up: Up) -> None:
    web, inbox = up.address("web"), up.address("inbox")
    sign_up(web, "ada@example.com")
    assert wait_until(lambda: bool(mails_to(inbox, "ada@example.com")), 20, 0.1), up.says()
    (mail,) = mails_to(inbox, "ada@example.com")
    assert f"{web}/verify/" in mail["Raw"]["Data"].replace("=\r\n", "").replace("=3D", "=")


def test_second_shell_reaches_the_stack(up: Up) -> None:
    env_file = up.data / "up.env"
    assert env_file.stat().st_mode & 0o777 == 0o600
    done = subprocess.run(
        up.command("health"), env=up.env(), cwd=up.data.parent, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert re.search(r"broker +answers", done.stdout), done.stdout + done.stderr
    assert re.search(r"mail server +\S+ answers", done.stdout), done.stdout


def test_stops_and_leaves_nothing(up: Up) -> None:
    """The last test of this module: it ends the stack."""
    family = descendants(up.process.pid)
    assert len(family) >= 8, "broker, inbox, worker, bulk with two, beat, web with one"
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0, up.says()
    assert not any(map(is_alive, family))
    assert not (up.data / "up.env").exists()
    assert list((up.data / "run").iterdir()) == []
