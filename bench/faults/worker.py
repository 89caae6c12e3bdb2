"""The worker under fault: the real notifier, `celery -A bench.faults.worker:celery_app`."""

import os

from notifier import logs
from notifier.app import create_app
from notifier.campaigns.expand import CHUNK
from notifier.embedded.process import die_with_parent

# A kill -9 of the worker's first process, or of the driver, must leave no sending child behind.
os.register_at_fork(after_in_child=die_with_parent)

app = create_app()
logs.configure()
# Small chunks make an expansion long, so that a kill finds it at work.
chunk = int(os.environ.get("FAULTS_CHUNK", CHUNK))
app.extensions["notifier.expansion"].chunk = chunk
celery_app = app.extensions["celery"]
