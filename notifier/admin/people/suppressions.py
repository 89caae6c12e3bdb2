"""Suppressions: addresses that must not get email, and how they leave the list."""

from flask import current_app, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.exceptions import Forbidden

from notifier.admin.kit import arguments, login, traces
from notifier.admin.kit.exports import stream
from notifier.admin.kit.listing import by_key
from notifier.admin.kit.page import Page, act, get, show
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.mail.addresses import Address, AddressError, parse_address
from notifier.models import Role, Suppression, SuppressionReason
from notifier.operators import audit_log
from notifier.operators.audit_log import About

_COLUMNS = {
    "id": Suppression.id,
    "address": Suppression.identity_key,
    "reason": Suppression.reason,
    "source": Suppression.source,
    "evidence": Suppression.evidence,
    "since": Suppression.created_at,
    "until": Suppression.until,
    "code": Suppression.code,
    "enhanced code": Suppression.enhanced,
    "reply": Suppression.reply,
    "rule version": Suppression.rule_version,
}


class Suppressions(Page):
    """The list that every email is checked against right before it is sent."""

    title = "Suppressions"
    section = "Find"
    slug = "suppressions"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the newest suppressions, or the one of this address."""
        return self._list(arguments.text("email"))

    @show("/export.csv", Role.editor)
    def export(self) -> ResponseReturnValue:
        """Export all suppressions."""
        return stream("suppressions", select(Suppression), Suppression.id, _COLUMNS)

    @act("/add", Role.editor)
    def add(self) -> ResponseReturnValue:
        """Suppress an address."""
        (email, wrong), (note, note_wrong) = arguments.typed("email", 1000), arguments.typed("note", 300)
        try:
            address = _parse(email)
        except AddressError as error:
            return self._list("", added=email, note=note, wrong=wrong or str(error), note_wrong=note_wrong), 400
        if note_wrong or not note:
            note_wrong = note_wrong or "Enter a reason for your colleagues."
            return self._list("", added=email, note=note, note_wrong=note_wrong), 400
        new = suppress(address.identity_key, note)
        db.session.commit()
        flash(f"{email} receives no email from now on." if new else f"{email} was already suppressed.", "success")
        return redirect(url_for(".index", email=address.envelope), 303)

    @show("/<key:pk>/lift", Role.editor)
    def ask_lift(self, pk: int) -> ResponseReturnValue:
        """Explain the removal and ask for confirmation."""
        row = _liftable(pk)
        _trace(row)
        page: str = self.render("admin/lift.html", row=row, back=_back_to(arguments.key("for")), **_asked(row))
        return page

    @act("/<key:pk>/lift", Role.editor)
    def lift(self, pk: int) -> ResponseReturnValue:
        """Remove the suppression; a note says why."""
        row = _liftable(pk)
        note, wrong = arguments.typed("note", 300)
        wrong = wrong or ("" if note else "Enter a reason for the removal.")
        typed = arguments.typed("confirmed", 1000)[0]
        confirmed = not asks_to_type(row) or typed.lower() == to_type(row).lower()
        if wrong or not confirmed:
            _trace(row)
            unconfirmed = "" if confirmed else "This doesn't match. Nothing was removed."
            asked = _asked(row, note, wrong, typed, unconfirmed)
            return self.render("admin/lift.html", row=row, back=_back_to(_given_person()), **asked), 400
        audit_log.record(
            db.session(), login.actor(), "suppression.lifted", object_type="suppression", object_id=pk,
            about=_about(row), before={"reason": row.reason, "source": row.source}, after={"note": note},
        )  # fmt: skip
        suppressions.lift(db.session(), row)
        db.session.commit()
        flash("Suppression removed. The address can receive email again.", "success")
        return redirect(_back_to(_given_person()) or url_for(".index"), 303)

    def _list(self, email: str, *, added: str = "", note: str = "", wrong: str = "", note_wrong: str = "") -> str:
        query, not_found = select(Suppression), ""
        if email:
            try:
                query = query.where(Suppression.identity_key == _parse(email).identity_key)
            except AddressError as error:
                query, not_found = query.where(Suppression.id < 0), str(error)
        listing = by_key(query, Suppression.id)
        traces.shown("suppressions", sum(_about(row) is not None for row in listing.rows))
        page: str = self.render(
            "admin/suppressions.html", email=email, not_found=not_found, added=added, note=note, wrong=wrong,
            note_wrong=note_wrong, listing=listing, may_lift=may_lift,
        )  # fmt: skip
        return page


def suppress(identity_key: str, note: str) -> bool:
    """Suppress an address, with an entry in the audit log. Return False if it already is. The caller commits."""
    reason = SuppressionReason.manual
    is_new = suppressions.add(db.session(), identity_key, reason=reason, source="operator", evidence=note)
    if is_new:
        audit_log.record(
            db.session(), login.actor(), "suppression.added", object_type="suppression",
            object_id=_pk(identity_key), about=traces.about(identity_key),
            after={"reason": str(reason), "note": note},
        )  # fmt: skip
    return is_new


class NotForEditors(Forbidden):
    """The suppression of a complaint, which only an admin may remove.

    This person said that they do not want our email.
    """

    for_people = (
        "This address reported our email as spam, so only an admin can remove its suppression. Ask one, and say why."
    )


def may_lift(row: Suppression) -> bool:
    """Return whether this operator may remove the suppression."""
    return login.may(Role.admin if row.reason == SuppressionReason.complaint else Role.editor)


def asks_to_type(row: Suppression) -> bool:
    """Return whether the removal must be typed: this person said that they do not want our email."""
    return row.reason == SuppressionReason.complaint


def to_type(row: Suppression) -> str:
    """Return what must be typed: the address, as far as it is known."""
    return "erased" if row.identity_key.startswith(suppressions.CONCEALED) else row.identity_key


def _asked(
    row: Suppression, note: str = "", wrong: str = "", confirmed: str = "", unconfirmed: str = ""
) -> dict[str, object]:
    """Return what the question shows, and what was typed into it before."""
    return {
        "asks_to_type": asks_to_type(row), "to_type": to_type(row), "note": note, "wrong": wrong,
        "confirmed": confirmed, "unconfirmed": unconfirmed,
    }  # fmt: skip


def _given_person() -> int | None:
    """Return the person from whose page the form was opened."""
    given = arguments.field("for", 20)
    return int(given) if given.isascii() and given.isdecimal() and int(given) <= arguments.MAX_KEY else None


def _back_to(person: int | None) -> str:
    """Return the page of the person from which the form was opened; empty for the list."""
    return "" if person is None else url_for("admin_people.person", pk=person)


def _liftable(pk: int) -> Suppression:
    row: Suppression = get(Suppression, pk)
    if not may_lift(row):
        raise NotForEditors
    return row


def _about(row: Suppression) -> About | None:
    return None if row.identity_key.startswith(suppressions.CONCEALED) else traces.about(row.identity_key)


def _trace(row: Suppression) -> None:
    person = _about(row)
    traces.shown("suppression", int(person is not None), pk=row.id, person=person)


def _parse(email: str) -> Address:
    return parse_address(email, **current_app.config["ADDRESSES"])


def _pk(identity_key: str) -> int:
    found = suppressions.find(db.session(), identity_key)
    return found.id if found else 0
