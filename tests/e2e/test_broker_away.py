"""All processes on a broker that goes away for a while: `./run faults --only broker_away`, in short."""

import sys
from collections.abc import Iterator

import pytest
import structlog

from bench.faults.brokers import Absence, broker_away
from bench.faults.stage import Stage, open_stage
from notifier.testing.servers import rabbitmq
from tests.support.needs import need

#: Six Pythons import the whole application; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

#: More tries to reach the broker than the hundred after which Celery gives up by itself.
SHORT = Absence(seconds=6.0, reconnect="0.04", signups=20, recipients=200)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """It changes where the log of this process goes."""
    logging = structlog.get_config()
    with open_stage(300) as opened:
        yield opened
    structlog.configure(**logging)


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_no_process_ends_and_all_email_is_out_soon_after(kind: str, stage: Stage) -> None:
    if kind == "rabbitmq":
        need(rabbitmq.find, "RABBITMQ")
    result = broker_away(stage, kind=kind, absence=SHORT)
    sys.stdout.write("\n".join(result.lines()))
    assert result.problems == []
