"""Sign-up on our own pages. Inside another application there is none: that application has its own.

Each answer is the same, and takes the same time, whether an address was known or not.
"""

from collections.abc import Callable

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from notifier.accounts.signup import Applicant
from notifier.database.transaction import check_answers
from notifier.extensions import db
from notifier.mail.addresses import Address
from notifier.mail.typos import suggestion
from notifier.models import AccountAction
from notifier.security import clients
from notifier.services import services
from notifier.web.answer_timing import steady
from notifier.web.form_limits import form_limits
from notifier.web.forms import AddressForm, SignupForm

sign_up = Blueprint("signup", __name__)

Answer = str | WerkzeugResponse | tuple[str, int]
View = Callable[..., Answer]

_TYPED = "typed_address"


def limited(view: View) -> View:
    """Apply every limit of the public forms to a view."""
    for limit in form_limits:
        view = limit(view)
    return view


@sign_up.before_request
def need_database() -> None:
    """Report an unreachable database before a person fills in a form that could not be stored."""
    if request.method != "POST":
        check_answers(db.session())


@sign_up.route("/signup", methods=["GET", "POST"])
@limited
@steady
def signup() -> Answer:
    """Show the sign-up form, or store what it requests."""
    form = SignupForm()
    if not form.is_submitted():
        return render_template("web/signup.html", form=form)
    if not form.validate():
        return render_template("web/signup.html", form=form), 400
    applicant = form.applicant(clients.network())
    asked = _challenge(applicant.address)
    if asked is not None:
        return asked
    _store(AccountAction.signup, applicant)
    return _to_inbox(form)


@sign_up.get("/check-inbox")
def check_inbox() -> Answer:
    """Show the next step, with the address as typed, which does not tell whether it is known."""
    return render_template(
        "web/check_inbox.html",
        form=AddressForm(formdata=None),
        email=session.get(_TYPED, ""),
        meant=suggestion(session.get(_TYPED, "")),
        inbox_url=current_app.config["INBOX_URL"] or None,
    )


@sign_up.post("/resend")
@limited
@steady
def resend() -> Answer:
    """Request the email again; it is sent within its limits."""
    form = AddressForm()
    if not form.validate():
        return render_template("web/verify_failed.html", form=form, expired=False), 400
    asked = _challenge(form.address)
    if asked is not None:
        return asked
    _store(AccountAction.resend, Applicant(form.address, network=clients.network()))
    return _to_inbox(form)


def _store(action: AccountAction, applicant: Applicant) -> None:
    """Store the request. A worker looks at the account: nothing in this web request depends on it."""
    services().account_requests.add(db.session(), action, applicant)
    db.session.commit()


def _challenge(address: Address) -> Answer | None:
    """Ask the application's own challenge, if any, while first emails to this domain or network are slowed.

    The challenge tells nothing about the address: only its domain and the visitor's network count.
    """
    challenge = services().challenge
    if challenge is None or not services().accounts.is_slowed(db.session(), address, clients.network()):
        return None
    answer = challenge()
    if answer is not None:
        db.session.rollback()
    return answer


def _to_inbox(form: AddressForm) -> WerkzeugResponse:
    session[_TYPED] = (form.email.data or "").strip()
    return redirect(url_for("signup.check_inbox"), 303)
