"""The shop's emails: notifier, and what it has to know of the shop."""

from flask import Flask
from flask_login import current_user

from notifier import Notifier, OperatorIdentity, UserFields
from notifier.sqlite import prepare
from shop.email_kinds import OrderReceipt, OrderShipped, WinBack, order_data
from shop.extensions import db
from shop.models import Like, Order, User

notifier = Notifier(kinds=[OrderReceipt(), OrderShipped(), WinBack()])


@notifier.user(User, watch=("email", "first_name", "confirmed_at", "lang", "tz"))
def fields(user: User) -> UserFields:
    """Tell notifier who a user is."""
    return UserFields(
        id=user.id,
        email=user.email,
        name=user.first_name,
        verified_at=user.confirmed_at,
        locale=user.lang,
        timezone=user.tz,
    )


@notifier.on(User, "insert")
def signed_up(user: User) -> None:
    """Ask a new customer to confirm the address."""
    if user.confirmed_at is None:
        notifier.send("verification", to=user)


@notifier.on_verified
def confirmed(user: User) -> None:
    """Keep that the customer confirmed the address, in the transaction in which notifier does."""
    user.confirmed_at = notifier.now()


@notifier.on(Order, "insert")
def ordered(order: Order) -> None:
    """Send the receipt."""
    notifier.send("order_receipt", to=order.user, data=order_data(order), key=f"receipt:{order.id}")


def shipped(order: Order) -> None:
    """Tell the customer that the order is on its way."""
    notifier.send("order_shipped", to=order.user, data=order_data(order), key=f"shipped:{order.id}")


@notifier.on(Like, "insert")
def liked(like: Like) -> None:
    """Keep the like for the seller's next digest."""
    product = like.product
    if like.user is not product.seller:
        notifier.record(
            "like",
            to=product.seller,
            actor=like.user.first_name,
            object_key=f"product:{product.id}",
            object_title=product.title,
        )


def operator() -> OperatorIdentity | None:
    """Let the shop's admins into the admin of notifier."""
    if not (current_user.is_authenticated and current_user.is_admin):
        return None
    return OperatorIdentity(f"shop:{current_user.id}", role="admin", label=current_user.email)


def init_app(app: Flask) -> None:
    """Start notifier in the shop; its pages are below /mail."""
    app.config.setdefault("NOTIFIER_MAIL_DEFAULT_SENDER", "Shop <hello@shop.example>")
    with app.app_context():
        prepare(db.engine)
    notifier.init_app(app, session=db.session, mount="/mail", operator=operator, celery=app.extensions["celery"])
