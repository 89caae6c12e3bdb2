"""The worker of the fault runs: the real notifier, `celery -A bench.faults.worker:celery_app`."""

import os
import signal
from typing import cast

from notifier.app import create_app
from notifier.campaigns.expand import CHUNK
from notifier.dev.process import die_with_parent
from notifier.emails import Owed
from notifier.observability import logs
from notifier.rendering.compose import Composed
from notifier.services import services_of
from notifier.tasks.broker_options import RECONNECT

# A kill -9 of the worker's first process, or of the driver, must leave no sending child behind.
os.register_at_fork(after_in_child=die_with_parent)

app = create_app()
logs.configure()
# Small chunks make an expansion long, so that a kill hits it.
chunk = int(os.environ.get("FAULTS_CHUNK", CHUNK))
services_of(app).expansion.chunk = chunk
celery_app = services_of(app).celery
# Rendering this row kills its process, as running out of memory does.
deadly = int(os.environ.get("FAULTS_DEADLY", "0"))
if deadly:
    composer = services_of(app).sender.composer
    compose = composer.compose

    def deadly_compose(owed: Owed) -> Composed:
        """Render any email but that one."""
        if owed.notification.id == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return cast("Composed", compose(owed))

    composer.compose = deadly_compose
# Short pauses give a short absence of the broker as many attempts to reach it as a long one.
pause = os.environ.get("FAULTS_RECONNECT")
if pause:
    RECONNECT.update(interval_start=float(pause), interval_step=0.0, interval_max=float(pause))
