"""A shop with an empty database, and people in it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from notifier.testing.servers.postgres import PostgresServer
from shop import create_app
from shop.emails import notifier
from shop.extensions import db
from shop.models import Product, User

pytest_plugins = ["notifier.testing.fixtures"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres of its own."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: SQLite unless a test is parametrized with another one."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'shop.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"shop_{uuid4().hex[:12]}"
    server.create_database(name)
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def empty_app(database_url: str, tmp_path: Path) -> Iterator[Flask]:
    """The shop without tables, with its context pushed."""
    made = create_app(
        TESTING=True,
        WTF_CSRF_ENABLED=False,
        SQLALCHEMY_DATABASE_URI=database_url,
        NOTIFIER_DATA_DIR=tmp_path,
        CELERY={"broker_url": "memory://", "task_ignore_result": True},
    )
    with made.app_context():
        yield made
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def app(empty_app: Flask) -> Flask:
    """The shop with its tables."""
    db.create_all()
    notifier.create_all(db.engine)
    return empty_app


@pytest.fixture
def notifier_host(app: Flask) -> Flask:
    """The application whose emails `emails` has."""
    return app


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """A browser."""
    return app.test_client()


@pytest.fixture
def bowl(app: Flask) -> Product:
    """A product of Ines."""
    ines = User(email="ines@example.com", first_name="Ines", password_hash="-")
    product = Product(title="Tea bowl", description="Dark clay.", price=2800, seller=ines)
    db.session.add(product)
    db.session.commit()
    return product


@pytest.fixture
def customer(visitor: FlaskClient) -> FlaskClient:
    """A browser in which Ada signed up."""
    form = {"first_name": "Ada", "email": "Ada@example.com", "password": "correct horse"}
    assert visitor.post("/sign-up", data=form).status_code == 302
    return visitor
