"""The database: its engine and sessions, bound to an application."""

from functools import partial

from flask import Flask, current_app, has_app_context
from sqlalchemy import Engine

from notifier.config.settings import Settings
from notifier.database import engines, pools, sqlite_shared
from notifier.database.transaction import reads_only
from notifier.extensions import HOSTS_ENGINE, db


def bind_database(app: Flask, settings: Settings, hosts: Engine | None = None) -> None:
    """Bind `db` to `app`, and prepare its engine. Raise ConfigError for an unusable SQLite folder.

    `hosts`: the engine of the application that embeds ours. It stays as the host made it, except that a forked child
    never uses a connection of its parent.
    """
    if hosts is not None:
        app.config[HOSTS_ENGINE] = hosts
    else:
        engines.make_folder(settings)
    db.init_app(app)
    if hosts is not None:
        pools.prepare(hosts, ping=None)
        sqlite_shared.tell_ours(hosts, partial(_reads_only_of, hosts))
        return
    with app.app_context():
        engines.prepare(db.engine, settings, reads_only)
        if db.engine.dialect.name == "sqlite":
            app.teardown_request(_end_reading)


def bind_api(api: Flask, app: Flask) -> None:
    """Bind `db` to the application of the API, which uses the engine of `app`, bound before."""
    with app.app_context():
        api.config[HOSTS_ENGINE] = db.engine
    # Flask-SQLAlchemy wants an address. It is never connected to.
    api.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db.init_app(api)
    api.teardown_request(_end_reading)


def _reads_only_of(engine: Engine) -> bool | None:
    return reads_only() if has_app_context() and current_app.config.get(HOSTS_ENGINE) is engine else None


def _end_reading(_error: BaseException | None) -> None:
    """End the transaction of a GET, even if its context outlives it, so that the next one may write."""
    if reads_only() and db.session.registry.has():
        db.session.rollback()
