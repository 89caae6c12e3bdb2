"""The frame of a preview: the email as its recipient would see it, without anything active.

The frame is sandboxed, and the response says so itself: no script, no form, no outgoing request.
"""

import re

from flask import Response
from markupsafe import Markup, escape

from notifier.mail.message import Message
from notifier.rendering.drafts import source_of

#: No script runs, no form is sent, nothing is fetched, in any page that shows it.
CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)

#: The ways to look at an email.
VIEWS = {
    "desktop": "Desktop",
    "phone": "Phone",
    "dark": "Dark",
    "text": "Plain text",
    "images": "Images off",
    "source": "Source",
}

_DARK = re.compile(r"@media\s*\(\s*prefers-color-scheme:\s*dark\s*\)")
_SCHEME = re.compile(r'(<meta name="(?:supported-)?color-schemes?" content=")light dark"')
_BODY = re.compile(r"<body[^<>]*>", re.IGNORECASE)

_PLAIN = Markup(
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{}</title><style>'
    "body {{ margin: 0; padding: 16px; background: #fff; color: #14232d; font: 14px/1.5 system-ui, sans-serif; }} "
    "pre {{ margin: 0; unicode-bidi: plaintext; text-align: start; white-space: pre-wrap; overflow-wrap: anywhere; "
    "font: 13px/1.5 ui-monospace, monospace; }} "
    ".wrong {{ padding: 12px 16px; border: 1px solid #a3202f; border-radius: 8px; background: #fdf1f2; }}"
    "</style></head><body>{}</body></html>"
)
_SUBJECT = Markup(
    '<div lang="en" dir="ltr" style="margin:0;padding:10px 16px;background:{};color:{};'
    'font:14px/1.5 system-ui,sans-serif;overflow-wrap:anywhere"><strong>Subject:</strong> <bdi>{}</bdi></div>'
)


def shown(message: Message, view: str) -> Response:
    """Return the email in one of VIEWS. Raise PreviewError."""
    if view == "source":
        return _answer(_page("Source", source_of(message)))
    if view == "text":
        return _answer(_page("Plain text", f"Subject: {message.subject}\n\n{message.text}"))
    dark = view == "dark"
    html = _DARK.sub("@media all" if dark else "@media not all", message.html)
    html = _SCHEME.sub(rf'\g<1>{"dark" if dark else "light"}"', html)
    colours = ("#142028", "#f1f5f7") if dark else ("#ffffff", "#14232d")
    subject = str(_SUBJECT.format(*colours, message.subject))
    html = _BODY.sub(lambda body: body.group() + subject, html, count=1)
    return _answer(html, images=view != "images")


def wrong(error: ValueError) -> Response:
    """Return a page that says why there is nothing to see."""
    words = Markup('<p class="wrong" role="alert">{}</p>').format(str(error))
    return _answer(str(_PLAIN.format("Cannot be shown", words)))


def _page(title: str, text: str) -> str:
    return str(_PLAIN.format(title, Markup('<pre dir="auto">{}</pre>').format(escape(text))))


def _answer(html: str, *, images: bool = True) -> Response:
    answer = Response(html, mimetype="text/html")
    answer.headers["Content-Security-Policy"] = CSP if images else CSP.replace("img-src data:", "img-src 'none'")
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    answer.headers["Cache-Control"] = "no-store"
    return answer
