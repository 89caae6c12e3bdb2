"""`celery multi`, `--detach` and Flower, as a person types them, with real processes."""

import base64
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from flask import Flask

from bench.children import Child, clean_env
from notifier.dev.ports import free_port
from notifier.services import services_of
from notifier.tasks.publisher import Publisher
from notifier.testing.servers.valkey import ValkeyServer
from tests.support.working import eventually

pytestmark = [
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.timeout(500),
]

#: Seconds that a busy machine may take to start one.
START = 200.0

CELERY = [sys.executable, "-m", "celery", "-A", "wsgi:celery_app"]


@pytest.fixture
def surroundings(live_app: Flask, valkey: ValkeyServer, database_url: str, tmp_path: Path) -> dict[str, str]:
    return clean_env(
        {
            "NOTIFIER_ENV": "development",
            "NOTIFIER_DATA_DIR": str(tmp_path),
            "SECRET_KEYS": services_of(live_app).settings.secret_keys[0],
            "DATABASE_URL": database_url,
            "REDIS_URL": valkey.url,
        }
    )


def celery(surroundings: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CELERY, *arguments], env=surroundings, cwd=folder, capture_output=True, text=True, timeout=START, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Callable[[], list[int]]]:
    """The workers by their files, which exist while they run."""

    def found() -> list[int]:
        return [int(each.read_text()) for each in tmp_path.glob("*.pid") if each.read_text().strip()]

    yield found
    for pid in named(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def named(folder: Path) -> list[int]:
    """The processes whose command line names the folder, also those that have no file there yet."""
    pids = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{folder}/".encode() in (each / "cmdline").read_bytes():
                pids.append(int(each.name))
    return pids


@pytest.mark.usefixtures("broker")
def test_multi_starts_and_stops_workers_with_their_files(
    live_app: Flask, surroundings: dict[str, str], pids: Callable[[], list[int]], tmp_path: Path
) -> None:
    files = [f"--pidfile={tmp_path}/%n.pid", f"--logfile={tmp_path}/%n%I.log"]
    done = celery(
        surroundings, tmp_path, "multi", "start", "mail", "bulk",
        "-Q:mail", "notifier.transactional,notifier.control", "-Q:bulk", "notifier.bulk,notifier.expansion",
        "--pool=threads", "--concurrency=2", "--loglevel=INFO", *files,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("OK") == 2
    inspect = services_of(live_app).celery.control.inspect(timeout=1)
    eventually(lambda: len(inspect.ping() or {}) == 2, "both answer", START)
    assert {name.partition("@")[0] for name in inspect.ping()} == {"mail", "bulk"}
    assert len(pids()) == 2
    assert {each.name for each in tmp_path.glob("*.log")} == {"mail.log", "bulk.log"}
    for name in ("mail", "bulk"):
        log = tmp_path / f"{name}.log"
        eventually(lambda log=log: f"{log.stem}@" in log.read_text(), "its lines are in its file", START)
    stopped = celery(surroundings, tmp_path, "multi", "stopwait", "mail", "bulk", *files)
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert pids() == []


@pytest.mark.usefixtures("broker")
def test_a_worker_detaches_and_each_of_its_processes_has_its_log(
    live_app: Flask, surroundings: dict[str, str], pids: Callable[[], list[int]], tmp_path: Path
) -> None:
    done = celery(
        surroundings, tmp_path, "worker", "--detach", "-n", "all@%h", "--pool=prefork", "--concurrency=1",
        f"--pidfile={tmp_path}/%n.pid", f"--logfile={tmp_path}/%n%I.log", "--loglevel=INFO",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    inspect = services_of(live_app).celery.control.inspect(timeout=1)
    eventually(lambda: len(inspect.ping() or {}) == 1, "it answers", START)
    services_of(live_app).run_now("sweep")
    eventually(lambda: (tmp_path / "all-1.log").exists(), "its process writes to a file of its own", START)
    os.kill(pids()[0], signal.SIGTERM)
    eventually(lambda: not pids(), "it stops and removes its file", START)


PASSWORD = "ada:open sesame"


def page(port: int, path: str, credentials: str = PASSWORD) -> tuple[int, str]:
    """Return the status and the body of a page of Flower."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    request.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


@pytest.mark.parametrize("how", ["-A", "--broker"])
def test_flower_shows_the_queues_to_those_who_know_the_password(
    live_app: Flask, broker: redis.Redis, surroundings: dict[str, str], valkey: ValkeyServer, how: str, tmp_path: Path
) -> None:
    port = free_port()
    with live_app.app_context():
        Publisher(services_of(live_app).celery)([1, 2, 3], False)
    options = ["flower", "--address=127.0.0.1", f"--port={port}", f"--basic-auth={PASSWORD}"]
    argv = [*CELERY, *options] if how == "-A" else [*CELERY[:3], f"--broker={valkey.url}", *options]
    with Child("flower", argv, surroundings, tmp_path):
        eventually(lambda: page(port, "/broker")[0] == 200, "it answers", START)
        shown = page(port, "/broker")[1]
        assert page(port, "/broker", "ada:guessed")[0] == 401
    if how == "-A":
        # Without -A it knows neither our queues nor our workers' exchanges.
        assert "notifier.transactional" in shown
        assert ">3<" in "".join(shown.split())
    assert "not supported" not in shown
