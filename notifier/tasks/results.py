"""Results of the control tasks, in a table. Tasks that send are left out: the ledger has their results.

A row is written when a task is handed to the broker, when it starts, when it tells how far it is, and when it ends,
each in a transaction of its own. If the table is unavailable, tasks must go on, so errors are only logged.
`result_backend` reads them for `AsyncResult`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import structlog
from celery import signals
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from notifier import clock
from notifier.extensions import db
from notifier.models import RECORDED, TaskResult, TaskState
from notifier.tasks.celery_app import BoundCelery, publishing

log = structlog.get_logger(__name__)


@contextmanager
def _transaction(celery: BoundCelery) -> Iterator[Connection]:
    """Use a separate session; never join the task's own transaction."""
    with celery.flask_app.app_context(), db.engine.begin() as connection:
        yield connection


def _careful(handler: Callable[..., None]) -> Callable[..., None]:
    @wraps(handler)
    def careful(*args: Any, **kwargs: Any) -> None:
        try:
            handler(*args, **kwargs)
        except SQLAlchemyError as error:
            log.warning("task_results.not_written", error=type(error).__name__)

    return careful


@signals.before_task_publish.connect(weak=False)
@_careful
def queued(sender: str, headers: dict[str, Any], **_: Any) -> None:
    """Record that the task is about to be handed to the broker. A retry of it has a row already."""
    celery = publishing()
    if celery is not None and sender in RECORDED and not headers.get("retries"):
        _add(celery, headers["id"], sender, TaskState.PENDING)


@signals.task_prerun.connect(weak=False)
@_careful
def started(task_id: str, task: Any, **_: Any) -> None:
    """Record that a worker has started the task."""
    if not _is_recorded(task):
        return
    values = {"state": TaskState.STARTED, "started_at": clock.now(), "worker": task.request.hostname}
    if not _change(task.app, task_id, values):
        worker = task.request.hostname
        _add(task.app, task_id, task.name, TaskState.STARTED, started_at=clock.now(), worker=worker)


@_careful
def progressed(celery: BoundCelery, task_id: str, meta: dict[str, Any]) -> None:
    """Record how far the task is: `meta` has numbers only. A task that nothing recorded stays so."""
    _change(celery, task_id, {"state": TaskState.PROGRESS, "result": meta})


@signals.task_success.connect(weak=False)
@_careful
def succeeded(sender: Any, result: Any, **_: Any) -> None:
    """Record that the task succeeded."""
    if _is_recorded(sender):
        numbers = result if isinstance(result, dict) else None
        values = {"state": TaskState.SUCCESS, "result": numbers, "idle": _is_idle(numbers), "finished_at": clock.now()}
        _change(sender.app, sender.request.id, values)


def _is_idle(numbers: dict[str, Any] | None) -> bool:
    """Return whether these numbers say that there was nothing to do."""
    return numbers is not None and not any(numbers.values())


@signals.task_failure.connect(weak=False)
@_careful
def failed(sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
    """Record that the task raised an error. Only its type is kept, because its text may hold typed input."""
    if _is_recorded(sender):
        values = {"state": TaskState.FAILURE, "error": type(exception).__name__, "finished_at": clock.now()}
        _change(sender.app, task_id, values)


@signals.task_retry.connect(weak=False)
@_careful
def tries_again(sender: Any, request: Any, reason: Any, **_: Any) -> None:
    """Record that the task will be retried."""
    if _is_recorded(sender):
        cause = getattr(reason, "exc", None) or reason
        _change(sender.app, request.id, {"state": TaskState.RETRY, "error": type(cause).__name__, "finished_at": None})


@signals.task_revoked.connect(weak=False)
@_careful
def revoked(sender: Any, request: Any, expired: bool, **_: Any) -> None:
    """Record that the task expired or was revoked."""
    if _is_recorded(sender):
        why = "it had waited for too long" if expired else "it was revoked"
        _change(sender.app, request.id, {"state": TaskState.REVOKED, "error": why, "finished_at": clock.now()})


def _is_recorded(task: Any) -> bool:
    """Return True for our control tasks; another application may have tasks of the same name."""
    return task.name in RECORDED and isinstance(task.app, BoundCelery)


def _add(celery: BoundCelery, task_id: str, name: str, state: TaskState, **values: Any) -> None:
    row = {"task_id": task_id, "name": name, "state": state.value, "queued_at": clock.now(), **values}
    try:
        with _transaction(celery) as connection:
            connection.execute(insert(TaskResult).values(row))
    except IntegrityError:
        return  # It was published twice: the first row stays.


def _change(celery: BoundCelery, task_id: str, values: dict[str, Any]) -> bool:
    with _transaction(celery) as connection:
        done = connection.execute(update(TaskResult).where(TaskResult.task_id == task_id).values(values))
        return bool(done.rowcount)
