"""The one Celery application, with a configuration of its own.

Flask's configuration is never handed over: `celery report` would print it. The row is the truth and
Celery the bell, so messages are acknowledged early, carry primary keys only, and are never held back
for long (docs/adr/0003-celery-is-the-bell.md).
"""

from typing import Any

from celery import Celery, Task
from flask import Flask

from notifier.config import Settings

TRANSACTIONAL = "transactional"
BULK = "bulk"
CONTROL = "control"
#: Runs on their way to becoming rows: for the workers of bulk mail, so that nobody's verification waits for one.
EXPANSION = "expansion"

REDIS = "notifier.tasks.redis_transport:Transport"


class AppTask(Task):  # type: ignore[misc]  # Celery ships no types
    """A task inside an application context of its own, also where it runs eagerly inside a commit hook."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run in a fresh context: a fresh session. Nothing runs in a restored database that nobody has adopted.

        What a task was told is only a hint: the sweep finds it again.
        """
        with self.app.flask_app.app_context():
            if self.app.flask_app.extensions["notifier.hold"].is_held():
                return None
            return super().__call__(*args, **kwargs)


celery_app = Celery("notifier", task_cls=AppTask)


def configure(app: Flask, settings: Settings) -> Celery:
    """Bind the Celery application to this Flask application and these settings."""
    celery_app.flask_app = app
    celery_app.conf.update(
        broker_url=settings.broker_url or "memory://",
        broker_transport=REDIS if settings.broker_url.startswith(("redis", "rediss")) else None,
        broker_transport_options=worker_transport_options(settings.broker_url),
        broker_connection_timeout=1,
        broker_pool_acquire_timeout=1,
        broker_connection_retry_on_startup=True,
        task_publish_retry=False,
        task_acks_late=False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        # With prefetch disabled the consumer looks for the next task once a second only: 4 to 8 mails a second.
        worker_disable_prefetch=False,
        worker_consumer="notifier.tasks.consumer:PatientConsumer",
        worker_soft_shutdown_timeout=0,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        task_default_queue=TRANSACTIONAL,
        task_routes={
            **{f"notifier.{chore}": {"queue": CONTROL} for chore in ("tick", "sweep", "purge")},
            "notifier.expand_run": {"queue": EXPANSION},
        },
        task_always_eager=False,
        timezone="UTC",
        enable_utc=True,
    )
    return celery_app


def worker_transport_options(broker_url: str) -> dict[str, Any]:
    """Fail fast, retry seldom. A worker's read blocks for a second at a time, so 2 s is the least."""
    if not broker_url.startswith(("redis", "rediss")):
        return {}
    return {
        "socket_connect_timeout": 0.5,
        "socket_timeout": 2,
        "max_retries": 0,
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.2,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    }
