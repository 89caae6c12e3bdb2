"""This wasn't me: the page behind a link in verification and reminder emails, for the owner of the mailbox.

Looking changes nothing. One button ends the account that somebody made with this address; the same link takes it back.
"""

from typing import cast

from flask import Blueprint, Response, current_app, render_template

from notifier.accounts.erasure import ErasureError
from notifier.accounts.not_me import Found, NotMe, State
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.web.limits import limited_link

not_me = Blueprint("not_me", __name__)

#: The page of each state, and its status.
_PAGES = {
    State.unconfirmed: ("web/not_me.html", 200),
    State.confirmed: ("web/not_me_confirmed.html", 409),
    State.stopped: ("web/not_me_stopped.html", 200),
    State.unknown: ("web/link_failed.html", 404),
}


def _use_case() -> NotMe:
    return cast("NotMe", current_app.extensions["notifier.not_me"])


@not_me.get("/not-me/<token>")
def look(token: str) -> Response:
    """Show what the link is for. Looking changes nothing: scanners look too."""
    found = _use_case().examine(db.session(), token)
    db.session.rollback()
    return _page(found, token)


@not_me.post("/not-me/<token>")
@limited_link
def end_account(token: str) -> Response:
    """End the account."""
    try:
        found = _use_case().end_account(db.session(), token)
    except ErasureError:
        db.session.rollback()
        return _no_store(render_template("web/not_me.html", token=token, days=_days(), busy=True), 409)
    db.session.commit()
    return _page(found, token)


@not_me.post("/not-me/<token>/undo")
@limited_link
def take_back(token: str) -> Response:
    """Let the address get email again."""
    done = _use_case().take_back(db.session(), token)
    db.session.commit()
    if done:
        return _no_store(render_template("web/not_me_undone.html"), 200)
    return _page(_use_case().examine(db.session(), token), token)


def _page(found: Found, token: str) -> Response:
    template, status = _PAGES[found.state]
    return _no_store(render_template(template, token=token, until=found.until, days=_days()), status)


def _days() -> int:
    settings: Settings = current_app.extensions["notifier.settings"]
    return settings.not_me_days


def _no_store(page: str, status: int) -> Response:
    """Build the answer. A page whose address holds a token stays out of every cache."""
    response = Response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response
