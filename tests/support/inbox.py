"""The development inbox for tests that check the arrival of their emails."""

import json
import smtplib
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from notifier.dev.ports import answers, free_port, wait_until
from notifier.dev.process import die_with_parent

ROOT = Path(__file__).parents[2]


class InboxServer:
    """The inbox of `./run up` as a process, with a client for its SMTP and HTTP sides."""

    def __init__(self) -> None:
        self.smtp_port, self.http_port = free_port(), free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "notifier.dev.inbox",
             "--smtp-port", str(self.smtp_port), "--http-port", str(self.http_port)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent,
        )  # fmt: skip
        assert wait_until(lambda: answers("127.0.0.1", self.http_port), 20)

    def send(self, data: bytes, *recipients: str, sender: str = "app@notifier.example") -> None:
        """Deliver one mail; to Ada when nobody is named."""
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as client:
            client.sendmail(sender, list(recipients or ["ada@example.com"]), data)

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Status, body, headers; an error status is an answer too."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}{path}", method=method, headers=headers
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read().decode(errors="replace"), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), dict(error.headers)

    def items(self, path: str = "/api/v2/messages") -> list[dict[str, Any]]:
        """Mails in MailHog's shape, newest first."""
        return list(json.loads(self.get(path)[1])["items"])

    def stop(self) -> str:
        """End it and return what it said. Raises AssertionError when it failed."""
        self.process.terminate()
        output = self.process.communicate(timeout=10)[0].decode()
        assert self.process.returncode == 0, output
        return output
