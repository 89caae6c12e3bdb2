"""Several Celery objects in one process: of two applications of ours, and of an application that embeds us."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from flask import Flask
from sqlalchemy import func, select

from bench.children import Child, clean_env
from notifier import clock
from notifier.extensions import db
from notifier.models import TaskResult
from notifier.services import services_of
from notifier.tasks.queues import BULK, CONTROL, QUEUES, TRANSACTIONAL
from notifier.testing.applications import migrate
from notifier.testing.browse import Visitor
from notifier.testing.factories import make_notification, make_user
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.smtp_server import SmtpServer
from tests.support.live import letter_templates
from tests.support.services import job
from tests.support.worker_process import WorkerProcess
from tests.support.working import eventually, statuses, working

# The worker's own loop warns of what is none of ours.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::ResourceWarning"
    ),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

#: Seconds that a busy machine may take to start a worker or beat.
START = 40.0

SHOP, HOST = "tests.support.celery_shop:shop", "tests.support.celery_host:shop"
OURS = "tests.support.celery_host:notifier_celery"


def other(url: str) -> str:
    """The address of another database of the same server."""
    return url.rpartition("/")[0] + "/1"


@pytest.fixture
def shops_broker(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(other(valkey.url)) as client:
        client.flushdb()
        yield client


@pytest.fixture
def shop_env(valkey: ValkeyServer, live_app: Flask, tmp_path: Path) -> dict[str, str]:
    """What the shop needs: a broker of its own."""
    return {"SHOP_BROKER": other(valkey.url), "SHOP_TEMPLATES": str(letter_templates(tmp_path / "templates"))}


@pytest.fixture
def surroundings(shop_env: dict[str, str], live_app: Flask, valkey: ValkeyServer, tmp_path: Path) -> dict[str, str]:
    own = services_of(live_app).settings
    settings = {
        "NOTIFIER_ENV": "test",
        "NOTIFIER_DATA_DIR": str(tmp_path / "var"),
        "SECRET_KEYS": own.secret_keys[0],
        "DATABASE_URL": own.database_url,
        "REDIS_URL": valkey.url,
    }
    return clean_env(settings | shop_env)


def packed(client: redis.Redis) -> list[str]:
    """The tasks that wait in the shop's queue."""
    return [json.loads(message)["headers"]["task"] for message in client.lrange("shop", 0, -1)]


def queues(client: redis.Redis) -> set[str]:
    """All queues in which something waits."""
    return {key.decode() for key in client.scan_iter() if client.type(key) == b"list"}


def test_a_shared_task_called_in_a_request_of_the_host_goes_to_the_hosts_queue(
    surroundings: dict[str, str], broker: redis.Redis, shops_broker: redis.Redis, tmp_path: Path
) -> None:
    module = OURS.partition(":")[0]
    subprocess.run([sys.executable, "-m", module], env=surroundings, cwd=tmp_path, check=True, timeout=START)
    assert packed(shops_broker) == ["shop.pack"]
    assert (queues(shops_broker), queues(broker)) == ({"shop"}, {CONTROL})


@pytest.mark.parametrize("pool", ["solo", "prefork", "threads"])
def test_a_shared_task_called_by_a_kind_of_email_in_our_worker_goes_to_the_hosts_queue(
    live_app: Flask,
    shop_env: dict[str, str],
    broker: redis.Redis,
    shops_broker: redis.Redis,
    pool: str,
    tmp_path: Path,
) -> None:
    with live_app.app_context():
        make_notification(make_user(), "letter")
    with WorkerProcess(live_app, tmp_path, pool=pool, target=OURS, queues=TRANSACTIONAL, **shop_env):
        eventually(lambda: statuses(live_app) == ["sent"], "the email is sent")
    assert packed(shops_broker) == ["shop.pack"]
    assert queues(shops_broker) == {"shop"}
    assert not queues(broker) & {"shop", *QUEUES}


@contextmanager
def shop_worker(target: str, surroundings: dict[str, str], folder: Path) -> Iterator[None]:
    argv = [sys.executable, "-m", "celery", "-A", target, "worker", "-P", "prefork", "-c", "1", "-n", "shop@%h"]
    with Child("shop", argv, surroundings, folder):
        yield


@contextmanager
def asking(url: str) -> Iterator[Any]:
    """Remote control as any Celery application has it by default."""
    with Celery("asking", broker=url, set_as_current=False) as celery:
        yield celery.control.inspect(timeout=1)


def short(registered: dict[str, list[str]] | None) -> dict[str, set[str]]:
    """Name of the worker, without its host -> first parts of the names of its tasks."""
    found = registered or {}
    return {name.partition("@")[0]: {task.partition(".")[0] for task in tasks} for name, tasks in found.items()}


