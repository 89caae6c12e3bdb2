"""Unsubscribe and preferences: pages behind the links in emails, for the person with the link.

Looking changes nothing. A one-click POST unsubscribes with nothing but its body (RFC 8058); everything else needs the
CSRF token of its page. An invalid link always gets the same page, so it does not tell what is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_wtf.csrf import validate_csrf
from werkzeug.wrappers import Response as WerkzeugResponse
from wtforms import ValidationError

from notifier import clock
from notifier.consent import preferences
from notifier.consent.decisions import Wish
from notifier.consent.preferences import DIGEST, REFUSABLE, How
from notifier.entries.changed_addresses import old_links_work
from notifier.extensions import db
from notifier.models import User
from notifier.page_extensions import csrf
from notifier.security.tokens import BadToken, ConsentClaim
from notifier.services import services
from notifier.web.form_limits import limited_link
from notifier.web.forms import FREQUENCIES, PreferencesForm

consent = Blueprint("consent", __name__)

Answer = WerkzeugResponse
View = Callable[[str], Answer]

_ONE_CLICK = ("List-Unsubscribe", "One-Click")


@dataclass(frozen=True, slots=True)
class Reader:
    """The person with the link, and what the link is for. Plain values: an account may be deleted at any moment."""

    claim: ConsentClaim
    #: Empty if the email went to an address that they had before: its reader must not learn the present one.
    email: str
    identity_key: str


@consent.get("/u/<token>")
def look(token: str) -> Answer:
    """Show a page with a button. Looking changes nothing: scanners follow links, too."""
    reader = _unsubscriber(token)
    if reader is None:
        return _useless()
    wish = preferences.of(db.session(), reader.claim.user_id)[reader.claim.category]
    return _shown("web/unsubscribe.html" if wish.wanted else "web/unsubscribed.html", reader, token)


@consent.post("/u/<token>")
def unsubscribe(token: str) -> Answer:
    """Unsubscribe from this category, by the page's button or a mail program's. A second call changes nothing."""
    reader = _unsubscriber(token)
    if reader is None:
        return _useless()
    how = _how()
    if how is None:
        return _shown("web/unsubscribe.html", reader, token, status=400)
    _decide(reader, wanted=False, how=how)
    return _shown("web/unsubscribed.html", reader, token)


csrf.exempt(unsubscribe)  # _how checks the token itself


@consent.post("/u/<token>/undo")
@limited_link
def undo(token: str) -> Answer:
    """Subscribe to this category again, as before."""
    reader = _unsubscriber(token)
    if reader is None or not reader.email:
        return _useless()
    _decide(reader, wanted=True, how=How.undo)
    return _shown("web/subscribed.html", reader, token)


@consent.get("/preferences/<token>")
def choose(token: str) -> Answer:
    """Show this person's preferences as a form."""
    reader = _chooser(token)
    if reader is None:
        return _useless()
    wishes = preferences.of(db.session(), reader.claim.user_id)
    values = {category: wish.wanted for category, wish in wishes.items()} | {DIGEST: wishes[DIGEST].frequency}
    return _shown("web/preferences.html", reader, token, form=_form(formdata=None, data=values))


@consent.post("/preferences/<token>")
@limited_link
def save(token: str) -> Answer:
    """Store the choices and show them."""
    reader = _chooser(token)
    if reader is None:
        return _useless()
    form = _form()
    if not form.stop.data and not form.validate():
        return _shown("web/preferences.html", reader, token, form=form, status=400)
    words = _keep(reader.claim, form)
    db.session.commit()
    flash(words)
    return _no_store(redirect(url_for("consent.choose", token=token), 303))


def _unsubscriber(token: str) -> Reader | None:
    reader = _reader(services().links.signer.read_unsubscribe, token, former=True)
    return reader if reader and reader.claim.category in REFUSABLE else None


def _chooser(token: str) -> Reader | None:
    return _reader(services().links.signer.read_preferences, token)


