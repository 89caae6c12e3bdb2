"""Sign up, sign in, sign out, and the customer's own data."""

from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import current_user, login_required, login_user, logout_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug import Response

from shop.extensions import db
from shop.forms import LANGUAGES, AccountForm, SignInForm, SignUpForm
from shop.models import User

blueprint = Blueprint("account", __name__)


@blueprint.route("/sign-up", methods=["GET", "POST"])
def sign_up() -> str | Response:
    """Create an account, and sign in."""
    form = SignUpForm()
    if form.validate_on_submit():
        lang = request.accept_languages.best_match(LANGUAGES) or "en"
        user = User(email=form.email.data.strip().lower(), first_name=form.first_name.data.strip(), lang=lang)
        user.password = form.password.data
        db.session.add(user)
        try:
            db.session.commit()
        except IntegrityError:
            db.session.rollback()
            form.email.errors = ["There is an account with this address. Sign in instead."]
        else:
            login_user(user)
            flash(f"Welcome, {user.first_name}. We sent you an email: please confirm your address.")
            return redirect(url_for("catalog.products"))
    return render_template("form.html", form=form, title="Create an account", button="Create my account")


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> str | Response:
    """Sign in, and go to the page that asked for it."""
    form = SignInForm()
    if form.validate_on_submit():
        user = db.session.scalar(select(User).where(User.email == form.email.data.strip().lower()))
        if user is not None and user.has_password(form.password.data):
            login_user(user)
            return redirect(_local(request.args.get("next")) or url_for("catalog.products"))
        form.password.errors = ["Wrong email address or password."]
    return render_template("form.html", form=form, title="Sign in", button="Sign in")


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """Sign out."""
    logout_user()
    return redirect(url_for("catalog.products"))


@blueprint.route("/account", methods=["GET", "POST"])
@login_required
def account() -> str | Response:
    """Show and change the customer's own data."""
    form = AccountForm(obj=current_user)
    if form.validate_on_submit():
        form.populate_obj(current_user)
        db.session.commit()
        flash("Saved.")
        return redirect(url_for("account.account"))
    return render_template("account.html", form=form)


def _local(target: str | None) -> str | None:
    """Return the target if it is a page of this shop."""
    parts = urlsplit(target or "")
    return target if target and not parts.scheme and not parts.netloc and target.startswith("/") else None
