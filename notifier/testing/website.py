"""An application on a real socket, and a visitor who speaks only HTTP."""

import http.cookiejar
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from notifier.testing.forms import csrf_token


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def serving(app: Flask, port: int) -> Iterator[None]:
    """Let `app` answer on this port of loopback, with a thread for each request."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Answer:
    """One response. Redirects are not followed."""

    status: int
    headers: Message
    text: str


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Person:
    """A browser with cookies; with `cookies=False`, the machine of a mail provider."""

    def __init__(self, *, cookies: bool = True) -> None:
        jar = [urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())] if cookies else []
        self._opener = urllib.request.build_opener(_Stay, *jar)
        self._opener.addheaders = []

    def ask(self, method: str, url: str, body: bytes | Mapping[str, str] | None = None, **headers: str) -> Answer:
        """Send one request, with the fields of a form or with bytes and their `Content_Type`."""
        if isinstance(body, Mapping):
            body = urllib.parse.urlencode(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, body, named, method=method)
        try:
            with self._opener.open(request, timeout=20) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read().decode())

    def press(self, url: str, at: str = "", **fields: str) -> Answer:
        """Get the page, then send its form with the CSRF token to `at`, by default to the page itself."""
        token = csrf_token(self.ask("GET", url).text)
        return self.ask("POST", at or url, {"csrf_token": token} | fields)
