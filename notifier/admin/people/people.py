"""People: who gets email, what they got, their preferences, and how to erase them."""

from datetime import UTC, datetime

from flask import current_app, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from notifier.accounts import erasure
from notifier.admin.campaigns import summary
from notifier.admin.kit import arguments, came_back, login, traces
from notifier.admin.kit.exports import stream
from notifier.admin.kit.listing import by_key
from notifier.admin.kit.page import Page, act, show
from notifier.admin.people.suppressions import may_lift
from notifier.consent import preferences, suppressions
from notifier.extensions import db
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import Consent, Notification, Role, User
from notifier.operators import audit_log

_COLUMNS = {
    "id": User.id,
    "email": User.email,
    "name": User.display_name,
    "verified": User.verified_at,
    "locale": User.locale,
    "time zone": User.timezone,
    "since": User.created_at,
}


class People(Page):
    """Accounts, found by their complete address."""

    title = "People"
    section = "Find"
    slug = "people"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the newest accounts, or redirect to the one with this address."""
        email, wrong = arguments.text("email"), ""
        if email:
            try:
                key = parse_address(email, **current_app.config["ADDRESSES"]).identity_key
            except AddressError as error:
                wrong = str(error)
            else:
                found = db.session.scalar(select(User.id).where(User.identity_key == key))
                if found is not None:
                    return redirect(url_for(".person", pk=found))
                wrong = _unknown(key)
        listing = by_key(select(User).where(User.is_person()), User.id)
        traces.shown("people", len(listing.rows))
        page: str = self.render("admin/people.html", email=email, wrong=wrong, listing=listing)
        return page

    @show("/export.csv", Role.editor)
    def export(self) -> ResponseReturnValue:
        """Export all accounts."""
        return stream("people", select(User).where(User.is_person()), User.id, _COLUMNS)

    @show("/<key:pk>/")
    def person(self, pk: int) -> ResponseReturnValue:
        """Show one person."""
        user = _person(pk)
        _trace(user)
        consents = select(Consent).where(Consent.user_id == pk).order_by(Consent.id.desc()).limit(20)
        suppression = suppressions.find(db.session(), user.identity_key)
        listing = by_key(select(Notification).where(Notification.user_id == pk), Notification.id)
        page: str = self.render(
            "admin/person.html",
            user=user,
            wishes=preferences.of(db.session(), pk),
            consents=db.session.scalars(consents).all(),
            suppression=suppression,
            may_lift=suppression is not None and may_lift(suppression),
            came_back=came_back.of_person(user.identity_key),
            listing=listing,
            results=came_back.results(listing.rows),
            **summary.of_person(db.session(), pk),
        )
        return page

    @show("/<key:pk>/erase", Role.admin)
    def ask_erase(self, pk: int) -> ResponseReturnValue:
        """Explain the erasure and ask for confirmation."""
        user = _person(pk)
        _trace(user)
        page: str = self.render("admin/erase.html", user=user, wrong="")
        return page

    @act("/<key:pk>/erase", Role.admin)
    def erase(self, pk: int) -> ResponseReturnValue:
        """Erase the person permanently, if the address was typed once more."""
        user = _person(pk)
        if arguments.typed("email", 1000)[0].lower() != user.label.lower():
            wrong = "The address doesn't match this person. Nothing was erased."
            _trace(user)
            return self.render("admin/erase.html", user=user, wrong=wrong), 400
        try:
            erasure.erase(db.session(), user, keys=traces.keys(), by=login.actor())
        except erasure.ErasureError as error:
            db.session.rollback()
            flash(str(error), "error")
            return redirect(url_for(".person", pk=pk), 303)
        db.session.commit()
        flash("Person erased. Their emails stay in the ledger without an address.", "success")
        return redirect(url_for(".index"), 303)


def _person(pk: int) -> User:
    """Return the person with this key; answer 404 if there is none, with the time of the erasure if there was one."""
    user = db.session.get(User, pk)
    if user is None or user.erased_at is not None:
        raise NotHere(user.erased_at if user else audit_log.erased_at_by_id(db.session(), pk))
    return user


class NotHere(NotFound):
    """The person does not exist, or was erased."""

    def __init__(self, erased_at: datetime | None) -> None:
        super().__init__()
        if erased_at is not None:
            self.for_people = f"This person was erased on {_written(erased_at)}. Nothing about them is kept."


def _unknown(identity_key: str) -> str:
    erased_at = audit_log.erased_at(db.session(), identity_key, traces.keys())
    if erased_at is None:
        return "No account has this address. Check it for typos."
    return f"No account has this address. It was erased on {_written(erased_at)}."


def _written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%d %b %Y at %H:%M} UTC"


def _trace(user: User) -> None:
    traces.shown("person", 1, pk=user.id, person=traces.about(user.identity_key))
