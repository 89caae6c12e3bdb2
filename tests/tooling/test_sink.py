"""The sink of benchmarks and fault runs, as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from notifier.smtp.outcome import Decision
from tests.support.mail import deliver, envelope, transport_to

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def sink(*arguments: str) -> Iterator[int]:
    command = [sys.executable, "-m", "notifier.testing.sink", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().split()[-1])
        finally:
            process.terminate()
            process.wait(5)


@pytest.mark.parametrize("delay", ["0", "2"])
def test_it_notes_every_mail(delay: str, tmp_path: Path) -> None:
    log = tmp_path / "accepted.log"
    with sink("--log", str(log), "--delay-ms", delay) as port, transport_to(port, connections=3) as transport:
        mails = [
            envelope(key, f"user{key}@example.com", b"Message-ID: <%d@acme.example>\r\n\r\n.a\r\n" % key)
            for key in range(50)
        ]
        outcomes = deliver(transport, "loop", mails)
    assert {outcome.decision for outcome in outcomes.values()} == {Decision.ACCEPTED}
    lines = sorted(line.split()[:2] for line in log.read_text().splitlines())
    assert lines == sorted([f"<{key}@acme.example>", f"user{key}@example.com"] for key in range(50))


def test_dropped_after_the_dot_is_noted_and_unknown(tmp_path: Path) -> None:
    log = tmp_path / "accepted.log"
    with (
        sink("--log", str(log), "--drop-rate", "0.2", "--seed", "7") as port,
        transport_to(port, connections=3) as transport,
    ):
        outcomes = deliver(transport, "loop", [envelope(key, f"{key}@example.com") for key in range(100)])
    decisions = [outcome.decision for outcome in outcomes.values()]
    assert set(decisions) == {Decision.ACCEPTED, Decision.UNKNOWN}
    assert 5 < decisions.count(Decision.UNKNOWN) < 40
    assert len({line.split()[1] for line in log.read_text().splitlines()}) == 100
