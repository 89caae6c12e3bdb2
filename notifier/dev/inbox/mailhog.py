"""MailHog's JSON API (the parts that test clients use), so that one client serves both.

Shapes follow MailHog 1.0.1: headers and bodies are as sent, not decoded. Search also looks into decoded text.
"""

import json
from email.message import Message
from typing import Any

from flask import Blueprint, Response, abort, request

from notifier.dev.inbox.email_parsing import MAX_DEPTH, clean_bytes
from notifier.dev.inbox.smtp import HOSTNAME
from notifier.dev.inbox.store import Inbox, Mail

DEFAULT_LIMIT = 50
MAX_LIMIT = 250


def mailhog_api(inbox: Inbox) -> Blueprint:
    """Build the routes of the API of one inbox."""
    api = Blueprint("api", __name__)

    @api.get("/api/v2/messages")
    def messages() -> Response:
        return _page(inbox.newest_first())

    @api.get("/api/v2/search")
    def search() -> Response:
        kind = request.args.get("kind", "")
        query = request.args.get("query", "")
        if kind not in {"from", "to", "containing"} or not query:
            abort(400, "kind must be from, to or containing, and query must not be empty")
        return _page(inbox.search(kind, query))

    @api.delete("/api/v1/messages")
    def clear() -> Response:
        inbox.clear()
        return Response(status=200)

    @api.get("/api/v1/messages/<mail_id>")
    def one(mail_id: str) -> Response:
        mail = inbox.get(mail_id)
        return _json(item(mail)) if mail else abort(404)

    @api.delete("/api/v1/messages/<mail_id>")
    def delete(mail_id: str) -> Response:
        return Response(status=200 if inbox.delete(mail_id) else 404)

    return api


def number(name: str, default: int) -> int:
    """Return a count from the query string, or the default if it is not a number in range."""
    value = request.args.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else default


def item(mail: Mail) -> dict[str, Any]:
    """Return an email in MailHog's JSON shape."""
    message = mail.reading.message
    content = _content(message, mail.data)
    stamp = mail.created.strftime("%a, %d %b %Y %H:%M:%S +0000")
    content["Headers"]["Return-Path"] = [f"<{mail.sender}>"]
    content["Headers"]["Received"] = [f"from {mail.helo} by {HOSTNAME} (notifier)\r\n          id {mail.id}; {stamp}"]
    return {
        "ID": mail.id,
        "From": _path(mail.sender),
        "To": [_path(recipient) for recipient in mail.recipients],
        "Content": content,
        "Created": mail.created.isoformat().replace("+00:00", "Z"),
        "MIME": _mime(message),
        "Raw": {
            "From": mail.sender,
            "To": list(mail.recipients),
            "Data": mail.data.decode("utf-8", "replace"),
            "Helo": mail.helo,
        },
    }


def _page(mails: list[Mail]) -> Response:
    start = number("start", 0)
    chosen = mails[start : start + min(number("limit", DEFAULT_LIMIT), MAX_LIMIT)]
    items = [item(mail) for mail in chosen]
    return _json({"total": len(mails), "count": len(items), "start": start, "items": items})


def _json(value: dict[str, Any]) -> Response:
    return Response(json.dumps(value), content_type="application/json")


def _path(address: str) -> dict[str, Any]:
    mailbox, _, domain = address.rpartition("@")
    return {"Relays": None, "Mailbox": mailbox or domain, "Domain": domain if mailbox else "", "Params": ""}


def _content(message: "Message[str, str]", raw: bytes) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        headers.setdefault(clean_bytes(name), []).append(_unfolded(str(value)))
    body = raw.replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")[2].decode("utf-8", "replace")
    return {"Headers": headers, "Body": body, "Size": len(raw), "MIME": None}


def _unfolded(value: str) -> str:
    return clean_bytes(value).replace("\r\n", "").replace("\n", "").strip()


def _mime(message: "Message[str, str]", depth: int = 0) -> dict[str, Any] | None:
    payload = message.get_payload()
    if not isinstance(payload, list) or depth >= MAX_DEPTH:
        return None
    parts = [child for child in payload if isinstance(child, Message)]
    return {"Parts": [_mime_part(part, depth + 1) for part in parts]}


def _mime_part(part: "Message[str, str]", depth: int) -> dict[str, Any]:
    payload = part.get_payload()
    body = clean_bytes(payload) if isinstance(payload, str) else ""
    content = _content(part, b"")
    return {**content, "Body": body, "Size": len(body), "MIME": _mime(part, depth)}
