"""Suppressions: addresses that must not be mailed, and how they come off the list."""

from flask import current_app, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier import audit_log, suppressions
from notifier.addresses import Address, AddressError, parse_address
from notifier.admin import arguments, login
from notifier.admin.exports import stream
from notifier.admin.guard import Page, act, get, show
from notifier.admin.listing import by_key
from notifier.extensions import db
from notifier.models import Role, Suppression, SuppressionReason

_COLUMNS = {
    "id": Suppression.id,
    "address": Suppression.identity_key,
    "reason": Suppression.reason,
    "source": Suppression.source,
    "evidence": Suppression.evidence,
    "since": Suppression.created_at,
}


class Suppressions(Page):
    """The list that every mail is held against right before it is sent."""

    title = "Suppressions"
    section = "Find"
    slug = "suppressions"

    @show()
    def index(self) -> ResponseReturnValue:
        """The newest; or the one of this address."""
        return self._list(arguments.text("email"))

    @show("/export.csv", Role.editor)
    def export(self) -> ResponseReturnValue:
        """All of them."""
        return stream("suppressions", select(Suppression), Suppression.id, _COLUMNS)

    @act("/add", Role.editor)
    def add(self) -> ResponseReturnValue:
        """Mail this address no more."""
        (email, wrong), (note, note_wrong) = arguments.typed("email", 1000), arguments.typed("note", 300)
        try:
            address = _parse(email)
        except AddressError as error:
            return self._list("", added=email, note=note, wrong=wrong or str(error), note_wrong=note_wrong), 400
        if note_wrong or not note:
            note_wrong = note_wrong or "Say why, for those who come after you."
            return self._list("", added=email, note=note, note_wrong=note_wrong), 400
        new = suppressions.add(
            db.session(), address.identity_key, reason=SuppressionReason.manual, source="operator", evidence=note
        )
        if new:
            audit_log.record(
                db.session(), login.actor(), "suppression.added", object_type="suppression",
                object_id=_pk(address.identity_key), after={"reason": str(SuppressionReason.manual), "note": note},
            )  # fmt: skip
        db.session.commit()
        flash(f"{email} gets no mail from now on." if new else f"{email} was suppressed already.", "success")
        return redirect(url_for(".index", email=address.envelope), 303)

    @show("/<key:pk>/lift", Role.editor)
    def ask_lift(self, pk: int) -> ResponseReturnValue:
        """What lifting means."""
        page: str = self.render("admin/lift.html", row=get(Suppression, pk), wrong="", note="")
        return page

    @act("/<key:pk>/lift", Role.editor)
    def lift(self, pk: int) -> ResponseReturnValue:
        """Mail it again; the note says why."""
        row: Suppression = get(Suppression, pk)
        note, wrong = arguments.typed("note", 300)
        if wrong or not note:
            return self.render("admin/lift.html", row=row, wrong=wrong or "Say why it is lifted.", note=note), 400
        audit_log.record(
            db.session(), login.actor(), "suppression.lifted", object_type="suppression", object_id=pk,
            before={"reason": row.reason, "source": row.source}, after={"note": note},
        )  # fmt: skip
        suppressions.lift(db.session(), row)
        db.session.commit()
        flash("The suppression is lifted. The address gets mail again from now on.", "success")
        return redirect(url_for(".index"), 303)

    def _list(self, email: str, *, added: str = "", note: str = "", wrong: str = "", note_wrong: str = "") -> str:
        query, not_found = select(Suppression), ""
        if email:
            try:
                query = query.where(Suppression.identity_key == _parse(email).identity_key)
            except AddressError as error:
                query, not_found = query.where(Suppression.id < 0), str(error)
        page: str = self.render(
            "admin/suppressions.html", email=email, not_found=not_found, added=added, note=note, wrong=wrong,
            note_wrong=note_wrong, listing=by_key(query, Suppression.id),
        )  # fmt: skip
        return page


def _parse(email: str) -> Address:
    return parse_address(email, allow_smtputf8=current_app.config["MAIL_SMTPUTF8"])


def _pk(identity_key: str) -> int:
    found = suppressions.find(db.session(), identity_key)
    return found.id if found else 0