@pytest.mark.usefixtures("broker")
def test_workers_of_the_host_and_of_ours_on_one_broker_know_nothing_of_each_other(
    live_app: Flask, surroundings: dict[str, str], shop_env: dict[str, str], valkey: ValkeyServer, tmp_path: Path
) -> None:
    same = {"SHOP_BROKER": valkey.url}
    our_worker = WorkerProcess(live_app, tmp_path, pool="solo", target=OURS, queues=BULK, **shop_env | same)
    with shop_worker(HOST, surroundings | same, tmp_path), our_worker, asking(valkey.url) as hosts:
        eventually(lambda: bool(hosts.registered()), "the host's worker answers", START)
        registered = hosts.registered()
        assert short(registered) == {"shop": {"shop", "notifier"}}
        assert {task for tasks in registered.values() for task in tasks} == {"shop.look", "shop.pack", "notifier.sweep"}
        # A node without a name of its own is called celery@host.
        assert short(services_of(live_app).celery.control.inspect(timeout=1).registered()) == {"celery": {"notifier"}}


@pytest.mark.usefixtures("broker")
def test_a_worker_of_the_host_runs_as_if_it_had_not_imported_us(
    live_app: Flask, surroundings: dict[str, str], shops_broker: redis.Redis, tmp_path: Path
) -> None:
    seen = []
    for target in (SHOP, HOST):
        folder = tmp_path / target.partition(":")[0]
        folder.mkdir()
        with Celery("asking", broker=surroundings["SHOP_BROKER"], set_as_current=False) as celery:
            celery.conf.task_default_queue = "shop"
            for name in ("notifier.sweep", "shop.look"):
                celery.send_task(name)
        with shop_worker(target, surroundings, folder):
            eventually(lambda: shops_broker.exists("shop.report") == 1, "it has run both tasks", START)
        seen.append(json.loads(shops_broker.getdel("shop.report")))
    alone, beside_us = seen
    assert alone == beside_us
    assert alone["current"] == "shop"
    with live_app.app_context():
        assert db.session.scalar(select(func.count()).select_from(TaskResult)) == 0


def test_beat_of_the_host_starts_as_it_does_without_us(
    surroundings: dict[str, str], broker: redis.Redis, shops_broker: redis.Redis, tmp_path: Path
) -> None:
    argv = [sys.executable, "-m", "celery", "-A", HOST, "beat", "--pidfile=", "-S", "celery.beat:Scheduler"]
    with Child("beat", argv, surroundings, tmp_path):
        eventually(lambda: shops_broker.llen("shop") >= 2, "it triggers a job of the host", START)
    # Beat of notifier triggers all jobs when it starts, and that of the host waits for an hour.
    assert set(packed(shops_broker)) == {"shop.pack"}
    assert queues(broker) == set()


def test_two_applications_of_one_process_publish_and_work_by_their_own_settings(
    live_app: Flask,
    make_app: Callable[..., Flask],
    broker: redis.Redis,
    shops_broker: redis.Redis,
    smtp: SmtpServer,
    valkey: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Also if the environment names a broker for the Celery of another application."""
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, "redis://127.0.0.1:1/0")
    database = f"sqlite:///{tmp_path / 'second.db'}"
    migrate(database)
    with SmtpServer() as second_smtp:
        second = make_app(
            database_url=database,
            redis_url=other(valkey.url),
            mail_server=second_smtp.host,
            mail_port=second_smtp.port,
            mail_suppress_send=False,
        )
        Visitor(live_app).sign_up("ada@example.com")
        Visitor(second).sign_up("bob@example.com")
        services_of(second).run_now("sweep")
        assert queues(broker) == {TRANSACTIONAL}
        assert queues(shops_broker) == {TRANSACTIONAL, CONTROL}
        assert [recorded(app) for app in (live_app, second)] == [[], ["PENDING"]]
        with working(second):
            eventually(lambda: statuses(second) == ["sent"], "the second sends its email")
            eventually(lambda: recorded(second) == ["SUCCESS"], "the second notes its job")
        assert (statuses(live_app), recorded(live_app), len(smtp.accepted)) == ([], [], 0)
        with working(live_app):
            eventually(lambda: statuses(live_app) == ["sent"], "the first sends its email")
        assert [mail.rcpt_to for mail in smtp.accepted] == [("ada@example.com",)]
        assert [mail.rcpt_to for mail in second_smtp.accepted] == [("bob@example.com",)]


def test_a_message_that_another_application_holds_for_long_is_not_given_back_by_our_worker(
    live_app: Flask, broker: redis.Redis
) -> None:
    """Celery gives back what a lost worker held; the other application may allow its tasks more time than an hour."""
    job(live_app, "deliver_batch").apply_async(([],), queue=BULK)
    message = json.loads(broker.rpop(BULK))
    long_ago = clock.now().timestamp() - 2 * 3600
    for prefix, queue in (("", "shop"), ("notifier.", BULK)):
        broker.hset(f"{prefix}unacked", "tag", json.dumps([message, "", queue]))
        broker.zadd(f"{prefix}unacked_index", {"tag": long_ago})
    with working(live_app):
        eventually(lambda: not broker.exists("notifier.unacked_index"), "ours is given back and done", 30)
    assert broker.zrange("unacked_index", 0, -1) == [b"tag"]
    assert not broker.exists("shop")


def recorded(app: Flask) -> list[str]:
    """The states of the jobs that the application has noted."""
    with app.app_context():
        return list(db.session.scalars(select(TaskResult.state)))
