"""A visitor without a browser: follows forms with their CSRF tokens, as curl would."""

import re
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
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


def fields_of(page: str, which: str = '<form class="sheet"') -> MultiDict[str, str]:
    """Return the inputs of a form, the first that begins with `which`, as a browser would send them back."""
    form = page.partition(which)[2].partition("</form>")[0]
    fields: MultiDict[str, str] = MultiDict()
    for tag in re.findall(r"<input\b[^>]*>", form):
        found = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if found.get("type") in ("radio", "checkbox") and " checked" not in tag:
            continue
        fields.add(found["name"], unescape(found.get("value", "")))
    for tag, inner in re.findall(r"(<select\b[^>]*>)(.*?)</select>", form, re.DOTALL):
        for attributes, text in re.findall(r"<option\b([^>]*)>([^<]*)", inner):
            value = re.search(r'value="([^"]*)"', attributes)
            if " selected" in attributes:
                fields.add(_name_of(tag), unescape(value[1] if value else text))
    for tag, inner in re.findall(r"(<textarea\b[^>]*>)(.*?)</textarea>", form, re.DOTALL):
        # HTML leaves out the line break right after the tag.
        fields.add(_name_of(tag), unescape(inner).removeprefix("\r\n").removeprefix("\n"))
    return fields


def _name_of(tag: str) -> str:
    found = re.search(r'\bname="([^"]*)"', tag)
    assert found, tag
    return found[1]
