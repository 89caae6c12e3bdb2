"""The applications for servers: `gunicorn notifier.wsgi:app`, `celery -A notifier.wsgi:celery_app`."""

import sys

from notifier.app import create_app
from notifier.config.loading import load_settings
from notifier.config.settings import ConfigError
from notifier.database import older_layout
from notifier.services import services_of

#: If a worker exits with this code, gunicorn stops instead of restarting it forever.
CANNOT_BOOT = 3

try:
    settings = load_settings()
    older_layout.refuse(settings)
    app = create_app(settings)
except ConfigError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(CANNOT_BOOT)
celery_app = services_of(app).celery
