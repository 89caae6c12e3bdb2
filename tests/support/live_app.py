"""An application on a database of its own and the broker of the tests, for a module that runs a real worker."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from flask import Flask

from notifier.app import create_app
from notifier.extensions import db
from notifier.testing.servers.valkey import ValkeyServer
from tests.support.applications import make_settings


@contextmanager
def live_application(
    folder: Path, migrated_sqlite: Path, valkey: ValkeyServer, *, wiring: dict[str, Any] | None = None, **settings: Any
) -> Iterator[Flask]:
    """Make it in `folder`, with an empty broker; close its database afterwards. `wiring` goes to create_app."""
    shutil.copy(migrated_sqlite, folder / "notifier.db")
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    made = make_settings(
        database_url=f"sqlite:///{folder / 'notifier.db'}",
        redis_url=valkey.url,
        notifier_data_dir=folder,
        mail_suppress_send=False,
        **settings,
    )
    app = create_app(made, **(wiring or {}))
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
