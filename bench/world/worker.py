"""The worker of the world: the real notifier, with the DNS of the world (`celery -A bench.world.worker:celery_app`)."""

import os

from bench.world.dns import ScriptedDns
from notifier.app import create_app
from notifier.dev.process import die_with_parent
from notifier.observability import logs
from notifier.services import services_of

# A worker that is killed, or its driver, leaves no sending child behind.
os.register_at_fork(after_in_child=die_with_parent)

app = create_app(resolver=ScriptedDns)
logs.configure()
celery_app = services_of(app).celery
