"""An operator's own account: password, second factor, sessions."""

import segno
from flask import flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy import select
from werkzeug.exceptions import Forbidden

from notifier import clock
from notifier.admin.access import sign_in_limits
from notifier.admin.kit import arguments, login
from notifier.admin.kit.page import Page, act, show
from notifier.extensions import db
from notifier.models import Operator, OperatorSession, Role
from notifier.operators import audit_log, roster, second_factor, sessions
from notifier.operators.roster import OperatorError
from notifier.security.sealing import SealError
from notifier.services import services

#: Session key of a new secret, sealed, from its QR code until the first valid code.
_NEW_SECRET = "new_secret"

WRONG_PASSWORD = "Wrong password. Nothing was changed."


class Account(Page):
    """Actions that all operators may do for themselves."""

    title = "Your account"
    slug = "account"
    in_menu = False

    @show()
    def index(self) -> ResponseReturnValue:
        """Show role, sessions, password, second factor."""
        operator = _me()
        mine = select(OperatorSession).where(OperatorSession.operator_id == operator.id)
        return self._page(
            sessions=db.session.scalars(mine.order_by(OperatorSession.seen_at.desc())).all(),
            own=sessions.digest(login.token()),
            codes_left=second_factor.recovery_codes_left(db.session(), operator),
            least=roster.MIN_PASSWORD,
        )

    @act("/password", Role.viewer)
    @sign_in_limits.limited(sign_in_limits.own_password_limits)
    def password(self) -> ResponseReturnValue:
        """Set a new password; other sessions end."""
        operator = _me()
        if not _right_password(operator):
            return self._back(WRONG_PASSWORD, "error")
        try:
            roster.change_password(
                db.session(), operator, arguments.password("new_password"), by=login.actor(), keep=login.token()
            )
        except OperatorError as error:
            return self._back(f"Nothing was changed: {error}.", "error")
        db.session.commit()
        return self._back("Password changed. All other sessions are signed out.")

    @act("/sign-out-elsewhere", Role.viewer)
    def elsewhere(self) -> ResponseReturnValue:
        """End all other sessions."""
        sessions.end_all(db.session(), _me().id, keep=login.token())
        db.session.commit()
        return self._back("All other sessions are signed out.")

    @show("/second-factor")
    def second_factor(self) -> ResponseReturnValue:
        """Show the QR code of a new secret."""
        if _me().totp_secret is not None:
            return redirect(url_for(".index"))
        return self._setup("", 200)

    @act("/second-factor", Role.viewer)
    @sign_in_limits.limited(sign_in_limits.own_password_limits)
    def enable(self) -> ResponseReturnValue:
        """Turn the second factor on with its first valid code, and show the recovery codes, once."""
        operator, secret = _me(), _new_secret(make=False)
        if operator.totp_secret is not None or secret is None:
            return redirect(url_for(".second_factor"), 303)
        if not _right_password(operator):
            return self._setup(WRONG_PASSWORD, 400)
        codes = second_factor.enable(
            db.session(), operator, secret, arguments.typed("code", 20)[0],
            sealer=services().sealer, by=login.actor(), now=clock.now(),
        )  # fmt: skip
        if codes is None:
            return self._setup("Wrong code. Check that your phone's clock is correct.", 400)
        sessions.end_all(db.session(), operator.id, keep=login.token())
        db.session.commit()
        session.pop(_NEW_SECRET, None)
        return self._render("admin/recovery_codes.html", codes=codes)

    @act("/recovery-codes", Role.viewer)
    @sign_in_limits.limited(sign_in_limits.own_password_limits)
    def recovery_codes(self) -> ResponseReturnValue:
        """Replace the recovery codes."""
        operator = _me()
        if operator.totp_secret is None:
            raise Forbidden
        if not _right_password(operator):
            return self._back(WRONG_PASSWORD, "error")
        codes = second_factor.renew_recovery_codes(db.session(), operator, by=login.actor())
        db.session.commit()
        return self._render("admin/recovery_codes.html", codes=codes)

    @act("/second-factor/off", Role.viewer)
    @sign_in_limits.limited(sign_in_limits.own_password_limits)
    def disable(self) -> ResponseReturnValue:
        """Turn the second factor off."""
        operator = _me()
        if not _right_password(operator):
            return self._back(WRONG_PASSWORD, "error")
        second_factor.reset_second_factor(db.session(), operator, by=login.actor(), keep=login.token())
        db.session.commit()
        return self._back("The second factor is off. You need only your password to sign in.")

    def _page(self, **values: object) -> ResponseReturnValue:
        return self._render("admin/account.html", **values)

    def _setup(self, wrong: str, status: int) -> ResponseReturnValue:
        secret = _new_secret(make=True) or ""
        picture = segno.make(second_factor.provisioning_uri(_me(), secret), error="m")
        # Classes and attributes only: the policy forbids inline styles.
        svg = picture.svg_inline(scale=5, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None)
        spaced = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
        return self._render("admin/second_factor.html", qr=Markup(svg), secret=spaced, wrong=wrong), status

    def _back(self, message: str, category: str = "success") -> ResponseReturnValue:
        db.session.rollback()
        flash(message, category)
        return redirect(url_for(".index"), 303)

    def _render(self, template: str, **values: object) -> str:
        page: str = self.render(template, **values)
        return page


def _right_password(operator: Operator) -> bool:
    """Return whether the form holds the password of `operator`. A wrong one is counted and recorded."""
    if roster.check_password(operator, arguments.password("password")):
        return True
    g.setdefault(sign_in_limits.WRONG, True)
    db.session.rollback()
    audit_log.record(
        db.session(), login.actor(), "operator.password_wrong", object_type="operator", object_id=operator.id,
        after={"page": request.endpoint},
    )  # fmt: skip
    db.session.commit()
    return False


def _me() -> Operator:
    operator = login.own()
    assert operator is not None  # the page's base class lets only operators in
    return operator


def _new_secret(*, make: bool) -> str | None:
    """Return the secret of the QR code that this browser was shown.

    If there is none, return a new one if `make`, else None.
    """
    try:
        return services().sealer.open(session[_NEW_SECRET])
    except (KeyError, SealError):
        if not make or request.method not in {"GET", "HEAD"}:
            return None
    secret = second_factor.new_secret()
    session[_NEW_SECRET] = services().sealer.seal(secret)
    return secret
