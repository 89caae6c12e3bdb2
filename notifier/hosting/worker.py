"""Our Celery in the application that `flask` would load: `celery -A notifier.hosting.worker worker`.

The application is found as `flask` finds it: by `FLASK_APP`, or in a `wsgi.py` or `app.py` of the working directory.
"""

import os
import sys
from pathlib import Path

from click import ClickException
from flask.cli import ScriptInfo, load_dotenv
from flask.helpers import get_load_dotenv

from notifier.embedding import Notifier, SetupError
from notifier.tasks.celery_app import BoundCelery


def load() -> BoundCelery:
    """Return the Celery object. Raise SystemExit, with one line, if there is no such application."""
    # As with `flask`, the application may import from the working directory at any time. Celery removes it from the
    # path once this module is imported.
    sys.path.insert(0, str(Path.cwd()))
    load_dotenv(load_defaults=get_load_dotenv())
    try:
        app = ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app()
        notifier = app.extensions.get("notifier")
        if not isinstance(notifier, Notifier):
            raise SetupError(f"the application {app.name} has no notifier: it must call notifier.init_app(app, …)")
        celery: BoundCelery = notifier.celery
    except (ClickException, SetupError) as error:
        raise SystemExit(f"Error: {error}") from None
    return celery


celery = load()
