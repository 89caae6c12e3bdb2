"""A visitor without a browser: follows forms with their CSRF tokens, as curl would."""

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from notifier.services import services_of

_TOKEN = re.compile(rb'name="csrf_token"[^>]*value="([^"]+)"')


class Visitor:
    """One visitor with cookies of their own."""

    def __init__(self, app: Flask, address: str = "198.51.100.7") -> None:
        """`address` is where the visitor comes from."""
        self.client: FlaskClient = app.test_client()
        self.host = services_of(app).settings.link_base.partition("//")[2]
        self.environ = {"REMOTE_ADDR": address}

    def get(self, path: str, **options: Any) -> TestResponse:
        """GET as a browser does."""
        return self.client.get(path, base_url=f"http://{self.host}", environ_base=self.environ, **options)

    def post(self, path: str, data: dict[str, Any], **options: Any) -> TestResponse:
        """POST exactly these fields."""
        return self.client.post(path, base_url=f"http://{self.host}", environ_base=self.environ, data=data, **options)

    def token(self, path: str) -> str:
        """The CSRF token of the form on a page."""
        found = _TOKEN.search(self.get(path).data)
        assert found, f"no form on {path}"
        return found.group(1).decode()

    def sign_up(self, email: str, display_name: str = "", **fields: Any) -> TestResponse:
        """Fill in the signup form and send it."""
        fields |= {"csrf_token": self.token("/signup"), "email": email, "display_name": display_name}
        return self.post("/signup", fields)
