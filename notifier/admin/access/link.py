"""The pages of links that operators get by email: choose a password, or turn the second factor off.

A GET changes nothing, so a scanner of links uses none up. One page answers for links that are unknown, used, replaced
or too old.
"""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from notifier import clock
from notifier.admin.access import sign_in_limits
from notifier.admin.kit import arguments, login
from notifier.extensions import db
from notifier.models import LinkPurpose, Operator
from notifier.operators import audit_log, links, roster
from notifier.operators.roster import OperatorError
from notifier.security import clients

link = Blueprint("operator_link", __name__, url_prefix="/admin")

WRONG_PASSWORD = "Wrong password. Nothing was changed."


@link.get("/join/<token>")
def form(token: str) -> ResponseReturnValue:
    """Show the form of this link."""
    found = links.find(db.session(), token, now=clock.now())
    return _dead() if found is None else _form(token, *found)


@link.post("/join/<token>")
@sign_in_limits.limited(sign_in_limits.link_limits)
def use(token: str) -> ResponseReturnValue:
    """Use the link once, and lead to the sign-in."""
    found = links.find(db.session(), token, now=clock.now())
    if found is None:
        return _dead()
    operator, purpose = found
    typed = arguments.password("password")
    by = audit_log.operator(operator, clients.address())
    if purpose is LinkPurpose.second_factor:
        if not roster.check_password(operator, typed):
            return _wrong_password(token, operator, purpose)
        done = links.turn_off_second_factor(db.session(), token, by=by, now=clock.now())
        message = "Your second factor is off. Sign in, and set up a new one."
    else:
        try:
            done = links.choose_password(db.session(), token, typed, by=by, now=clock.now())
        except OperatorError as error:
            words = str(error)
            return _form(token, operator, purpose, f"{words[:1].upper()}{words[1:]}."), 400
        message = "Your password is set. Sign in with it."
    if not done:
        db.session.rollback()
        return _dead()
    db.session.commit()
    # A browser that was signed in, as this operator or another one, starts anew.
    login.forget()
    flash(message, "success")
    return redirect(url_for("sign_in.form"), 303)


def _form(token: str, operator: Operator, purpose: LinkPurpose, wrong: str = "") -> str:
    return render_template(
        "admin/operator_link.html", token=token, email=operator.email, purpose=purpose.value, wrong=wrong,
        least=roster.MIN_PASSWORD, most=roster.MAX_PASSWORD,
    )  # fmt: skip


def _wrong_password(token: str, operator: Operator, purpose: LinkPurpose) -> ResponseReturnValue:
    db.session.rollback()
    by = audit_log.operator(operator, clients.address())
    audit_log.record(
        db.session(), by, "operator.password_wrong", object_type="operator", object_id=operator.id,
        after={"page": "operator_link.use"},
    )  # fmt: skip
    db.session.commit()
    return _form(token, operator, purpose, WRONG_PASSWORD), 401


def _dead() -> ResponseReturnValue:
    return render_template("admin/operator_link_dead.html"), 404
