"""Signing in and out. Messages say no more about what is wrong than they must."""

from datetime import timedelta

import structlog
from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from notifier import clock
from notifier.admin.access import devices, returning, sign_in_limits
from notifier.admin.kit import arguments, login
from notifier.database.transaction import check_answers
from notifier.extensions import db
from notifier.models import Operator
from notifier.operators import audit_log, roster, second_factor
from notifier.operators.audit_log import Actor
from notifier.security import clients
from notifier.services import services

log = structlog.get_logger(__name__)

sign_in = Blueprint("sign_in", __name__, url_prefix="/admin")

#: Time between password and code.
HALF_WAY_LIFE = timedelta(minutes=5)

WRONG = "Wrong email or password."
WRONG_CODE = "Wrong code, or it was already used. Wait for the next one."


@sign_in.get("/sign-in")
def form() -> ResponseReturnValue:
    """Show the form for address and password."""
    target = request.args.get("next", "")
    check_answers(db.session())
    if login.current() is not None:
        return redirect(returning.local(target))
    return _form(target)


@sign_in.post("/sign-in")
@sign_in_limits.limited(sign_in_limits.password_limits)
def check() -> ResponseReturnValue:
    """Check address and password; continue to the requested page, or to the second factor."""
    target, email = request.form.get("next", ""), request.form.get("email", "")[:1000]
    operator = roster.authenticate(db.session(), email, arguments.password("password"))
    if operator is None:
        _failed("password", email)
        return _form(target, email=email, wrong=WRONG), 401
    db.session.commit()
    if operator.totp_secret is None:
        return _welcome(operator, "password", returning.local(target))
    half = [operator.id, int(clock.now().timestamp()), returning.local(target), _state(operator)]
    login.forget()
    session[sign_in_limits.HALF_WAY] = half
    return redirect(url_for("sign_in.code_form"), 303)


@sign_in.get("/sign-in/code")
def code_form() -> ResponseReturnValue:
    """Show the form for the second factor."""
    if _half_way() is None:
        return redirect(url_for("sign_in.form", next=_asked_for()))
    return render_template("admin/sign_in_code.html", wrong="")


@sign_in.post("/sign-in/code")
@sign_in_limits.limited(sign_in_limits.code_limits)
def check_code() -> ResponseReturnValue:
    """Check a code of the app, or a recovery code."""
    half = _half_way()
    if half is None:
        flash("Signing in took too long. Sign in again.", "warning")
        return redirect(url_for("sign_in.form", next=_asked_for()), 303)
    operator, target = half
    typed, now, current = arguments.typed("code", 100)[0], clock.now(), db.session()
    if second_factor.accept_code(current, operator, typed, sealer=services().sealer, now=now):
        return _welcome(operator, "password and code", returning.local(target))
    if second_factor.accept_recovery_code(current, operator, typed, now=now):
        left = second_factor.recovery_codes_left(current, operator)
        answer = _welcome(operator, "password and recovery code", returning.local(target))
        flash(f"You used a recovery code; {left} are left. Create new ones on your account page.", "warning")
        return answer
    _failed("code", operator.email)
    return render_template("admin/sign_in_code.html", wrong=WRONG_CODE), 401


@sign_in.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session, also for copies of the cookie."""
    login.sign_out()
    flash("You are signed out.", "success")
    return redirect(url_for("sign_in.form"), 303)


def _form(target: str, *, email: str = "", wrong: str = "") -> str:
    return render_template("admin/sign_in.html", next=target, email=email, wrong=wrong, over=False)


def _half_way() -> tuple[Operator, str] | None:
    """Return the operator whose password was right a moment ago, and their target."""
    match session.get(sign_in_limits.HALF_WAY):
        case [int(pk), int(at), str(target), str(state)] if (
            clock.now().timestamp() - at <= HALF_WAY_LIFE.total_seconds()
        ):
            operator = db.session.get(Operator, pk)
            if operator is not None and operator.active and operator.totp_secret and _state(operator) == state:
                return operator, target
    return None


def _asked_for() -> str | None:
    """Return where half a sign-in was to lead, although it took too long; None for the dashboard."""
    match session.get(sign_in_limits.HALF_WAY):
        case [_, _, str(target), _] if target != returning.local(None):
            return target
    return None


def _state(operator: Operator) -> str:
    """Return the state that half a sign-in is bound to.

    A new password, a new second factor or a finished sign-in ends it.
    """
    left = second_factor.recovery_codes_left(db.session(), operator)
    return f"{devices.fingerprint(operator)} {operator.totp_step} {left}"


def _welcome(operator: Operator, how: str, target: str) -> Response:
    login.sign_in(operator, how)
    return devices.remember(redirect(target, 303), operator)


def _failed(what: str, email: str) -> None:
    """Record a failed sign-in. An unknown address is not recorded, because it may be a password."""
    db.session.rollback()
    try:
        known = roster.by_address(db.session(), email)
    except ValueError:
        known = None
    ip = clients.address()
    by = audit_log.operator(known, ip) if known else Actor(login.NOT_SIGNED_IN, ip=ip)
    audit_log.record(
        db.session(), by, "operator.sign_in_failed", object_type="operator", object_id=known.id if known else "",
        after={"wrong": what},
    )  # fmt: skip
    db.session.commit()
    log.warning("admin.sign_in_failed", operator=known.id if known else None, wrong=what)
