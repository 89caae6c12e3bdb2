"""The Celery object of an application, with a configuration of its own.

Flask's configuration is never passed on, because `celery report` would print it. The row is the truth and messages are
only hints, so they are acknowledged early, carry primary keys only, and are never delayed for long
(docs/adr/0003-celery-carries-hints.md).

A process may hold several: of two applications of ours, and of an application that embeds us. They share neither tasks
nor queues, and ours is never current unless a worker of ours makes it so.
"""

from contextvars import ContextVar
from typing import Any

from celery import Celery, Task
from flask import Flask

from notifier import stopping
from notifier.config.settings import Settings
from notifier.services import Services, services_of
from notifier.tasks import configuration
from notifier.tasks.broker_options import for_kombu
from notifier.tasks.own_tasks import OwnTasks, is_ours


class AppTask(Task):  # type: ignore[misc]  # Celery ships no types
    """A task with an application context of its own, also if it runs eagerly inside a commit hook."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run in a fresh context with a fresh session, unless the database was restored and is not reconciled yet.

        Skipping a task loses nothing: it is only a hint, and the sweep finds the row.
        """
        bound: BoundCelery = self.app
        with bound.flask_app.app_context(), stopping.soft_limit(bound.soft_limit):
            if bound.services.hold.is_held():
                return None
            # Not `super().__call__`, which may push a request of its own: a retry would then raise its error.
            return self.run(*args, **kwargs)


class BoundCelery(Celery):  # type: ignore[misc]  # Celery ships no types
    """The Celery object of one Flask application; `make_celery` builds it."""

    flask_app: Flask
    settings: Settings
    #: The Celery object of the application that embeds us, which stays current in our workers, too.
    hosts: Celery | None = None

    # The variables of the environment that follow would otherwise win over the configuration of every Celery object of
    # the process: CELERY_RESULT_BACKEND, CELERY_BROKER_URL, CELERY_BROKER_READ_URL and CELERY_BROKER_WRITE_URL.
    backend_cls = "notifier.tasks.result_backend:TableBackend"

    #: Seconds after which a task claims no more emails: `--soft-time-limit` of this worker. None: no limit.
    soft_limit: float | None = None

    @property
    def broker_url(self) -> str:
        """The broker of the settings, as kombu reads it; without one, the memory of this process."""
        return for_kombu(self.settings.broker_url) or "memory://"

    def connection(self, hostname: str | None = None, *args: Any, **options: Any) -> Any:
        """Return a connection that is not opened yet."""
        return super().connection(hostname or self.broker_url, *args, **options)

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """Return a connection for a worker that is not opened yet."""
        return super().connection_for_read(url or self.broker_url, **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """Return a connection for publishing that is not opened yet."""
        return super().connection_for_write(url or self.broker_url, **options)

    @property
    def services(self) -> Services:
        """The parts of that application."""
        return services_of(self.flask_app)

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        """Publish a message as Celery does; meanwhile `publishing` returns this object.

        A task of the application that embeds us, such as one of its entries of beat, goes to its own broker.
        """
        if self.hosts is not None and not is_ours(name):
            return self.hosts.send_task(name, *args, **options | {"producer": None})
        token = _publishing.set(self)
        try:
            return super().send_task(name, *args, **options)
        finally:
            _publishing.reset(token)


#: The object that is publishing: the signal `before_task_publish` names the task only, which another object may have.
_publishing: ContextVar[BoundCelery | None] = ContextVar("notifier_publishing", default=None)


def publishing() -> BoundCelery | None:
    """Return our object that publishes a message right now, or None if another one does."""
    return _publishing.get()


def make_celery(app: Flask, settings: Settings, *, hosts: Celery | None = None, embedded: bool = False) -> BoundCelery:
    """Build the Celery object of `app`. Raise ConfigError if the module CELERY_CONFIG_MODULE breaks a promise.

    It has no tasks yet. It is not made current, so nothing of the process publishes with it unasked.

    Args:
        hosts: The Celery object of the application that embeds us, if it has one.
        embedded: Whether an application embeds us: CELERY_CONFIG_MODULE is then for its Celery.
    """
    celery = BoundCelery(
        "notifier",
        task_cls=AppTask,
        tasks=OwnTasks(),
        log="notifier.tasks.log_setup:Logs",
        amqp="notifier.tasks.shown_connection:OwnAMQP",
        set_as_current=False,
    )
    celery.flask_app, celery.settings, celery.hosts = app, settings, hosts
    configuration.apply(celery, settings, embedded=embedded)
    return celery
