"""examples/http for real: programs without notifier, against `./run up`."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifier.security.standard_webhooks import sign
from tests.support.up import ROOT, Up

HERE = ROOT / "examples" / "http"
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a program that may use the API of a stack whose webhooks reach this machine."""
    running = Up(tmp_path_factory.mktemp("http"), WEBHOOK_LOOPBACK="1")
    running.wait_until_up()
    scopes = "users:write,notifications:write,notifications:read,webhooks:write"
    key = running.run("apikey", "create", "--name", "example", "--scopes", scopes).rpartition("Shown once: ")[2].strip()
    # Without our code on its path.
    yield {"PATH": os.environ["PATH"], "API": f"{running.address('web')}/v1", "KEY": key}
    running.process.terminate()
    assert running.process.wait(60) == 0, running.says()[-5000:]


def ran(env: dict[str, str], folder: Path, *command: str) -> str:
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(240)
def test_curl_stores_a_person_and_sends_an_email_once(loopback: dict[str, str], tmp_path: Path) -> None:
    person, sent, shown = map(json.loads, ran(loopback, tmp_path, str(HERE / "emails.sh")).splitlines())
    assert (person["id"], sent["status"], shown["id"]) == ("user-17", "accepted", sent["id"])


@pytest.mark.timeout(240)
def test_a_program_hears_that_its_email_was_sent(loopback: dict[str, str], tmp_path: Path) -> None:
    # -I: no folder of ours, and no installed package, is on its path.
    told = ran(loopback, tmp_path, sys.executable, "-I", "-S", str(HERE / "client.py"), "bo@example.com")
    first, second = told.splitlines()
    assert first.endswith(": accepted")
    assert second.endswith(": notification.sent")
    # The same key again: the same email, whose webhook does not come again.
    again = ran(loopback, tmp_path, sys.executable, "-I", "-S", str(HERE / "client.py"), "bo@example.com")
    assert again.splitlines() == [first, second.replace("notification.sent", "sent")]


@pytest.fixture(scope="module")
def client() -> Any:
    spec = importlib.util.spec_from_file_location("http_example_client", HERE / "client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    os.environ.setdefault("API", "")
    os.environ.setdefault("KEY", "")
    spec.loader.exec_module(module)
    return module


BODY = b'{"type": "notification.sent"}'


def headers(at: int, signature: str) -> dict[str, str]:
    return {"webhook-id": "evt_1", "webhook-timestamp": str(at), "webhook-signature": signature}


@pytest.mark.parametrize("others", ["{}", "v1,AAAA {}", "v1a,AAAA {} v1,BBBB"])
def test_a_signature_of_ours_is_right_beside_others(client: Any, others: str) -> None:
    now = int(time.time())
    given = headers(now, others.format(sign(SECRET, "evt_1", now, BODY)))
    assert client.verified(SECRET, given, BODY) == {"type": "notification.sent"}


@pytest.mark.parametrize(
    ("age", "body", "signed"), [(302, BODY, "evt_1"), (-302, BODY, "evt_1"), (0, b"{}", "evt_1"), (0, BODY, "evt_2")]
)
def test_a_webhook_that_is_old_or_changed_is_refused(client: Any, age: int, body: bytes, signed: str) -> None:
    then = int(time.time()) - age
    with pytest.raises(ValueError, match=r"old|wrong"):
        client.verified(SECRET, headers(then, sign(SECRET, signed, then, BODY)), body)
