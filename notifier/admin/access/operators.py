"""The operators: who may sign in, with which role; invitations and resets. For admins."""

from collections.abc import Callable

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from notifier import clock
from notifier.admin.access import sign_in_limits
from notifier.admin.kit import arguments, login
from notifier.admin.kit.page import Page, act, get, show
from notifier.extensions import db
from notifier.mail.addresses import AddressError
from notifier.models import LinkPurpose, Operator, OperatorLink, Role
from notifier.operators import links, roster
from notifier.operators.roster import OperatorError
from notifier.services import services


class Operators(Page):
    """People who may sign in to the admin."""

    title = "Operators"
    section = "System"
    slug = "operators"

    @show(role=Role.admin)
    def index(self) -> ResponseReturnValue:
        """Show all operators, and the form for an invitation."""
        return self._list("", Role.viewer.value, "")

    @act("/invite", Role.admin)
    @sign_in_limits.limited(sign_in_limits.sending_limits)
    def invite(self) -> ResponseReturnValue:
        """Add an operator, and send them the link to choose a password."""
        (email, wrong), role = arguments.typed("email", 320), _role()
        if not wrong:
            try:
                made = services().operator_emails.invite(db.session(), email=email, role=role, by=login.actor())
            except (OperatorError, AddressError) as error:
                wrong = _sentence(error)
            else:
                words = f"{made.email} gets an invitation as {made.role}. The link works once, for 3 days."
                db.session.commit()
                flash(words, "success")
                return redirect(url_for(".index"), 303)
        db.session.rollback()
        return self._list(email, role.value, wrong), 400

    @show("/<key:pk>", Role.admin)
    def one(self, pk: int) -> ResponseReturnValue:
        """Show one operator, and what can be done."""
        row = get(Operator, pk)
        link = links.open_links(db.session(), clock.now()).get(row.id)
        page: str = self.render("admin/operator.html", row=row, state=_state(row, link), link=link, roles=list(Role))
        return page

    @act("/<key:pk>/role", Role.admin)
    def role(self, pk: int) -> ResponseReturnValue:
        """Change the role; open sessions end."""
        role = _role()

        def change(row: Operator) -> str:
            roster.set_role(db.session(), row, role, by=login.actor())
            return f"{row.email} has the role {role} now, and must sign in again."

        return self._change(pk, change)

    @show("/<key:pk>/disable", Role.admin)
    def ask_disable(self, pk: int) -> ResponseReturnValue:
        """Explain what disabling means, and ask for confirmation."""
        page: str = self.render("admin/operator_disable.html", row=get(Operator, pk))
        return page

    @act("/<key:pk>/disable", Role.admin)
    def disable(self, pk: int) -> ResponseReturnValue:
        """End all sessions, and let the operator in no more."""

        def change(row: Operator) -> str:
            roster.set_active(db.session(), row, False, by=login.actor())
            return f"{row.email} can no longer sign in."

        return self._change(pk, change)

    @act("/<key:pk>/enable", Role.admin)
    def enable(self, pk: int) -> ResponseReturnValue:
        """Let the operator in again."""

        def change(row: Operator) -> str:
            roster.set_active(db.session(), row, True, by=login.actor())
            return f"{row.email} may sign in again."

        return self._change(pk, change)

    @act("/<key:pk>/invitation", Role.admin)
    @sign_in_limits.limited(sign_in_limits.sending_limits)
    def invite_again(self, pk: int) -> ResponseReturnValue:
        """Send a new invitation; the link of the earlier one no longer works."""
        return self._send(pk, LinkPurpose.invitation)

    @act("/<key:pk>/invitation/revoke", Role.admin)
    def revoke(self, pk: int) -> ResponseReturnValue:
        """Delete an operator who has not accepted the invitation."""

        def change(row: Operator) -> str:
            roster.withdraw(db.session(), row, by=login.actor())
            return f"The invitation of {row.email} was revoked. Its link no longer works."

        return self._change(pk, change, back="")

    @act("/<key:pk>/password-link", Role.admin)
    @sign_in_limits.limited(sign_in_limits.sending_limits)
    def send_password_link(self, pk: int) -> ResponseReturnValue:
        """Send a link to choose another password."""
        return self._send(pk, LinkPurpose.password)

    @act("/<key:pk>/second-factor-link", Role.admin)
    @sign_in_limits.limited(sign_in_limits.sending_limits)
    def send_second_factor_link(self, pk: int) -> ResponseReturnValue:
        """Send a link to turn the second factor off."""
        return self._send(pk, LinkPurpose.second_factor)

    def _send(self, pk: int, purpose: LinkPurpose) -> ResponseReturnValue:
        def change(row: Operator) -> str:
            services().operator_emails.send(db.session(), row, purpose, by=login.actor())
            return f"{row.email} gets an email with a new link. Earlier links no longer work."

        return self._change(pk, change)

    def _change(self, pk: int, change: Callable[[Operator], str], *, back: str | None = None) -> ResponseReturnValue:
        """Change an operator and commit, or show why not. `back`: "" for the list, if the operator is gone."""
        row = get(Operator, pk)
        try:
            words = change(row)
        except OperatorError as error:
            db.session.rollback()
            flash(f"Nothing was changed: {error}.", "error")
            return redirect(url_for(".one", pk=pk), 303)
        db.session.commit()
        flash(words, "success")
        return redirect(url_for(".index") if back == "" else url_for(".one", pk=pk), 303)

    def _list(self, email: str, role: str, wrong: str) -> str:
        open_links = links.open_links(db.session(), clock.now())
        rows = [(row, _state(row, open_links.get(row.id))) for row in roster.everyone(db.session())]
        page: str = self.render(
            "admin/operators.html", rows=rows, email=email, role=role, wrong=wrong, roles=list(Role)
        )
        return page


def _role() -> Role:
    """Return the role of the form. Raise BadRequest: our forms offer no other ones."""
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        raise BadRequest from None


def _state(row: Operator, link: OperatorLink | None) -> str:
    if not row.active:
        return "disabled"
    if row.invited:
        return "invited" if link is not None else "expired"
    return "active"


def _sentence(error: Exception) -> str:
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}."
