"""Which settings of Celery may be changed, and which are promises; entries of beat that others add; time limits."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from flask import Flask

from notifier.config.settings import ConfigError
from notifier.services import services_of
from notifier.tasks import beat, lifecycle, time_limits
from notifier.tasks.celery_app import BoundCelery, make_celery
from notifier.tasks.configuration import broken_promises
from notifier.tasks.this_worker import _This
from notifier.testing.settings import make_settings


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Write the module that CELERY_CONFIG_MODULE names."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(text: str) -> None:
        (tmp_path / "celery_of_a_test.py").write_text(text)
        monkeypatch.setenv("CELERY_CONFIG_MODULE", "celery_of_a_test")

    yield write
    sys.modules.pop("celery_of_a_test", None)


@pytest.fixture
def worker(app: Flask, monkeypatch: pytest.MonkeyPatch) -> BoundCelery:
    """This process stands for a worker of `app`."""
    celery = services_of(app).celery
    monkeypatch.setattr(_This, "celery", celery)
    return celery


def make(**options: Any) -> BoundCelery:
    return make_celery(Flask(__name__), make_settings(redis_url="redis://127.0.0.1:1/0"), **options)


def test_a_module_may_change_what_is_no_promise(configured: Callable[[str], None]) -> None:
    configured("worker_send_task_events = True\nworker_max_tasks_per_child = 50\ntask_soft_time_limit = 60\n")
    conf = make().conf
    assert (conf.worker_send_task_events, conf.worker_max_tasks_per_child, conf.task_soft_time_limit) == (True, 50, 60)
    assert conf.worker_hijack_root_logger is False


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("task_acks_late = True", "task_acks_late cannot be changed: a message is a hint"),
        ("CELERY_ACKS_LATE = True", "task_acks_late cannot be changed: a message is a hint"),
        ("task_serializer = 'pickle'", "task_serializer cannot be changed: messages are JSON"),
        ("task_time_limit = 60", "task_time_limit cannot be changed: it kills a process in the middle of an email"),
        ("broker_url = 'redis://127.0.0.1:2/0'", "broker_url cannot be changed: the broker and its options are those"),
        ("task_queues = []", "task_queues cannot be changed: the queues and their names are notifier's"),
    ],
)
def test_a_module_that_breaks_a_promise_is_refused_with_one_line(
    text: str, line: str, configured: Callable[[str], None]
) -> None:
    configured(f"{text}\n")
    with pytest.raises(ConfigError) as refused:
        make()
    assert str(refused.value).startswith(f"CELERY_CONFIG_MODULE: {line}")
    assert "\n" not in str(refused.value)


def test_the_module_of_an_application_that_embeds_us_is_for_its_own_celery(configured: Callable[[str], None]) -> None:
    configured("task_acks_late = True\nworker_max_tasks_per_child = 50\n")
    conf = make(embedded=True).conf
    assert (conf.task_acks_late, conf.worker_max_tasks_per_child) == (False, None)


def test_a_worker_refuses_a_promise_that_was_broken_in_code(worker: BoundCelery) -> None:
    lifecycle.keep_promises()
    worker.conf.task_acks_late = True
    assert broken_promises(worker, worker.settings)
    with pytest.raises(SystemExit, match="task_acks_late cannot be changed"):
        lifecycle.keep_promises()


def test_the_soft_limit_is_ours_and_a_hard_one_is_refused(worker: BoundCelery) -> None:
    instance = SimpleNamespace(time_limit=None, soft_time_limit=30.0)
    time_limits.take_over(instance=instance)
    assert (worker.soft_limit, instance.soft_time_limit) == (30.0, None)
    with pytest.raises(SystemExit, match="use --soft-time-limit"):
        time_limits.take_over(instance=SimpleNamespace(time_limit=60, soft_time_limit=None))
    worker.tasks["notifier.deliver_batch"].soft_time_limit = 5
    with pytest.raises(SystemExit, match=r"notifier\.deliver_batch: a limit of a single task"):
        time_limits.take_over(instance=instance)


def test_beat_keeps_the_entries_of_others_beside_ours(configured: Callable[[str], None]) -> None:
    configured(
        "beat_schedule = {'tidy': {'task': 'notifier.purge', 'schedule': 60.0}, "
        "'sweep': {'task': 'notifier.sweep', 'schedule': 9999.0}}\n"
    )
    celery = make()
    beat.schedule(celery, celery.settings)
    assert set(celery.conf.beat_schedule) == {"tick", "sweep", "purge", "events", "tidy"}
    assert celery.conf.beat_schedule["sweep"]["schedule"] == celery.settings.sweep_interval
    beat.refuse_homeless(celery)


def test_an_entry_for_a_task_that_no_worker_knows_is_refused() -> None:
    celery = make()
    beat.schedule(celery, celery.settings)
    celery.add_periodic_task(60, celery.signature("shop.pack"), name="pack")
    with pytest.raises(SystemExit, match=r"^beat_schedule: pack: notifier's workers run only notifier's tasks"):
        beat.refuse_homeless(celery)
    celery.hosts = Celery("shop", set_as_current=False)
    beat.refuse_homeless(celery)


def test_a_task_of_the_host_goes_to_the_broker_of_the_host() -> None:
    hosts = Celery("shop", broker="memory://", set_as_current=False)
    celery = make(hosts=hosts)
    with celery.connection_for_write() as ours, ours.Producer() as producer:
        celery.send_task("shop.pack", (1,), producer=producer, queue="shop")
    with hosts.connection_for_read() as connection, connection.SimpleQueue("shop") as queue:
        assert queue.get(timeout=5).headers["task"] == "shop.pack"
