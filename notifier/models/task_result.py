"""TaskResult: the result of a task of the control queue."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import BigId, UtcDateTime


class TaskState(enum.StrEnum):
    """Celery's own names."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    PROGRESS = "PROGRESS"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    RETRY = "RETRY"
    REVOKED = "REVOKED"


#: Names of the tasks whose calls are recorded.
RECORDED = ("notifier.expand_run", "notifier.purge", "notifier.sweep", "notifier.tick")


class TaskResult(Base):
    """One call of tick, sweep, purge or expand. Sending is recorded in the ledger and needs no row here."""

    __tablename__ = "notifier_task_results"
    __table_args__ = (
        Index("ix_notifier_task_results_name_id", "name", "id"),
        Index("ix_notifier_task_results_state_id", "state", "id"),
        Index("ix_notifier_task_results_queued_at", "queued_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: The id that Celery gave it.
    task_id: Mapped[str] = mapped_column(String(64), unique=True)
    #: notifier.tick, ...
    name: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default=TaskState.PENDING.value)
    #: Contains numbers only. While the state is PROGRESS: how far the task is.
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    #: Whether it succeeded and had nothing to do: all its numbers are 0.
    idle: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    #: The class of the exception. Its message may contain what people typed, so it is only in the log.
    error: Mapped[str | None] = mapped_column(String(200))
    worker: Mapped[str | None] = mapped_column(String(200))
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
