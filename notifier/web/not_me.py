"""The page behind "This wasn't me" in verification and reminder emails, for the owner of the mailbox.

Looking changes nothing. One button ends the account that another person made with this address; the same link undoes
it.
"""

from flask import Blueprint, Response, render_template

from notifier.accounts.erasure import ErasureError
from notifier.accounts.not_me import NotMeLink, NotMeState
from notifier.extensions import db
from notifier.services import services
from notifier.web.form_limits import limited_link

not_me = Blueprint("not_me", __name__)

#: The template and HTTP status of each state.
_PAGES = {
    NotMeState.unconfirmed: ("web/not_me.html", 200),
    NotMeState.confirmed: ("web/not_me_confirmed.html", 409),
    NotMeState.stopped: ("web/not_me_stopped.html", 200),
    NotMeState.unknown: ("web/link_failed.html", 404),
}


@not_me.get("/not-me/<token>")
def look(token: str) -> Response:
    """Show what the link is for. Looking changes nothing: scanners follow links, too."""
    found = services().not_me.examine(db.session(), token)
    db.session.rollback()
    return _page(found, token)


@not_me.post("/not-me/<token>")
@limited_link
def end_account(token: str) -> Response:
    """End the account."""
    try:
        found = services().not_me.end_account(db.session(), token)
    except ErasureError:
        db.session.rollback()
        found = services().not_me.examine(db.session(), token)
        return _page(found, token, busy=True)
    db.session.commit()
    return _page(found, token)


@not_me.post("/not-me/<token>/undo")
@limited_link
def take_back(token: str) -> Response:
    """Let the address get email again."""
    done = services().not_me.take_back(db.session(), token)
    db.session.commit()
    if done:
        return _no_store(render_template("web/not_me_undone.html"), 200)
    return _page(services().not_me.examine(db.session(), token), token)


def _page(found: NotMeLink, token: str, *, busy: bool = False) -> Response:
    template, status = _PAGES[found.state]
    page = render_template(template, token=token, found=found, until=found.until, days=_days(), busy=busy)
    return _no_store(page, 409 if busy else status)


def _days() -> int:
    settings = services().settings
    return settings.not_me_days


def _no_store(page: str, status: int) -> Response:
    """Build the response. A page whose address holds a token stays out of all caches."""
    response = Response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response
