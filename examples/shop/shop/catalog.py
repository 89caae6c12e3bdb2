"""The products, and the likes of them."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user, login_required
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload
from werkzeug import Response

from shop.extensions import db
from shop.forms import ButtonForm, QuantityForm
from shop.models import Like, Product

blueprint = Blueprint("catalog", __name__)


@blueprint.get("/")
def products() -> str:
    """Show all products."""
    query = select(Product).options(joinedload(Product.seller), selectinload(Product.likes)).order_by(Product.id)
    return render_template("products.html", products=db.session.scalars(query).all())


@blueprint.get("/products/<int:key>")
def product(key: int) -> str:
    """Show one product."""
    found = db.get_or_404(Product, key)
    return render_template(
        "product.html", product=found, liked=_like(found) is not None, form=QuantityForm(), button=ButtonForm()
    )


@blueprint.post("/products/<int:key>/like")
@login_required
def like(key: int) -> Response:
    """Like a product, or take the like back."""
    found = db.get_or_404(Product, key)
    mine = _like(found)
    if mine is None:
        db.session.add(Like(product=found, user=current_user._get_current_object()))
    else:
        db.session.delete(mine)
    db.session.commit()
    return redirect(url_for("catalog.product", key=key))


def _like(product: Product) -> Like | None:
    if not current_user.is_authenticated:
        return None
    return db.session.scalar(select(Like).filter_by(product_id=product.id, user_id=current_user.id))
