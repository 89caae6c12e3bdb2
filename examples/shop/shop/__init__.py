"""A small shop: products of several sellers, orders and likes."""

from typing import Any

from flask import Flask

from shop import account, admin, catalog, demo, emails, orders, pages
from shop.config import from_environment
from shop.extensions import csrf, db, login, make_celery, migrate


def create_app(**config: Any) -> Flask:
    """Build the application, configured by the environment. `config` wins over it."""
    app = Flask(__name__)
    app.config.from_mapping(from_environment() | config)
    db.init_app(app)
    migrate.init_app(app, db)
    csrf.init_app(app)
    login.init_app(app)
    make_celery(app)
    emails.init_app(app)
    for part in (account, admin, catalog, orders):
        app.register_blueprint(part.blueprint)
    app.cli.add_command(demo.demo)
    pages.init_app(app)
    return app
