"""A visitor without a browser, for an application in this process: follows forms with their CSRF tokens."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from notifier.services import services_of
from notifier.testing.forms import csrf_token


class Visitor:
    """One visitor with their own cookies."""

    def __init__(self, app: Flask, address: str = "198.51.100.7") -> None:
        """Visit `app` from the IP address `address`."""
        self.client: FlaskClient = app.test_client()
        self.host = services_of(app).settings.link_base.partition("//")[2]
        self.environ = {"REMOTE_ADDR": address}

    def get(self, path: str, **options: Any) -> TestResponse:
        """Send a GET request."""
        return self.client.get(path, base_url=f"http://{self.host}", environ_base=self.environ, **options)

    def post(self, path: str, data: dict[str, Any], **options: Any) -> TestResponse:
        """Send exactly these fields by POST."""
        return self.client.post(path, base_url=f"http://{self.host}", environ_base=self.environ, data=data, **options)

    def token(self, path: str) -> str:
        """Return the CSRF token of the form on a page."""
        return csrf_token(self.get(path).text)

    def sign_up(self, email: str, display_name: str = "", **fields: Any) -> TestResponse:
        """Fill in the sign-up form and send it."""
        fields |= {"csrf_token": self.token("/signup"), "email": email, "display_name": display_name}
        return self.post("/signup", fields)
