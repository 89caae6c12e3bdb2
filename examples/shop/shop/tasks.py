"""What the shop's Celery worker does."""

from celery import shared_task

from shop.emails import shipped
from shop.extensions import db
from shop.models import Order, Status, now


@shared_task
def ship_order(key: int) -> None:
    """Ship an order. A second call changes nothing."""
    order = db.session.get(Order, key, with_for_update=True)
    if order is None or order.status is Status.shipped:
        return
    order.status, order.shipped_at = Status.shipped, now()
    shipped(order)
    db.session.commit()
