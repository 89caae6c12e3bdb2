"""Celery, and the outboxes that publish to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from celery import Celery
from flask import Flask

from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.outbox import Outbox, Publish, discard, never
from notifier.tasks import beat, celery_app, jobs, lifecycle, log_setup, pumping, results, shutdown, unread_queues
from notifier.tasks.after_commit import watch
from notifier.tasks.publisher import Publisher

#: Modules that register tasks, signals and steps of the worker when they are imported.
REGISTERED = (jobs, lifecycle, log_setup, pumping, results, shutdown, unread_queues)


@dataclass(frozen=True)
class Publishing:
    """Replacements of the broker: for emails, for runs of campaigns, for account requests.

    If only emails have a replacement, nothing else is published.
    """

    emails: Publish | None = None
    runs: Publish | None = None
    requests: Publish | None = None


@dataclass(frozen=True)
class Broker:
    """The way to the workers."""

    celery: Celery
    publisher: Publisher
    emails: Outbox
    runs: Outbox
    requests: Outbox

    @property
    def schedule(self) -> Mapping[str, float]:
        """Return the seconds between two runs of each job."""
        return {name: entry["schedule"] for name, entry in self.celery.conf.beat_schedule.items()}


def build_broker(app: Flask, settings: Settings, given: Publishing) -> Broker:
    """Configure Celery for `app`, and watch the sessions for rows to publish."""
    celery = celery_app.configure(app, settings)
    beat.schedule(celery, settings)
    publisher = Publisher(celery)
    watch(db.session.session_factory)

    def outbox(replacement: Publish | None, usual: Publish) -> Outbox:
        return Outbox(replacement or (usual if has_broker(settings) else never))

    others = given.emails and discard
    return Broker(
        celery,
        publisher,
        emails=outbox(given.emails, publisher),
        runs=outbox(given.runs or others, publisher.expand),
        requests=outbox(given.requests or others, publisher.handle_requests),
    )


def has_broker(settings: Settings) -> bool:
    """Return True if messages can be published. Tests run without a broker, with Celery's own memory instead."""
    return bool(settings.broker_url) or settings.notifier_env == "test"
