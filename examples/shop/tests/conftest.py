"""A shop with an empty database, and people in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shop import create_app
from shop.extensions import db
from shop.models import Product, User


@pytest.fixture
def empty_app(tmp_path: Path) -> Iterator[Flask]:
    """The shop without tables, with its context pushed."""
    made = create_app(
        TESTING=True,
        WTF_CSRF_ENABLED=False,
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'shop.db'}",
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
    return empty_app


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