def _reader(read: Callable[[str], ConsentClaim], token: str, *, former: bool = False) -> Reader | None:
    """Return the person; None if the link is not ours, or its account was deleted or has another address now.

    `former`: the link also works for a while after the address of its account was replaced.
    """
    try:
        claim = read(token)
    except BadToken:
        return None
    user = db.session().get(User, claim.user_id)
    if user is None:
        return None
    if claim.matches(user.identity_key):
        return Reader(claim, user.email, user.identity_key)
    # The token is signed, and keys are never used twice: the address was this person's when the email was sent.
    return Reader(claim, "", "") if former and old_links_work(user, clock.now()) else None


def _how() -> How | None:
    """Return the button that sent this POST; None if it was none of ours."""
    try:
        if request.form.get("csrf_token"):
            validate_csrf(request.form["csrf_token"])
            return How.page
    except ValidationError:
        pass
    name, value = _ONE_CLICK
    return How.one_click if request.form.get(name, "").strip() == value else None


def _decide(reader: Reader, *, wanted: bool, how: How) -> None:
    claim = reader.claim
    preferences.decide(
        db.session(), claim.user_id, claim.category, wanted, how=how, notification_id=claim.notification_id
    )
    db.session.commit()


def _form(**options: Any) -> PreferencesForm:
    return PreferencesForm(services().wording, **options)


def _keep(claim: ConsentClaim, form: PreferencesForm) -> str:
    """Store the form's choices. Return what this person gets from now on, as text."""
    session, mail = db.session(), claim.notification_id
    if form.stop.data:
        preferences.decide_all(session, claim.user_id, False, how=How.page, notification_id=mail)
    else:
        for category in REFUSABLE:
            wanted, often = bool(form[category].data), form.digest.data if category == DIGEST else None
            preferences.decide(session, claim.user_id, category, wanted, often, how=How.page, notification_id=mail)
    return _in_words(preferences.of(session, claim.user_id))


def _in_words(wishes: dict[str, Wish]) -> str:
    often = FREQUENCIES[wishes[DIGEST].frequency or preferences.DEFAULT_FREQUENCY]
    names = services().wording
    wanted = [
        f"{names[category].within} ({often.lower()})" if category == DIGEST else names[category].within
        for category in REFUSABLE
        if wishes[category].wanted
    ]
    if not wanted:
        return "Saved. You'll no longer get any of these emails."
    return f"Saved. You'll get {', '.join(wanted)}."


def _shown(template: str, reader: Reader, token: str, *, status: int = 200, **values: object) -> Answer:
    wording = services().wording
    named = wording.get(reader.claim.category)
    page = render_template(
        template,
        token=token,
        wording=wording,
        name=named.within if named else None,
        email=_masked(reader.email) if reader.email else "",
        preferences_url=_preferences_path(reader) if reader.email else "",
        **values,
    )
    db.session.rollback()
    return _no_store(Response(page, status))


def _preferences_path(reader: Reader) -> str:
    """Return the preferences link of the same email: a person who may unsubscribe may see the preferences, too."""
    claim = reader.claim
    token = services().links.signer.issue_preferences(
        claim.user_id, reader.identity_key, claim.notification_id, claim.issued_at
    )
    return url_for("consent.choose", token=token)


def _masked(email: str) -> str:
    """Mask the address so that its owner recognises it: a forwarded email must not show it to others."""
    local, _, domain = email.rpartition("@")
    return f"{local[0] if len(local) > 1 else ''}•••@{domain}"


def _useless() -> Answer:
    """Return the page of an invalid link, which says nothing about accounts."""
    db.session.rollback()
    return _no_store(Response(render_template("web/link_failed.html"), 404))


def _no_store(answer: WerkzeugResponse) -> WerkzeugResponse:
    """Keep a page whose address holds a token out of all caches."""
    answer.headers["Cache-Control"] = "no-store"
    return answer
