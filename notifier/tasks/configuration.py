"""The configuration of our Celery: what is a promise and stays, and what an installation may change.

Flask's configuration is never passed on, because `celery report` would print it. docs/celery.md lists both sorts.
"""

from collections.abc import Mapping
from typing import Any

from celery import Celery

from notifier.config.settings import ConfigError, Settings
from notifier.tasks import queues
from notifier.tasks.broker_options import broker_options

#: Reasons, as the end of a line for people.
_HINT = "a message is a hint and is acknowledged before it runs; otherwise a restart of the broker ends workers"
_JSON = "messages are JSON, so that none can run code"
_ONE = "a worker holds one message for each task that runs, so that none waits behind another"
_QUEUES = "the queues and their names are notifier's, and `notifier health` looks for their readers"
_BROKER = "the broker and its options are those of REDIS_URL or CELERY_BROKER_URL"

#: Settings that an installation may change, and the value that each has otherwise.
DEFAULTS: Mapping[str, Any] = {
    "worker_hijack_root_logger": False,
    "worker_send_task_events": False,
    "timezone": "UTC",
}


def _promises(settings: Settings) -> dict[str, tuple[Any, str]]:
    """Return each promised setting with its value and the reason."""
    work_queues = [queues.work_queue(name, settings.broker_url) for name in queues.ALL_QUEUES]
    return {
        **{name: (value, _BROKER) for name, value in broker_options(settings).items()},
        "task_publish_retry": (False, "a request never waits for a broker; the sweep finds what was not published"),
        "task_acks_late": (False, _HINT),
        "task_reject_on_worker_lost": (None, _HINT),
        "task_ignore_result": (True, "results of sending are in the ledger; those of control tasks are kept anyway"),
        "task_serializer": ("json", _JSON),
        "accept_content": (["json"], _JSON),
        "worker_prefetch_multiplier": (1, _ONE),
        # With prefetch disabled the consumer checks for the next task only once a second: 4 to 8 emails a second.
        "worker_disable_prefetch": (False, "with prefetch disabled a worker sends only 4 to 8 emails a second"),
        # After a reconnect Celery 5.7 prefetches less and asks for more with each task that starts: in the thread of
        # the pool, where it reads RabbitMQ's answer from the connection that the event loop reads (py-amqp has no
        # lock). Frames are lost, and the worker hangs for as long as a heartbeat. It gains nothing here:
        # messages are acknowledged when a task starts, so running tasks hold no prefetched message.
        "worker_enable_prefetch_count_reduction": (False, "with RabbitMQ, two threads would read one connection"),
        "worker_consumer": ("notifier.tasks.consumer:PatientConsumer", "this consumer survives every message"),
        "worker_soft_shutdown_timeout": (0, "a worker stops within STOP_GRACE"),
        "task_time_limit": (None, "it kills a process in the middle of an email; set task_soft_time_limit"),
        "control_exchange": (queues.REMOTE_CONTROL, _QUEUES),
        "event_exchange": (queues.EVENTS, _QUEUES),
        "task_default_queue": (queues.TRANSACTIONAL, _QUEUES),
        "task_queues": (work_queues, _QUEUES),
        "task_routes": (queues.ROUTES, _QUEUES),
        "task_always_eager": (False, "emails are sent by workers"),
        "enable_utc": (True, "all times are in UTC"),
    }


def apply(celery: Celery, settings: Settings, *, embedded: bool) -> None:
    """Configure `celery`. Raise ConfigError if the module that CELERY_CONFIG_MODULE names breaks a promise.

    `embedded`: an application embeds us. That module is then for its own Celery, and ours does not read it.
    """
    if embedded:
        celery.config_from_object({"enable_utc": True})
    promises = _promises(settings)
    broken = [
        f"CELERY_CONFIG_MODULE: {_line(name, reason)}"
        for name, (value, reason) in promises.items()
        if celery.conf.value_set_for(name) and celery.conf[name] != value
    ]
    if broken:
        raise ConfigError("\n".join(broken))
    # Celery's own `add_defaults` would win over the module.
    celery.conf.update({name: value for name, value in DEFAULTS.items() if not celery.conf.value_set_for(name)})
    celery.conf.update({name: value for name, (value, _) in promises.items()})


def broken_promises(celery: Celery, settings: Settings) -> list[str]:
    """Return a line for each promised setting that was changed since `apply`."""
    return [_line(name, why) for name, (value, why) in _promises(settings).items() if celery.conf[name] != value]


def _line(name: str, reason: str) -> str:
    return f"{name} cannot be changed: {reason}"
