"""The Celery object of an application, with a configuration of its own.

Flask's configuration is never passed on, because `celery report` would print it. The row is the truth and messages are
only hints, so they are acknowledged early, carry primary keys only, and are never delayed for long
(docs/adr/0003-celery-carries-hints.md).

A process may hold several: of two applications of ours, and of an application that embeds us. They share neither tasks
nor queues, and ours is never current unless a worker of ours makes it so.
"""

import ssl
from contextvars import ContextVar
from typing import Any

from celery import Celery, Task
from flask import Flask
from kombu.entity import Exchange, Queue

from notifier.config.settings import Settings
from notifier.services import Services, services_of
from notifier.tasks.own_tasks import OwnTasks

TRANSACTIONAL = "notifier.transactional"
BULK = "notifier.bulk"
CONTROL = "notifier.control"
#: Expansions of runs: read by the workers of bulk email, so that no verification email waits for one.
EXPANSION = "notifier.expansion"

#: Calls of other applications. It has workers of its own, so a server that does not answer delays no email.
WEBHOOKS = "notifier.webhooks"

#: All queues that need a worker.
QUEUES = (TRANSACTIONAL, BULK, EXPANSION, CONTROL)
#: Those, and the one that needs a worker only if there is an endpoint of a webhook.
ALL_QUEUES = (*QUEUES, WEBHOOKS)
#: The queue of each task that is published by its name.
_ROUTES = {
    **{f"notifier.{chore}": {"queue": CONTROL} for chore in ("tick", "sweep", "purge", "events")},
    "notifier.expand_run": {"queue": EXPANSION},
    "notifier.call_webhook": {"queue": WEBHOOKS},
}

#: RabbitMQ moves rejected messages here, for operators. No worker reads it.
REJECTED = "notifier.rejected"

#: The exchanges of remote control and of events: `celery inspect` and `celery control shutdown` of another application
#: on the same broker do not reach our workers, and ours do not reach its workers.
REMOTE_CONTROL, EVENTS = "notifier", "notifier.events"

#: The scheme of a broker's address -> kombu's transport with our changes. Other schemes use kombu's own.
TRANSPORTS = {
    "redis": "notifier.tasks.redis_transport:Transport",
    "rediss": "notifier.tasks.redis_transport:Transport",
    "amqp": "notifier.tasks.amqp_transport:Transport",
    "amqps": "notifier.tasks.amqp_transport:SSLTransport",
    "pyamqp": "notifier.tasks.amqp_transport:Transport",
}

#: Seconds between heartbeats of a worker and RabbitMQ. A silently dead connection is given up after two of them.
HEARTBEAT = 10

#: Seconds between attempts of workers and beat to reach the broker: the first, the increase, the longest. Celery's own
#: grow to 30 s, and emails would wait as long after the broker is back.
RECONNECT = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}

#: Longest time to connect, in seconds. RabbitMQ answers several times before a connection is open.
CONNECT, CONNECT_RABBITMQ = 1, 3

#: Most bytes in the dead-letter queue.
REJECTED_BYTES = 8 * 1024 * 1024


class AppTask(Task):  # type: ignore[misc]  # Celery ships no types
    """A task with an application context of its own, also if it runs eagerly inside a commit hook."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run in a fresh context with a fresh session, unless the database was restored and is not reconciled yet.

        Skipping a task loses nothing: it is only a hint, and the sweep finds the row.
        """
        bound: BoundCelery = self.app
        with bound.flask_app.app_context():
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
    backend_cls = "disabled"

    @property
    def broker_url(self) -> str:
        """The broker of the settings; without one, the memory of this process."""
        return self.settings.broker_url or "memory://"

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

    def send_task(self, *args: Any, **options: Any) -> Any:
        """Publish a message as Celery does; meanwhile `publishing` returns this object."""
        token = _publishing.set(self)
        try:
            return super().send_task(*args, **options)
        finally:
            _publishing.reset(token)


#: The object that is publishing: the signal `before_task_publish` names the task only, which another object may have.
_publishing: ContextVar[BoundCelery | None] = ContextVar("notifier_publishing", default=None)


def publishing() -> BoundCelery | None:
    """Return our object that publishes a message right now, or None if another one does."""
    return _publishing.get()


