"""People: who gets email, what they got, their preferences, and how to export and erase them."""

import json

from flask import Response, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier.accounts import erasure
from notifier.admin.campaigns import summary
from notifier.admin.kit import arguments, came_back, login, traces
from notifier.admin.kit.exports import stream
from notifier.admin.kit.listing import by_key
from notifier.admin.kit.page import act, found, show
from notifier.admin.people.acting import PersonActions
from notifier.admin.people.listed import beside
from notifier.admin.people.person import person_of, trace, written
from notifier.admin.people.suppressions import may_lift
from notifier.admin.people.verifying import cannot_verify, may_correct
from notifier.consent import preferences, suppressions
from notifier.database.transaction import writing
from notifier.explain.person_export import export_person
from notifier.extensions import db
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import Consent, Notification, Role, User
from notifier.operators import audit_log
from notifier.services import services

#: Forms of a person's export, with their types.
_FORMS = {"json": "application/json", "html": "text/html"}

_COLUMNS = {
    "id": User.id,
    "email": User.email,
    "name": User.display_name,
    "verified": User.verified_at,
    "locale": User.locale,
    "time zone": User.timezone,
    "since": User.created_at,
}


class People(PersonActions):
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
        user = person_of(pk)
        trace(user)
        consents = select(Consent).where(Consent.user_id == pk).order_by(Consent.id.desc()).limit(20)
        suppression = suppressions.find(db.session(), user.identity_key)
        listing = by_key(select(Notification).where(Notification.user_id == pk), Notification.id)
        page: str = self.render(
            "admin/person.html",
            user=user,
            wording=services().wording,
            wishes=preferences.of(db.session(), pk),
            consents=db.session.scalars(consents).all(),
            suppression=suppression,
            may_correct=may_correct(),
            cannot_verify=cannot_verify(user),
            may_lift=suppression is not None and may_lift(suppression),
            came_back=came_back.of_person(user.identity_key),
            listing=listing,
            **beside(listing.rows),
            **summary.of_person(db.session(), pk),
        )
        return page

    @show("/<key:pk>/export.<form>", Role.editor)
    def export_one(self, pk: int, form: str) -> ResponseReturnValue:
        """Export all that is stored about one person, as JSON for programs or as a page for people."""
        found(_FORMS.get(form))
        person_of(pk)
        with writing(db.session) as session:
            document = export_person(session, person_of(pk), keys=traces.keys(), by=login.actor(), form=form)
        if form == "json":
            text = json.dumps(document, indent=2, ensure_ascii=False)
        else:
            names = {"product": services().settings.product, "wording": services().wording}
            text = render_template("export/person.html", document=document, **names)
        answer = Response(text, mimetype=_FORMS[form])
        answer.headers["Content-Disposition"] = f'attachment; filename="person-{pk}.{form}"'
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @show("/<key:pk>/erase", Role.admin)
    def ask_erase(self, pk: int) -> ResponseReturnValue:
        """Explain the erasure and ask for confirmation."""
        user = person_of(pk)
        trace(user)
        page: str = self.render("admin/erase.html", user=user)
        return page

    @act("/<key:pk>/erase", Role.admin)
    def erase(self, pk: int) -> ResponseReturnValue:
        """Erase the person permanently, if the address was typed once more."""
        user = person_of(pk)
        reference, reference_wrong = arguments.typed("reference", erasure.REFERENCE_LIMIT)
        if not reference_wrong and "@" in reference:
            reference_wrong = "Enter a number, such as a ticket's: the receipt must name no person."
        wrong = ""
        if arguments.typed("email", 1000)[0].lower() != user.label.lower():
            wrong = "The address doesn't match this person. Nothing was erased."
        if wrong or reference_wrong:
            trace(user)
            typed = {"wrong": wrong, "reference": reference, "reference_wrong": reference_wrong}
            return self.render("admin/erase.html", user=user, **typed), 400
        try:
            erasure.erase(db.session(), user, keys=traces.keys(), by=login.actor(), reference=reference)
        except erasure.ErasureError as error:
            db.session.rollback()
            flash(str(error), "error")
            return redirect(url_for(".person", pk=pk), 303)
        db.session.commit()
        flash("Person erased. Their emails stay in the ledger without an address.", "success")
        return redirect(url_for(".receipt", pk=pk), 303)

    @show("/<key:pk>/erased")
    def receipt(self, pk: int) -> ResponseReturnValue:
        """Show the receipt of an erasure: what was erased, when and by whom."""
        entry = audit_log.erasure_of(db.session(), pk)
        if entry is None:
            return redirect(url_for(".person", pk=person_of(pk).id))
        by = audit_log.addresses_of(db.session(), [entry]).get(entry.operator_id or 0, entry.actor)
        page: str = self.render("admin/receipt.html", pk=pk, entry=entry, by=by, erased=entry.after)
        return page

    @show("/<key:pk>/erased.txt")
    def receipt_file(self, pk: int) -> ResponseReturnValue:
        """Return the receipt as a file, which names its operator by number alone."""
        entry = audit_log.erasure_of(db.session(), pk)
        if entry is None:
            return redirect(url_for(".person", pk=person_of(pk).id))
        text = render_template("export/receipt.txt", pk=pk, entry=entry, erased=entry.after)
        answer = Response(text, mimetype="text/plain")
        answer.headers["Content-Disposition"] = f'attachment; filename="erasure-{entry.id}.txt"'
        return answer


def _unknown(identity_key: str) -> str:
    erased_at = audit_log.erased_at(db.session(), identity_key, traces.keys())
    if erased_at is None:
        return "No account has this address. Check it for typos."
    return f"No account has this address. It was erased on {written(erased_at)}."
