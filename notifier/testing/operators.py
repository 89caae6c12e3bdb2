"""An operator without a browser: signs in, and follows the admin's forms with their tokens."""

from typing import Any

from werkzeug.test import TestResponse

from notifier.testing.browse import Visitor

PASSWORD = "a password of four words"

SIGN_IN = "/admin/sign-in"


class Desk(Visitor):
    """One operator at one machine, with the password PASSWORD unless a test gives another."""

    def sign_in(self, email: str = "admin@example.com", password: str = PASSWORD, **fields: Any) -> TestResponse:
        """Fill in the sign-in form and send it."""
        fields |= {"csrf_token": self.token(SIGN_IN), "email": email, "password": password}
        return self.post(SIGN_IN, fields)

    def send(self, path: str, fields: dict[str, Any] | None = None, page: str = "/admin/account/") -> TestResponse:
        """Send fields by POST, with the CSRF token of `page`."""
        return self.post(path, {"csrf_token": self.token(page), **(fields or {})})
