"""The health checks of containers: wrong only for what a restart of that container may mend."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from celery.beat import Scheduler
from click.testing import Result
from flask import Flask

from notifier.cli.main import build
from notifier.dev.ports import free_port
from notifier.models import Status
from notifier.observability.sign_of_life import SignOfLife, alerts_sign, beat_sign
from notifier.services import services_of
from notifier.tasks import alive
from notifier.tasks.alive import ALERTS_STOPPED, BEAT_STOPPED
from notifier.tasks.beat import Recovery
from notifier.testing.servers.valkey import ValkeyServer
from tests.support.applications import make_owed
from tests.support.services import replace_services
from tests.support.working import working

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())["services"]


@pytest.fixture
def make(make_app: Callable[..., Flask], tmp_path: Path) -> Callable[..., Flask]:
    def made(**values: Any) -> Flask:
        return make_app(notifier_data_dir=tmp_path / "var", **values)

    return made


def check(app: Flask, *command: str) -> Result:
    return app.test_cli_runner().invoke(build(lambda: app), list(command))


def test_beat_is_alive_once_it_triggers_and_until_it_stops(make: Callable[..., Flask]) -> None:
    app = make()
    sign = beat_sign(services_of(app).settings)
    before = check(app, "alive", "beat")
    assert (before.exit_code, before.output.startswith("beat has not triggered a job yet")) == (1, True)
    Recovery(Scheduler(services_of(app).celery), sign).run_all()
    after = check(app, "alive", "beat")
    assert (after.exit_code, after.output) == (0, "beat last triggered a job 0 s ago\n")
    stopped = time.time() - BEAT_STOPPED - 1
    os.utime(sign.path, (stopped, stopped))
    assert check(app, "alive", "beat").exit_code == 1


def test_alerts_are_alive_once_they_check_and_until_they_stop(make: Callable[..., Flask]) -> None:
    app = make(alert_emails=["boss@example.com"])
    sign = alerts_sign(services_of(app).settings)
    before = check(app, "alive", "alerts")
    assert (before.exit_code, before.output.startswith("alerts has not checked everything yet")) == (1, True)
    assert check(app, "alerts", "watch", "--once").exit_code == 0
    after = check(app, "alive", "alerts")
    assert (after.exit_code, after.output) == (0, "alerts last checked everything 0 s ago\n")
    stopped = time.time() - services_of(app).settings.alert_interval - ALERTS_STOPPED - 1
    os.utime(sign.path, (stopped, stopped))
    assert check(app, "alive", "alerts").exit_code == 1


def test_alerts_with_no_one_to_tell_end_as_with_invalid_settings(make: Callable[..., Flask]) -> None:
    """Exit code 3, with which systemd does not start a unit again."""
    app = make()
    for command in ("watch", "test"):
        ended = check(app, "alerts", command)
        assert (ended.exit_code, "ALERT_EMAILS and ALERT_WEBHOOK_URL are not set" in ended.output) == (3, True)


def test_beat_that_waits_for_the_broker_is_alive(make: Callable[..., Flask]) -> None:
    app = make()

    class Away:
        def ensure_connection(self, errback: Callable[[Exception, float], None], *_: Any, **__: Any) -> None:
            errback(ConnectionRefusedError(), 0.5)

    scheduler = SimpleNamespace(apply_async=None, connection=Away(), schedule={})
    Recovery(scheduler, beat_sign(services_of(app).settings))._connect()
    assert check(app, "alive", "beat").exit_code == 0


def test_what_is_uncertain_makes_health_wrong_and_no_container(
    make: Callable[..., Flask], valkey: ValkeyServer
) -> None:
    app = make(redis_url=valkey.url)
    with app.app_context():
        make_owed(1, status=Status.unknown)
    beat_sign(services_of(app).settings).show()
    assert check(app, "health").exit_code == 1
    assert check(app, "alive", "beat").exit_code == 0


@pytest.mark.usefixtures("database_url")
def test_a_sign_that_cannot_be_written_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    sign = SignOfLife(tmp_path / "file" / "beat.alive")
    sign.show()
    sign.show()
    assert len([record for record in caplog.records if "sign_of_life_failed" in record.getMessage()]) == 1


def test_a_worker_that_answers_is_alive_and_one_that_does_not_is_not(
    make: Callable[..., Flask], valkey: ValkeyServer
) -> None:
    app = make(redis_url=valkey.url)
    with working(app) as worker:
        assert check(app, "alive", worker.hostname).output == f"{worker.hostname} answers\n"
        quick = partial(alive.is_alive, services_of(app).celery, services_of(app).settings, ping_timeout=0.5)
        replace_services(app, is_alive=quick)
        other = check(app, "alive", "bulk@elsewhere")
        assert (other.exit_code, other.output) == (1, "bulk@elsewhere did not answer within 0.5 s\n")


def test_a_worker_whose_broker_is_away_is_not_restarted_for_it(make: Callable[..., Flask]) -> None:
    app = make(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    found = check(app, "alive", "mail@here")
    assert (found.exit_code, "the broker is unreachable" in found.output) == (0, True)


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a web process whose database is away."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("database_url")
def test_the_check_of_web_takes_any_answer_for_life(answering: int) -> None:
    kind, python, *command = COMPOSE["web"]["healthcheck"]["test"]
    assert (kind, python) == ("CMD", "python")

    def run(port: int) -> int:
        here = [part.replace("8000", str(port)) for part in command]
        return subprocess.run([sys.executable, "-S", *here], stderr=subprocess.DEVNULL, check=False).returncode

    assert run(answering) == 0
    assert run(free_port()) != 0


@pytest.mark.usefixtures("database_url")
def test_every_process_of_ours_has_such_a_check() -> None:
    checks = {name: " ".join(COMPOSE[name]["healthcheck"]["test"][1:]) for name in ("worker", "bulk", "beat", "alerts")}
    assert checks == {
        "worker": "python -m notifier alive mail@$$(hostname)",
        "bulk": "python -m notifier alive bulk@$$(hostname)",
        "beat": "python -m notifier alive beat",
        "alerts": "python -m notifier alive alerts",
    }
    for name in ("worker", "bulk"):
        node = checks[name].split()[-1].partition("@")[0]
        assert f" -n {node}@%h " in COMPOSE[name]["command"]
