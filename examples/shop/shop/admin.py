"""The pages of the shop's owner."""

from flask import Blueprint, abort, redirect, render_template, url_for
from flask_login import current_user, login_required
from sqlalchemy import select
from werkzeug import Response

from shop.extensions import db
from shop.forms import ButtonForm
from shop.models import Order, User, now

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

#: Rows on one page.
NEWEST = 50


@blueprint.before_request
@login_required
def only_admins() -> None:
    """Answer 404 to everyone else."""
    if not current_user.is_admin:
        abort(404)


@blueprint.get("/")
def overview() -> str:
    """Show the newest orders and customers."""
    orders = db.session.scalars(select(Order).order_by(Order.id.desc()).limit(NEWEST)).all()
    users = db.session.scalars(select(User).order_by(User.id.desc()).limit(NEWEST)).all()
    return render_template("admin.html", orders=orders, users=users, form=ButtonForm())


@blueprint.post("/users/<int:key>/confirm")
def confirm(key: int) -> Response:
    """Confirm a customer's address by hand, such as after a call."""
    user = db.get_or_404(User, key)
    user.confirmed_at = user.confirmed_at or now()
    db.session.commit()
    return redirect(url_for("admin.overview"))
