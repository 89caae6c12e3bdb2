"""The contents of an email, each at its own address: HTML for the frame, bytes, attachments."""

import base64
import re

from flask import Blueprint, Response, abort

from notifier.dev.inbox.email_parsing import Part, Reading
from notifier.dev.inbox.store import Inbox, Mail

#: Policy of an email's HTML: nothing is fetched, nothing runs; a clicked link opens a new tab.
MAIL_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)


def mail_contents(inbox: Inbox) -> Blueprint:
    """Build the routes for the contents of emails of one inbox."""
    contents = Blueprint("contents", __name__)

    def mail_or_404(mail_id: str) -> Mail:
        return inbox.get(mail_id) or abort(404)

    @contents.get("/messages/<mail_id>/html")
    def html(mail_id: str) -> Response:
        page = framed_html(mail_or_404(mail_id).reading)
        response = Response(page, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = MAIL_CSP
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @contents.get("/messages/<mail_id>/raw")
    def raw(mail_id: str) -> Response:
        return _download(mail_or_404(mail_id).data, "message/rfc822", f"{mail_id}.eml")

    @contents.get("/messages/<mail_id>/parts/<int:number>")
    def part(mail_id: str, number: int) -> Response:
        found = [part for part in mail_or_404(mail_id).reading.parts if part.number == number]
        if not found:
            abort(404)
        return _download(found[0].content, "application/octet-stream", found[0].filename or f"part-{number}")

    return contents


def framed_html(reading: Reading) -> str:
    """Return the email's HTML for the frame: links open a new tab, inline images come from the email itself."""
    html = reading.html
    for part in reading.parts:
        if part.content_id and part.content_type.startswith("image/"):
            html = html.replace(f"cid:{part.content_id}", _data_url(part))
    doctype = _DOCTYPE.match(html)
    split = doctype.end() if doctype else 0
    return f'{html[:split]}<base target="_blank">{html[split:]}'


def _data_url(part: Part) -> str:
    kind = part.content_type if re.fullmatch(r"image/[a-z0-9.+-]+", part.content_type) else "image/png"
    return f"data:{kind};base64,{base64.b64encode(part.content).decode('ascii')}"


def _download(content: bytes, kind: str, name: str) -> Response:
    response = Response(content, content_type=kind)
    safe = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII)[:100]
    response.headers["Content-Disposition"] = f'attachment; filename="{safe}"'
    return response
