"""A host whose people sign in with Flask-Login; some of them are operators of our admin."""

from typing import Any

import flask_login
from flask import Flask
from werkzeug.test import TestResponse

from notifier import OperatorIdentity
from notifier.models import Role
from notifier.testing.forms import csrf_token
from tests.embedding.conftest import Host

ADMIN, SUPPRESSIONS = "/mail/admin/", "/mail/admin/suppressions/"


class Office:
    """A host with Flask-Login. Those of its users whose name is a role are operators."""

    def __init__(self, host: Host) -> None:
        self.host, self.asked = host, 0
        app = host.app
        app.secret_key, app.testing = "the host's own", True
        manager = flask_login.LoginManager(app)

        @manager.user_loader
        def load(key: str) -> Any:
            user = host.db.session.get(host.User, int(key))
            return user and Signed(user)

        @app.post("/login/<int:key>")
        def login(key: int) -> str:
            flask_login.login_user(Signed(host.db.session.get(host.User, key)))
            return ""

        @app.post("/logout")
        def logout() -> str:
            flask_login.logout_user()
            return ""

        @app.get("/me")
        def me() -> str:
            return str(flask_login.current_user.get_id())

        host.start(mount="/mail", operator=self.operator)
        self.ours: Flask = host.notifier.app

    def operator(self) -> Any:
        self.asked += 1
        user = flask_login.current_user
        if user.is_anonymous or user.row.name not in {role.value for role in Role}:
            return False
        return OperatorIdentity(f"host:{user.row.id}", role=user.row.name, label=user.row.email)

    def person(self, name: str, email: str = "") -> "Person":
        """A user of the host who is signed in there."""
        with self.host.app.app_context():
            key = self.host.add(email or f"{name}@shop.example", name).id
        person = Person(self.host, key)
        person.sign_in()
        return person

    def stored(self, query: Any) -> list[Any]:
        return self.host.stored(query)


class Signed(flask_login.UserMixin):  # type: ignore[misc]
    def __init__(self, row: Any) -> None:
        self.row, self.id = row, row.id


class Person:
    """A browser at the host."""

    def __init__(self, host: Host, key: int = 0) -> None:
        self.client, self.key = host.app.test_client(), key

    def sign_in(self) -> None:
        assert self.client.post(f"/login/{self.key}").status_code == 200

    def sign_out(self) -> None:
        assert self.client.post("/logout").status_code == 200

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def send(self, path: str, fields: dict[str, Any], page: str = SUPPRESSIONS) -> TestResponse:
        """Send fields with the CSRF token of `page`."""
        return self.client.post(path, data={"csrf_token": csrf_token(self.get(page).text), **fields})

    def suppress(self, email: str) -> TestResponse:
        return self.send(f"{SUPPRESSIONS}add", {"email": email, "note": "asked"})
