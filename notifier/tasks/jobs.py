"""The tasks: they call use cases. They take primary keys; those of the control queue return numbers."""

from dataclasses import asdict
from datetime import timedelta
from functools import partial

from celery import Celery, Task
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from notifier import clock, retention
from notifier.campaigns.tick import close_after
from notifier.delivery.deliver import TransientDelivery
from notifier.extensions import db
from notifier.metrics import folding
from notifier.observability import heartbeats, totals
from notifier.services import services
from notifier.tasks import after_commit
from notifier.tasks.progress import Progress

#: Seconds. With full jitter, three quick tries take well below a minute, the longest delay of a message.
QUICK_TRIES = {"retry_backoff": 2, "retry_backoff_max": 20, "retry_jitter": True, "max_retries": 3}


def deliver_notification(self: Task, pk: int) -> None:
    """Send one notification. Running it twice equals running it once."""
    services().sender.deliver([pk], quick_tries_left=self.max_retries - self.request.retries)


def handle_account_request(pk: int) -> None:
    """Handle a sign-up or a request for another link. Running it twice equals running it once.

    The email is sent in the same task: going through the broker again would take as long again.
    """
    with after_commit.kept() as keys:
        services().account_requests.handle(pk, then=partial(_send_now, keys))


def _send_now(keys: list[int]) -> None:
    while keys:
        key = keys.pop(0)
        try:
            services().sender.deliver([key], quick_tries_left=1)
        except (TransientDelivery, DBAPIError):
            # The task for single emails makes the quick retries.
            services().outbox.publish([key])


def deliver_several(pks: list[int]) -> None:
    """Send some of people's own emails. One that must be tried again waits for the sweep."""
    services().sender.deliver(pks)


def deliver_batch(pks: list[int]) -> None:
    """Send a batch of bulk notifications, each with an outcome of its own."""
    services().sender.deliver(pks, bulk=True)
    if pks:
        close_after(db.session, pks[-1])


def sweep() -> dict[str, int]:
    """Enqueue emails that no worker picked up; free those of a lost worker; look again at what came back."""
    swept = asdict(services().sweep.run())
    requests = services().account_requests.sweep()
    customers = services().customers
    reports = 0 if customers is None else customers.run()
    stops = services().second_look.run()
    folding.fold(db.session)
    return swept | {
        "requests": requests.enqueued, "requests_refused": requests.refused, "reports_counted": reports,
        "runs_braked": stops,
    }  # fmt: skip


def tick() -> dict[str, int]:
    """Turn due scheduled times into runs, and restart stuck expansions."""
    ticked = services().tick.run()
    totals.roll_up(db.session, clock.now())
    return {name: len(getattr(ticked, name)) for name in ("started", "prompted", "resumed", "finished", "failed")}


def expand_run(self: Task, pk: int) -> dict[str, int]:
    """Create the notifications of a run. Running it twice, or twice at once, equals running it once.

    Meanwhile its state is PROGRESS.
    """
    over = services().expansion.run(pk, Progress(self))
    return {"run": pk, "expanded": int(over)}


def events() -> dict[str, int]:
    """Publish what happened, and request the calls of endpoints with events that are due."""
    published = services().publishing.run()
    endpoints = services().calling.due()
    services().call_webhooks(endpoints)
    return {"events": published, "endpoints": len(endpoints)}


def call_webhook(pk: int) -> None:
    """Send to one endpoint what is due. Running it twice, or twice at once, equals running it once."""
    services().calling.run(pk)


def purge() -> dict[str, int]:
    """Delete data past its retention."""
    heartbeats.beat(db.session(), "purge", clock.now())
    db.session.commit()
    return retention.purge(db.session, task_results=timedelta(days=services().settings.task_results_kept))


#: Errors that are expected, so that Celery logs one line without a traceback: a mail server or a database is away, the
#: row waits for the sweep.
EXPECTED = (TransientDelivery, OperationalError, InterfaceError)


def register(celery: Celery) -> None:
    """Register the tasks with this Celery object, and with no other one of the process."""
    task = partial(celery.task, shared=False, lazy=False, throws=EXPECTED)
    # Before the claim, a database that is away is as transient as a mail server that is away.
    transient = (TransientDelivery, DBAPIError)
    task(name="notifier.deliver_notification", bind=True, autoretry_for=transient, **QUICK_TRIES)(deliver_notification)
    for job in (handle_account_request, deliver_several, deliver_batch, call_webhook):
        task(name=f"notifier.{job.__name__}", autoretry_for=(DBAPIError,), **QUICK_TRIES)(job)
    # Their results are recorded, so callers may ask for them.
    recorded = partial(task, ignore_result=False)
    recorded(name="notifier.expand_run", bind=True, autoretry_for=(DBAPIError,), **QUICK_TRIES)(expand_run)
    for chore in (sweep, tick, purge):
        recorded(name=f"notifier.{chore.__name__}")(chore)
    task(name="notifier.events")(events)
