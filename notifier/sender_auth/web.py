"""Ask a web server one question: no redirect is followed, and time and size are bounded."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import IO, Protocol
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

#: Seconds for the connection and for each read, and octets of a body that are read: policies and pages are smaller.
TIMEOUT_SECONDS, MOST_OCTETS = 10.0, 64 * 1024


class WebUnreachable(Exception):
    """No answer came. The message says why."""


class WebUntrusted(WebUnreachable):
    """The server's certificate is not valid for its name."""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """An answer: its status, its headers by names in lower case, and the first 64 kB of its body as text."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


class WebClient(Protocol):
    """The questions of the checks."""

    def get(self, url: str) -> WebAnswer:
        """Return the answer to a GET. Raise WebUnreachable."""

    def post(self, url: str, form: str) -> WebAnswer:
        """Return the answer to a POST of an encoded form, without cookies. Raise WebUnreachable."""


class _Stay(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        return None


class UrlClient:
    """Ask over the network, through the proxies of the environment."""

    def __init__(self, timeout: float = TIMEOUT_SECONDS) -> None:
        """Bound each step of a question by `timeout`, in seconds."""
        self._timeout = timeout
        self._opener = build_opener(_Stay)

    def get(self, url: str) -> WebAnswer:
        """Return the answer to a GET. Raise WebUnreachable."""
        return self._ask(Request(url))

    def post(self, url: str, form: str) -> WebAnswer:
        """Return the answer to a POST of an encoded form, without cookies. Raise WebUnreachable."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask(Request(url, form.encode("ascii"), kind, method="POST"))

    def _ask(self, request: Request) -> WebAnswer:
        try:
            try:
                answer = self._opener.open(request, timeout=self._timeout)
            except HTTPError as error:
                answer = error
            with answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return WebAnswer(answer.status, headers, answer.read(MOST_OCTETS).decode("utf-8", "replace"))
        except URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise WebUntrusted(error.reason.verify_message) from None
            raise WebUnreachable(str(error.reason)) from None
        except (OSError, HTTPException) as error:
            raise WebUnreachable(str(error) or type(error).__name__) from None