def make_celery(app: Flask, settings: Settings, *, hosts: Celery | None = None) -> BoundCelery:
    """Build the Celery object of `app`. `hosts`: that of the application that embeds us, if it has one.

    It has no tasks yet. It is not made current, so nothing of the process publishes with it unasked.
    """
    celery = BoundCelery(
        "notifier",
        task_cls=AppTask,
        tasks=OwnTasks(),
        log="notifier.tasks.log_setup:Logs",
        set_as_current=False,
    )
    celery.flask_app, celery.settings, celery.hosts = app, settings, hosts
    celery.conf.update(
        **_broker_options(settings),
        task_publish_retry=False,
        task_acks_late=False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        # With prefetch disabled the consumer checks for the next task only once a second: 4 to 8 emails a second.
        worker_disable_prefetch=False,
        # After a reconnect Celery 5.7 prefetches less and asks for more with each task that starts: in the thread of
        # the pool, where it reads RabbitMQ's answer from the connection that the event loop reads (py-amqp has no
        # lock). Frames are lost, and the worker hangs for as long as a heartbeat. It gains nothing here:
        # messages are acknowledged when a task starts, so running tasks hold no prefetched message.
        worker_enable_prefetch_count_reduction=False,
        worker_consumer="notifier.tasks.consumer:PatientConsumer",
        worker_soft_shutdown_timeout=0,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        control_exchange=REMOTE_CONTROL,
        event_exchange=EVENTS,
        task_default_queue=TRANSACTIONAL,
        task_queues=[work_queue(name, settings.broker_url) for name in ALL_QUEUES],
        task_routes=_ROUTES,
        task_always_eager=False,
        timezone="UTC",
        enable_utc=True,
    )
    return celery


def _broker_options(settings: Settings) -> dict[str, Any]:
    url = settings.broker_url
    return {
        "broker_url": url or "memory://",
        "broker_transport": TRANSPORTS.get(scheme_of(url)),
        # By itself, kombu uses TLS only for its own transports and verifies nothing. Options in the URL win.
        "broker_use_ssl": {"ssl_cert_reqs": ssl.CERT_REQUIRED} if scheme_of(url) == "rediss" else None,
        "broker_transport_options": worker_transport_options(settings),
        "broker_connection_timeout": CONNECT_RABBITMQ if is_rabbitmq(url) else CONNECT,
        "broker_pool_acquire_timeout": 1,
        # As long as it takes: a worker that stops while the broker is away does not start again by itself.
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        # While Redis is full or read-only, it answers with channel errors: a reason to wait, not to stop.
        "broker_channel_error_retry": True,
        "broker_heartbeat": HEARTBEAT,
    }


def scheme_of(broker_url: str) -> str:
    """Return the scheme of the address; of several addresses (failover), that of the first."""
    return broker_url.partition("://")[0].lower()


def is_redis(broker_url: str) -> bool:
    """Return True for a server that speaks Redis' protocol."""
    return scheme_of(broker_url) in {"redis", "rediss"}


def is_rabbitmq(broker_url: str) -> bool:
    """Return True for a server that speaks AMQP 0-9-1."""
    return scheme_of(broker_url) in {"amqp", "amqps", "pyamqp"}


def work_queue(name: str, broker_url: str) -> Queue:
    """Return one of `QUEUES`. RabbitMQ moves messages that a worker rejects to the dead-letter queue."""
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": REJECTED}
    return Queue(name, Exchange(name), routing_key=name, queue_arguments=dead if is_rabbitmq(broker_url) else None)


def rejected_queue(kept: int) -> Queue:
    """Return RabbitMQ's dead-letter queue, which keeps the newest `kept` rejected messages."""
    limits = {"x-max-length": kept, "x-max-length-bytes": REJECTED_BYTES, "x-overflow": "drop-head"}
    return Queue(REJECTED, Exchange(""), routing_key=REJECTED, queue_arguments=limits)


def worker_transport_options(settings: Settings) -> dict[str, Any]:
    """Return options for failing fast. A worker's read blocks for a second at a time, so 2 s is the least."""
    broker_url = settings.broker_url
    fail_fast = {"max_retries": 0, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}
    if not is_redis(broker_url):
        # RabbitMQ stops reading while it is short of memory or disk space: nothing may wait for it forever.
        return fail_fast | {"write_timeout": 2} if is_rabbitmq(broker_url) else {}
    return {
        **fail_fast,
        "socket_connect_timeout": 0.5,
        "socket_timeout": 2,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        # By default all Celery applications on a Redis database share these keys, and each gives back what any of them
        # holds for longer than its own visibility timeout: a long task of another application would run twice.
        "unacked_key": "notifier.unacked",
        "unacked_index_key": "notifier.unacked_index",
        "unacked_mutex_key": "notifier.unacked_mutex",
        "rejected_kept": settings.rejected_messages_kept,
    }
