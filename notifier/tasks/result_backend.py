"""Celery's interface to the results in our table: `AsyncResult(id).state`, `.ready()`, `.get()`, `celery result ID`.

`results` writes the rows, by Celery's signals. So a table that is away fails no task, and the backend itself writes
only what no signal tells: how far a task is, and that a result is forgotten.
"""

from typing import Any

from celery import states
from celery.backends.base import BaseBackend
from sqlalchemy import delete, select

from notifier.extensions import db
from notifier.models import TaskResult, TaskState
from notifier.tasks import results

#: What stands in place of the error's text, which may hold what people typed.
SEE_LOG = "the log of its worker has the text of this error"


class TableBackend(BaseBackend):  # type: ignore[misc]  # Celery ships no types
    """The results of our control tasks. Of any other task it knows nothing: its state is PENDING."""

    def _store_result(self, task_id: str, result: Any, state: str, *_: Any, **__: Any) -> None:
        if state == TaskState.PROGRESS:
            results.progressed(self.app, task_id, result)

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        """Return what Celery calls the meta of a task. Raise SQLAlchemyError if the database is away."""
        query = select(TaskResult).where(TaskResult.task_id == task_id)
        with self.app.flask_app.app_context(), db.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return {"task_id": task_id, "status": states.PENDING, "result": None}
        return {
            "task_id": task_id,
            "name": row.name,
            "status": row.state,
            "result": _error(row.error) if row.state in states.EXCEPTION_STATES else row.result,
            "traceback": None,
            "children": None,
            "worker": row.worker,
            "date_done": row.finished_at.isoformat() if row.finished_at else None,
        }

    def _forget(self, task_id: str) -> None:
        with self.app.flask_app.app_context(), db.engine.begin() as connection:
            connection.execute(delete(TaskResult).where(TaskResult.task_id == task_id))

    def cleanup(self) -> None:
        """Do nothing: `notifier.purge` deletes results after `TASK_RESULTS_KEPT`."""


def _error(name: str | None) -> dict[str, Any]:
    """Return the error in Celery's form; `AsyncResult.result` is an exception with this name."""
    return {"exc_type": name or "Exception", "exc_message": [SEE_LOG], "exc_module": None}
