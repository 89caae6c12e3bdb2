"""The basket, which the session keeps, and orders."""

from flask import Blueprint, abort, current_app, flash, redirect, render_template, session, url_for
from flask_login import current_user, login_required
from sqlalchemy import select
from werkzeug import Response

from shop.extensions import db
from shop.forms import ButtonForm, QuantityForm
from shop.models import Order, OrderLine, Product, total_of
from shop.tasks import ship_order

blueprint = Blueprint("orders", __name__)


@blueprint.post("/basket/<int:key>")
def put(key: int) -> Response:
    """Put a product into the basket."""
    form = QuantityForm()
    found = db.get_or_404(Product, key)
    if not form.validate_on_submit():
        flash("Choose a quantity from 1 to 20.")
        return redirect(url_for("catalog.product", key=key))
    session["basket"] = session.get("basket", {}) | {str(key): form.quantity.data}
    flash(f"{found.title} is in your basket.")
    return redirect(url_for("orders.basket"))


@blueprint.get("/basket")
def basket() -> str:
    """Show what is in the basket."""
    lines = _lines()
    return render_template("basket.html", lines=lines, total=total_of(lines), form=ButtonForm())


@blueprint.post("/orders")
@login_required
def place() -> Response:
    """Order what is in the basket."""
    lines = _lines()
    if not lines:
        return redirect(url_for("orders.basket"))
    order = Order(user=current_user._get_current_object(), lines=lines)
    db.session.add(order)
    db.session.commit()
    session.pop("basket")
    ship_order.apply_async((order.id,), countdown=current_app.config["SHIPPING_SECONDS"])
    flash("Thank you for your order.")
    return redirect(url_for("orders.order", key=order.id))


@blueprint.get("/orders")
@login_required
def all_mine() -> str:
    """Show the customer's orders."""
    return render_template("orders.html", orders=current_user.orders)


@blueprint.get("/orders/<int:key>")
@login_required
def order(key: int) -> str:
    """Show one order of the customer."""
    found = db.session.get(Order, key)
    if found is None or found.user_id != current_user.id:
        abort(404)
    return render_template("order.html", order=found)


def _lines() -> list[OrderLine]:
    basket = {int(key): quantity for key, quantity in session.get("basket", {}).items()}
    found = db.session.scalars(select(Product).where(Product.id.in_(basket)).order_by(Product.id))
    return [
        OrderLine(product_id=each.id, title=each.title, price=each.price, quantity=basket[each.id]) for each in found
    ]
