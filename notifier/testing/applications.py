"""Databases and applications for tests: migrated, with our templates and more, and closed again."""

import shutil
from pathlib import Path

from flask import Flask

from notifier import migrating, resources
from notifier.app import create_app
from notifier.extensions import db
from notifier.services import services_of
from notifier.testing.settings import make_settings


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest version by our own migrations."""
    app = create_app(make_settings(database_url=url))
    with app.app_context():
        migrating.upgrade()
    close(app)


def close(app: Flask) -> None:
    """Close all connections of `app`, to mail servers and to the database, and end what looks beside its pages."""
    services_of(app).watch.stop()
    services_of(app).transports.primary.close()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def merge_templates(into: Path, *folders: Path) -> Path:
    """Copy our templates and those of `folders` into the folder `into`, and return it. Later ones win."""
    for folder in (resources.templates(), *folders):
        shutil.copytree(folder, into, dirs_exist_ok=True)
    return into
