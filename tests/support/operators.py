"""An operator without a browser: signs in, follows forms with their tokens."""

from typing import Any

from werkzeug.test import TestResponse

from tests.support.browse import Visitor

PASSWORD = "a password of four words"

SIGN_IN = "/admin/sign-in"


class Desk(Visitor):
    """One operator at one machine."""

    def sign_in(self, email: str = "admin@example.com", password: str = PASSWORD, **fields: Any) -> TestResponse:
        """Fill in the form and send it."""
        fields |= {"csrf_token": self.token(SIGN_IN), "email": email, "password": password}
        return self.post(SIGN_IN, fields)

    def send(self, path: str, fields: dict[str, Any] | None = None, page: str = "/admin/account/") -> TestResponse:
        """POST with the token of a page."""
        return self.post(path, {"csrf_token": self.token(page), **(fields or {})})
