"""What an operator does for one person: the link again, the address, the preferences, the suppression."""

from collections.abc import Mapping

from flask import current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from notifier.admin.kit import arguments, login, traces
from notifier.admin.kit.page import Page, act, show
from notifier.admin.people.choices import Choice, choices_of, decide
from notifier.admin.people.person import person_of, trace
from notifier.admin.people.suppressions import suppress
from notifier.admin.people.verifying import cannot_verify, may_correct, send_verification
from notifier.consent.preferences import REFUSABLE
from notifier.entries import correcting
from notifier.entries.correcting import CorrectionRefused
from notifier.extensions import db
from notifier.mail.addresses import Address, AddressError, parse_address
from notifier.models import Role, Status, User
from notifier.operators import audit_log
from notifier.services import services

#: Characters of a note.
NOTE_LIMIT = 300

_NO_NOTE = "Enter a reason for your colleagues."


class PersonActions(Page):
    """The forms behind the buttons of a person's page, as a part of the page of people."""

    @act("/<key:pk>/verification")
    def verification(self, pk: int) -> ResponseReturnValue:
        """Send the verification email again."""
        user = person_of(pk)
        wrong = cannot_verify(user)
        if wrong:
            return _back(pk, wrong, "error")
        row = send_verification(user)
        if row is None:
            db.session.rollback()
            return _back(pk, "A verification email was queued a moment ago. Wait two minutes.", "warning")
        _record(user, "person.verification_resent", after={"notification": row.id, "status": row.status})
        db.session.commit()
        if row.status != Status.pending:
            return _back(pk, f"The email was not sent: {row.reason}.", "warning")
        return _back(pk, Markup("Verification email queued: {}.").format(_link(row.id)))

    @show("/<key:pk>/address", Role.editor)
    def ask_address(self, pk: int) -> ResponseReturnValue:
        """Show the form for another address."""
        return self._address(person_of(pk))

    @act("/<key:pk>/address")
    def address(self, pk: int) -> ResponseReturnValue:
        """Correct the address, and send the verification email there if the form asks for it."""
        user = person_of(pk)
        (email, wrong), (note, note_wrong) = arguments.typed("email", 1000), _note()
        if not may_correct():
            return _back(pk, "The application decides about this address. Correct it there.", "error")
        try:
            address = _parse(email) if not wrong else None
            if address is not None and not note_wrong:
                _correct(user, address, note)
        except (AddressError, CorrectionRefused) as error:
            db.session.rollback()
            wrong = str(error)
        if wrong or note_wrong:
            return self._address(person_of(pk), email, wrong, note, note_wrong), 400
        row = send_verification(user) if request.form.get("send") and not cannot_verify(user) else None
        db.session.commit()
        said = "Address corrected." if row is None else f"Address corrected, and verification email #{row.id} queued."
        return _back(pk, said)

    @show("/<key:pk>/preferences", Role.editor)
    def ask_preferences(self, pk: int) -> ResponseReturnValue:
        """Show the form for preferences."""
        return self._preferences(person_of(pk))

    @act("/<key:pk>/preferences")
    def preferences(self, pk: int) -> ResponseReturnValue:
        """Store what the person asked for, with the operator and the note as evidence."""
        user = person_of(pk)
        note, note_wrong = _note("Enter how and when the person asked for it.")
        asked = {category: request.form.get(category, "") for category in REFUSABLE}
        choices = choices_of(user, asked)
        if not all(choice.is_valid for choice in choices):
            raise arguments.BadArgument("The form contains an invalid choice. Reload the page and try again.")
        changed = [choice for choice in choices if choice.has_changed]
        if note_wrong or not changed:
            wrong = note_wrong or "Nothing is different. Change a preference, or go back."
            return self._preferences(user, choices, note, wrong), 400
        decide(user, changed, by=login.actor(), note=note)
        before = {each.category: each.stored for each in changed}
        after = {each.category: each.chosen for each in changed}
        _record(user, "preferences.changed", before=before, after=after | {"note": note})
        db.session.commit()
        return _back(pk, "Preferences changed.")

    @show("/<key:pk>/suppress", Role.editor)
    def ask_suppress(self, pk: int) -> ResponseReturnValue:
        """Explain the suppression and ask for a reason."""
        return self._suppress(person_of(pk))

    @act("/<key:pk>/suppress")
    def suppress(self, pk: int) -> ResponseReturnValue:
        """Suppress the address of this person."""
        user = person_of(pk)
        note, wrong = _note()
        if wrong or not user.identity_key:
            return self._suppress(user, note, wrong or "This person has no address."), 400
        is_new = suppress(user.identity_key, note)
        db.session.commit()
        return _back(pk, "This address receives no email from now on." if is_new else "It was suppressed already.")

    def _address(self, user: User, email: str = "", wrong: str = "", note: str = "", note_wrong: str = "") -> str:
        trace(user)
        page: str = self.render(
            "admin/person_address.html", user=user, email=email, wrong=wrong, note=note, note_wrong=note_wrong,
            may_correct=may_correct(), may_verify=user.external_id is None or user.confirms_here,
        )  # fmt: skip
        return page

    def _preferences(self, user: User, choices: list[Choice] | None = None, note: str = "", wrong: str = "") -> str:
        trace(user)
        page: str = self.render(
            "admin/person_preferences.html", user=user, choices=choices or choices_of(user), note=note, wrong=wrong
        )
        return page

    def _suppress(self, user: User, note: str = "", wrong: str = "") -> str:
        trace(user)
        page: str = self.render("admin/person_suppress.html", user=user, note=note, wrong=wrong)
        return page


def _correct(user: User, address: Address, note: str) -> None:
    correcting.correct(
        db.session(), user, address, sending=services().sending, keys=traces.keys(), by=login.actor(), note=note,
        allow_local=current_app.config["ADDRESSES"]["allow_local"],
    )  # fmt: skip


def _note(missing: str = _NO_NOTE) -> tuple[str, str]:
    note, wrong = arguments.typed("note", NOTE_LIMIT)
    return note, wrong or ("" if note else missing)


def _parse(email: str) -> Address:
    return parse_address(email, **current_app.config["ADDRESSES"])


def _record(
    user: User, action: str, *, before: Mapping[str, object] | None = None, after: Mapping[str, object]
) -> None:
    about = traces.about(user.identity_key) if user.identity_key else None
    audit_log.record(
        db.session(), login.actor(), action, object_type="person", object_id=user.id, about=about,
        before=before, after=after,
    )  # fmt: skip


def _link(pk: int) -> Markup:
    return Markup('<a href="{}">#{}</a>').format(url_for("admin_notifications.detail", pk=pk), pk)


def _back(pk: int, said: str, kind: str = "success") -> ResponseReturnValue:
    flash(said, kind)
    return redirect(url_for(".person", pk=pk), 303)
