"""The worker under fault: the real notifier, `celery -A bench.faults.worker:celery_app`."""

import os

from notifier import logs
from notifier.app import create_app
from notifier.campaigns.expand import CHUNK, Expansion
from notifier.embedded.process import die_with_parent
from notifier.extensions import db
from notifier.tasks.celery_app import RECONNECT

# A kill -9 of the worker's first process, or of the driver, must leave no sending child behind.
os.register_at_fork(after_in_child=die_with_parent)

app = create_app()
logs.configure()
# Small chunks make an expansion long, so that a kill finds it at work.
chunk = int(os.environ.get("FAULTS_CHUNK", CHUNK))
outbox, kinds = app.extensions["notifier.outbox"], app.extensions["notifier.kinds"]
app.extensions["notifier.expansion"] = Expansion(db.session, outbox.publish, kinds, chunk=chunk)
celery_app = app.extensions["celery"]
# Short pauses make a short absence of the broker as many tries to reach it as a long one.
pause = os.environ.get("FAULTS_RECONNECT")
if pause:
    RECONNECT.update(interval_start=float(pause), interval_step=0.0, interval_max=float(pause))
