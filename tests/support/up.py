"""`./run up` for tests: the whole stack on free ports, and a visitor that only speaks HTTP."""

import http.cookiejar
import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from notifier.dev.ports import wait_until
from notifier.dev.process import die_with_parent

ROOT = Path(__file__).parents[2]


class Up:
    """One `up` on free ports."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """`settings`: more for the environment, such as another database."""
        self.settings = settings
        self.data = folder / "data"
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*self.command("up"), "--web-port", "0", "--inbox-port", "0", "--smtp-port", "0", "--bounce-port", "0"],
                stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=self.env(), preexec_fn=die_with_parent,
            )  # fmt: skip

    def env(self) -> dict[str, str]:
        """From another folder, as `./run` does it; leases end soon, so that tests need not wait for them."""
        quick = {"MAIL_TIMEOUT_TOTAL": "4", "MAIL_LEASE": "5", "RATELIMIT_ENABLED": "0"}
        places = {"NOTIFIER_DATA_DIR": str(self.data), "XDG_STATE_HOME": str(self.data.parent / "state")}
        return {**os.environ, "PYTHONPATH": str(ROOT), **places, **quick, **self.settings}

    def command(self, *arguments: str) -> list[str]:
        """The command line of `notifier` with these arguments."""
        return [sys.executable, "-P", "-m", "notifier", *arguments]

    def says(self) -> str:
        return self.output.read_text()

    def wait_until_up(self) -> None:
        assert wait_until(lambda: "notifier is up" in self.says() or self.process.poll() is not None, 180, 0.2)
        assert self.process.poll() is None, self.says()

    def run(self, *arguments: str) -> str:
        """The `notifier` command in a second shell, beside the running stack. What it says."""
        command = self.command(*arguments)
        done = subprocess.run(
            command, env=self.env(), cwd=self.data.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def address(self, name: str) -> str:
        found = re.search(rf"(?m)^  {name} +(http://\S+)$", self.says())
        assert found, self.says()
        return found.group(1)


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
