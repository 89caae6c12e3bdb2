"""Real workers, one of them with a typo in its -Q: the first look names the queue, and is well again without it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from notifier import clock
from notifier.extensions import db
from notifier.observability import heartbeats
from notifier.services import services_of
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.smtp_server import SmtpServer
from tests.support.worker_process import WorkerProcess


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_with_a_wrong_queue(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    with ValkeyServer(own=True) as broker, SmtpServer() as mail_server:
        app = make_app(redis_url=broker.url, mail_server=mail_server.host, mail_port=mail_server.port)
        with app.app_context():
            for name in heartbeats.CHORES:
                heartbeats.beat(db.session(), name, clock.now())
            db.session.commit()
        parts = services_of(app)
        others = "notifier.transactional,notifier.bulk,notifier.expansion"
        with WorkerProcess(app, tmp_path, pool="threads", queues=f"{others},notifier.controls"):
            (problem,) = parts.watch.look().problems
        assert (problem.key, problem.title) == ("control queue", "No worker reads the queue notifier.control.")
        assert "No worker reads notifier.control." in problem.detail
        typo = "reads notifier.controls, into which notifier puts nothing: did you mean notifier.control?"
        assert typo in problem.detail
        (tmp_path / "worker.ready").unlink()
        with WorkerProcess(app, tmp_path, pool="threads", queues=f"{others},notifier.control,notifier.bulks"):
            look = parts.watch.look()
        (queues,) = [check for check in look.checks if check.name == "queues"]
        assert (look.problems, queues.detail.partition(". ")[0]) == ([], "each has a worker that reads it")
        assert queues.detail.endswith("did you mean notifier.bulk?")
