"""What a worker does when it starts and when it ends."""

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
from notifier.tasks.celery_app import celery_app

log = structlog.get_logger(__name__)


@signals.worker_init.connect(weak=False)
def refuse_root(**_: Any) -> None:
    """A worker unpickles nothing, but it renders and connects: never as root in production."""
    if celery_app.settings.notifier_env == "production" and os.geteuid() == 0:
        raise SystemExit("the worker refuses to run as root in production: give it a user of its own")


@signals.worker_init.connect(weak=False)
def need_journal(**_: Any) -> None:
    """Without a place for its journal a worker must not send: a kill would leave too much unknown."""
    folder = celery_app.services.sender.journal.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"NOTIFIER_DATA_DIR: the journal's folder {folder} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SystemExit(f"NOTIFIER_DATA_DIR: the journal's folder {folder} is not writable")


#: Seconds. While the thread beside it writes to the ledger, the sending one waits so long at most for its turn to read
#: replies: what lies unread is in doubt where the process is killed. Python's own is ten times as long.
SWITCH = 0.0005


@signals.worker_init.connect(weak=False)
def take_turns(**_: Any) -> None:
    """For this process and those that it forks."""
    sys.setswitchinterval(SWITCH)


@signals.worker_init.connect(weak=False)
def keep_out_of_the_way(**_: Any) -> None:
    """What is loaded now stays for good: the garbage collector need not look through it for every few mails.

    Nor does it write to its pages, so that sending processes share them with their parent.
    """
    gc.collect()
    gc.freeze()


@signals.worker_ready.connect(weak=False)
def settle_what_lost_workers_left(**_: Any) -> None:
    """Workers of this host that were killed: their journals tell what they sent."""
    with celery_app.flask_app.app_context():
        _replay()


def _replay() -> None:
    folder = celery_app.services.sender.journal.folder
    replay(db.session, folder, alone_from=celery_app.settings.mail_deaths)


@signals.worker_process_init.connect(weak=False)
def settle_what_a_sibling_left(**_: Any) -> None:
    """A process that was killed is replaced at once: its successor settles what it left, before its leases end."""
    with celery_app.flask_app.app_context():
        try:
            _replay()
        except SQLAlchemyError as error:
            # The next sweep of this host tries again, and after that the leases end.
            log.warning("replay.database_away", error=type(error).__name__)


@signals.worker_ready.connect(weak=False)
def tell_ready(**_: Any) -> None:
    """Tell a supervisor that asked for it that this worker consumes."""
    path = os.environ.get("NOTIFIER_READY_FILE")
    if path:
        Path(path).touch()


@signals.worker_process_shutdown.connect(weak=False)
@signals.worker_shutdown.connect(weak=False)
def say_goodbye(**_: Any) -> None:
    """Close the kept connections in order."""
    celery_app.services.transports.primary.close()
