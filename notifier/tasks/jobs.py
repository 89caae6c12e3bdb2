"""The tasks: thin doors to the use cases. They take primary keys and return nothing."""

from typing import cast

from celery import Task
from flask import current_app
from sqlalchemy.exc import DBAPIError

from notifier import clock, heartbeats
from notifier.delivery.deliver import Sender, TransientDelivery
from notifier.delivery.purge import purge_attempts
from notifier.delivery.sweep import Sweep
from notifier.extensions import db
from notifier.tasks.celery_app import celery_app

#: Seconds. With full jitter, three quick tries stay well below the minute that a broker may hold a message.
QUICK_TRIES = {"retry_backoff": 2, "retry_backoff_max": 20, "retry_jitter": True, "max_retries": 3}


@celery_app.task(
    name="notifier.deliver_notification",
    bind=True,
    # A database that is away before the claim is as transient as a mail server that is.
    autoretry_for=(TransientDelivery, DBAPIError),
    **QUICK_TRIES,
)
def deliver_notification(self: Task, pk: int) -> None:
    """Send one notification. Running it twice equals running it once."""
    sender().deliver([pk], quick_tries_left=self.max_retries - self.request.retries)


@celery_app.task(name="notifier.deliver_batch", autoretry_for=(DBAPIError,), **QUICK_TRIES)
def deliver_batch(pks: list[int]) -> None:
    """Send a batch of bulk notifications, each with an outcome of its own."""
    sender().deliver(pks)


@celery_app.task(name="notifier.sweep")
def sweep() -> None:
    """Ring for what nobody picked up; give back what a lost worker held."""
    cast("Sweep", current_app.extensions["notifier.sweep"]).run()


@celery_app.task(name="notifier.tick")
def tick() -> None:
    """The scheduler's sign of life: `notifier health` shows its age."""
    heartbeats.beat(db.session(), "tick", clock.now())
    db.session.commit()


@celery_app.task(name="notifier.purge")
def purge() -> None:
    """Forget what is older than its retention."""
    heartbeats.beat(db.session(), "purge", clock.now())
    db.session.commit()
    purge_attempts(db.session)


def sender() -> Sender:
    """The sender of this process."""
    return cast("Sender", current_app.extensions["notifier.sender"])
