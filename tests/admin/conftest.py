"""Operators who are signed in, each with a browser of their own."""

from collections.abc import Callable

import pytest
from flask import Flask

from notifier.extensions import db
from notifier.models import Role
from notifier.operators import roster
from notifier.testing.operators import PASSWORD, Desk


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2 as it is takes 50 ms each time."""
    monkeypatch.setattr(roster, "_hasher", roster.PasswordHasher(1, 8, 1))
    roster._no_password.cache_clear()


@pytest.fixture
def make_operator(app: Flask) -> Callable[..., int]:
    """Stores an operator <role>@example.com and returns its key."""

    def make(role: Role = Role.admin, email: str = "") -> int:
        with app.app_context():
            made = roster.create(db.session(), email=email or f"{role}@example.com", password=PASSWORD, role=role)
            db.session.commit()
            return made.id

    return make


@pytest.fixture
def desk(app: Flask, make_operator: Callable[..., int]) -> Callable[[Role], Desk]:
    """The desk of an operator who is signed in with this role."""

    def sit(role: Role = Role.admin) -> Desk:
        make_operator(role)
        sitting = Desk(app)
        assert sitting.sign_in(f"{role}@example.com").status_code == 303
        return sitting

    return sit
