"""People: who gets mail, what they got, what they want, and how they go."""

from flask import current_app, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier import erasure, preferences, suppressions
from notifier.addresses import AddressError, parse_address
from notifier.admin import arguments, campaign_notes, login
from notifier.admin.exports import stream
from notifier.admin.guard import Page, act, get, show
from notifier.admin.listing import by_key
from notifier.config import Settings
from notifier.extensions import db
from notifier.models import Consent, Notification, Role, User

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
    """Accounts, found by their whole address."""

    title = "People"
    section = "Find"
    slug = "people"

    @show()
    def index(self) -> ResponseReturnValue:
        """The newest; or straight to the one with this address."""
        email, wrong = arguments.text("email"), ""
        if email:
            try:
                key = parse_address(email, allow_smtputf8=current_app.config["MAIL_SMTPUTF8"]).identity_key
            except AddressError as error:
                wrong = str(error)
            else:
                found = db.session.scalar(select(User.id).where(User.identity_key == key))
                if found is not None:
                    return redirect(url_for(".person", pk=found))
                wrong = "Nobody has this address. Look for typing mistakes."
        page: str = self.render("admin/people.html", email=email, wrong=wrong, listing=by_key(select(User), User.id))
        return page

    @show("/export.csv", Role.editor)
    def export(self) -> ResponseReturnValue:
        """Everybody."""
        return stream("people", select(User), User.id, _COLUMNS)

    @show("/<key:pk>/")
    def person(self, pk: int) -> ResponseReturnValue:
        """One person."""
        user: User = get(User, pk)
        consents = select(Consent).where(Consent.user_id == pk).order_by(Consent.id.desc()).limit(20)
        page: str = self.render(
            "admin/person.html",
            user=user,
            wishes=preferences.of(db.session(), pk),
            consents=db.session.scalars(consents).all(),
            suppression=suppressions.find(db.session(), user.identity_key),
            listing=by_key(select(Notification).where(Notification.user_id == pk), Notification.id),
            **campaign_notes.of_person(db.session(), pk),
        )
        return page

    @show("/<key:pk>/erase", Role.admin)
    def ask_erase(self, pk: int) -> ResponseReturnValue:
        """What erasing means."""
        page: str = self.render("admin/erase.html", user=get(User, pk), wrong="")
        return page

    @act("/<key:pk>/erase", Role.admin)
    def erase(self, pk: int) -> ResponseReturnValue:
        """For good, so the address is typed once more."""
        user: User = get(User, pk)
        if arguments.typed("email", 1000)[0].lower() != user.email.lower():
            wrong = "This is not the address of this person. Nothing was erased."
            return self.render("admin/erase.html", user=user, wrong=wrong), 400
        settings: Settings = current_app.extensions["notifier.settings"]
        try:
            erasure.erase(db.session(), user, keys=settings.secret_keys, by=login.actor())
        except erasure.ErasureError as error:
            db.session.rollback()
            flash(str(error), "error")
            return redirect(url_for(".person", pk=pk), 303)
        db.session.commit()
        flash("The person is erased. Their mails stay in the ledger without an address.", "success")
        return redirect(url_for(".index"), 303)
