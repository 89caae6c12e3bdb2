"""Checks and work when a worker starts and stops."""

import gc
import os
import sys
from pathlib import Path
from typing import Any

import structlog
from celery import signals
from sqlalchemy.exc import SQLAlchemyError

from notifier.delivery.recovery.replay import replay
from notifier.extensions import db
from notifier.tasks import configuration
from notifier.tasks.celery_app import BoundCelery
from notifier.tasks.this_worker import in_our_worker

log = structlog.get_logger(__name__)


@signals.worker_init.connect(weak=False)
@in_our_worker
def refuse_root(celery: BoundCelery, **_: Any) -> None:
    """Refuse root in production: a worker unpickles nothing, but it renders and connects."""
    if celery.settings.notifier_env == "production" and os.geteuid() == 0:
        raise SystemExit("the worker refuses to run as root in production: give it a user of its own")


@signals.worker_init.connect(weak=False)
@in_our_worker
def keep_promises(celery: BoundCelery, **_: Any) -> None:
    """Refuse to start if the application changed a setting of Celery that notifier promises."""
    broken = configuration.broken_promises(celery, celery.settings)
    if broken:
        raise SystemExit("\n".join(broken))


@signals.worker_init.connect(weak=False)
@in_our_worker
def need_broker(celery: BoundCelery, **_: Any) -> None:
    """Refuse to start without a broker: the worker would look well and send nothing."""
    if not celery.settings.broker_url and celery.settings.notifier_env != "test":
        raise SystemExit("REDIS_URL or CELERY_BROKER_URL: a worker needs a broker, in development, too")


@signals.worker_init.connect(weak=False)
@in_our_worker
def need_journal(celery: BoundCelery, **_: Any) -> None:
    """Refuse to start without a folder for the journal: after a kill, too many emails would be unknown."""
    folder = celery.services.sender.journal.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(
            f"NOTIFIER_DATA_DIR: the journal's folder {folder} cannot be created: {error.strerror}"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SystemExit(f"NOTIFIER_DATA_DIR: the journal's folder {folder} is not writable")


#: Seconds that the sending thread waits at most for its turn to read replies while another thread writes to the ledger:
#: emails with unread replies are uncertain if the process is killed. Python's default is ten times as long.
SWITCH = 0.0005


@signals.worker_init.connect(weak=False)
@in_our_worker
def take_turns(celery: BoundCelery, **_: Any) -> None:
    """Set the switch interval of this process and of those that it forks."""
    sys.setswitchinterval(SWITCH)


@signals.worker_init.connect(weak=False)
@in_our_worker
def keep_out_of_the_way(celery: BoundCelery, **_: Any) -> None:
    """Freeze the objects loaded so far: they are never freed, so the garbage collector need not check them.

    It then does not write to their memory pages, so sending processes share them with their parent.
    """
    gc.collect()
    gc.freeze()


@signals.worker_ready.connect(weak=False)
@in_our_worker
def settle_what_lost_workers_left(celery: BoundCelery, **_: Any) -> None:
    """Replay the journals of killed workers of this host: they record which emails were sent."""
    with celery.flask_app.app_context():
        _replay(celery)


def _replay(celery: BoundCelery) -> None:
    folder = celery.services.sender.journal.folder
    replay(db.session, folder, alone_from=celery.settings.mail_deaths)


@signals.worker_process_init.connect(weak=False)
@in_our_worker
def settle_what_a_sibling_left(celery: BoundCelery, **_: Any) -> None:
    """Replay the journal of the process that this one replaces after a kill, before its leases expire."""
    with celery.flask_app.app_context():
        try:
            _replay(celery)
        except SQLAlchemyError as error:
            # The next sweep of this host tries again, and later the leases expire.
            log.warning("replay.database_away", error=type(error).__name__)


@signals.worker_ready.connect(weak=False)
@in_our_worker
def tell_ready(celery: BoundCelery, **_: Any) -> None:
    """Create the ready file, if a supervisor asked for it, once this worker consumes."""
    path = os.environ.get("NOTIFIER_READY_FILE")
    if path:
        Path(path).touch()


@signals.worker_process_init.connect(weak=False)
@signals.worker_ready.connect(weak=False)
@in_our_worker
def give_current_app_back(celery: BoundCelery, **_: Any) -> None:
    """Make the Celery object of the application that embeds us current again, in this thread and in all others.

    A worker of Celery makes its own object current. A `@shared_task` of that application, called by its kind of email,
    would be looked up among our tasks, and go to our broker.
    """
    if celery.hosts is not None:
        celery.hosts.set_current()
        celery.hosts.set_default()


@signals.worker_process_shutdown.connect(weak=False)
@signals.worker_shutdown.connect(weak=False)
@in_our_worker
def say_goodbye(celery: BoundCelery, **_: Any) -> None:
    """Write down what this process counted, and close the kept connections to mail servers with QUIT."""
    celery.services.recorder.close()
    celery.services.transports.primary.close()
