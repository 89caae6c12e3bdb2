"""notifier with one more kind of email: `celery -A bench.worker:celery_app`, `gunicorn bench.worker:app`."""

import os
from pathlib import Path

from bench import driver
from bench.mails import BENCH_KINDS
from notifier.app import create_app
from notifier.observability import logs
from notifier.services import services_of

# Imported for its effect on forks: none of them outlives its parent.
assert driver

app = create_app(kinds=BENCH_KINDS, templates=Path(os.environ["BENCH_TEMPLATES"]))
# As in production. Production itself wants TLS and no root, which a bench on loopback cannot have.
logs.configure()
celery_app = services_of(app).celery
