"""The Flask app of the inbox: API, pages, and headers that make emails of strangers harmless."""

from pathlib import Path

from flask import Flask, Response, abort, request

from notifier.dev.inbox.contents import mail_contents
from notifier.dev.inbox.mailhog import mailhog_api
from notifier.dev.inbox.pages import inbox_pages
from notifier.dev.inbox.returning import Returns, returning
from notifier.dev.inbox.store import Inbox

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PAGE_CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def create_inbox_app(inbox: Inbox, host: str = "127.0.0.1", returns: Returns | None = None) -> Flask:
    """Build the pages and API of one inbox that listens on `host`. `returns`: None, if nothing listens for bounces."""
    here = Path(__file__).parent
    app = Flask(__name__, template_folder=here / "templates", static_folder=here / "static")
    if host in LOOPBACK:
        # A foreign web page could point its own host name at 127.0.0.1 and read the emails.
        app.config["TRUSTED_HOSTS"] = [*LOOPBACK, "[::1]"]
    app.register_blueprint(mailhog_api(inbox))
    app.register_blueprint(inbox_pages(inbox, returns))
    app.register_blueprint(mail_contents(inbox))
    if returns is not None:
        app.register_blueprint(returning(inbox, returns))
    app.before_request(_refuse_other_origins)
    app.after_request(_harden)
    return app


def _refuse_other_origins() -> None:
    """Refuse forms of other sites, which could empty the inbox."""
    origin = request.headers.get("Origin")
    if request.method not in {"GET", "HEAD"} and origin and origin != request.host_url.rstrip("/"):
        abort(403)


def _harden(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", PAGE_CSP)
    response.headers["X-Content-Type-Options"] = "nosniff"
    # With no-referrer, browsers hide the origin of our own forms, too, and those are refused then.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cache-Control", "no-store")
    return response
