"""Celery, and the outboxes that publish to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from celery import Celery
from flask import Flask

from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.outbox import Outbox, Publish, discard, never
from notifier.tasks import beat, jobs, lifecycle, pumping, results, shutdown, time_limits, unread_queues
from notifier.tasks.after_commit import watch
from notifier.tasks.celery_app import BoundCelery, make_celery
from notifier.tasks.publisher import Publisher
from notifier.tasks.pumping import PumpStep

#: Modules that connect handlers of Celery's signals when they are imported. They act for our own objects only.
CONNECTED = (beat, lifecycle, pumping, results, shutdown, time_limits, unread_queues)


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

    celery: BoundCelery
    publisher: Publisher
    emails: Outbox
    runs: Outbox
    requests: Outbox

    @property
    def schedule(self) -> Mapping[str, float]:
        """Return the seconds between two runs of each job."""
        return beat.intervals(self.celery.settings)


def build_broker(
    app: Flask, settings: Settings, given: Publishing, *, hosts_celery: Celery | None = None, embedded: bool = False
) -> Broker:
    """Build the Celery object of `app`, and watch the sessions for rows to publish.

    `hosts_celery`: that of the application that embeds us. `embedded`: whether there is such an application.
    """
    celery = make_celery(app, settings, hosts=hosts_celery, embedded=embedded)
    jobs.register(celery)
    celery.steps["worker"].add(PumpStep)
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
