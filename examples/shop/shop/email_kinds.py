"""The kinds of email that only this shop sends. Their templates are in templates/emails/<name>/."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urljoin

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Integer, String, cast, exists, func, select

from notifier.emails import Category, EmailKind, Owed
from notifier.emails.campaign_kind import CampaignKind, Columns, Exclusion, Occasion
from notifier.emails.host_key import host_key
from shop.models import Order
from shop.pages import euros

#: Time without an order after which a customer is asked back.
AWAY = timedelta(days=60)


class Line(BaseModel):
    """One line of an order; amounts are cents of a euro."""

    title: str
    quantity: int
    price: int


class OrderData(BaseModel):
    """What both emails about an order say. It is stored with each of them."""

    order: int
    lines: list[Line]


def order_data(order: Order) -> OrderData:
    """Return the data of an order."""
    lines = [Line(title=line.title, quantity=line.quantity, price=line.price) for line in order.lines]
    return OrderData(order=order.id, lines=lines)


class OrderReceipt(EmailKind):
    """The receipt of an order."""

    name: ClassVar[str] = "order_receipt"
    category: ClassVar[Category] = Category.account
    lifetime: ClassVar[timedelta] = timedelta(days=2)
    because: ClassVar[str] = "You're receiving this because you placed an order."
    Data = OrderData

    def unwanted(self, owed: Owed) -> str | None:
        """Return None: a receipt is always wanted."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return what the templates show."""
        data: OrderData = self.data_of(owed)
        return {
            "order": data.order,
            "lines": [(line.title, line.quantity, euros(line.quantity * line.price)) for line in data.lines],
            "total": euros(sum(line.quantity * line.price for line in data.lines)),
            "order_url": urljoin(owed.links.home(), f"/orders/{data.order}"),
        }


class OrderShipped(OrderReceipt):
    """An order is on its way."""

    name: ClassVar[str] = "order_shipped"


class WinBack(CampaignKind):
    """Ask customers back who have ordered nothing for 60 days: once after each of their last orders."""

    name: ClassVar[str] = "win_back"
    category: ClassVar[Category] = Category.news
    lifetime: ClassVar[timedelta] = timedelta(days=7)
    because: ClassVar[str] = "You're receiving this because you ordered from us before."

    def exclusions(self, occasion: Occasion, columns: Columns) -> Sequence[Exclusion]:
        """Exclude people who never ordered, or who ordered lately: by the shop's own table."""
        theirs = Order.user_id == host_key(Integer)
        lately = exists().where(theirs, Order.placed_at > occasion.slot - AWAY)
        last = {"last order": select(func.max(Order.placed_at)).where(theirs).scalar_subquery()}
        return [
            Exclusion("never_ordered", "they have not ordered yet", ~exists().where(theirs), {}),
            Exclusion("ordered_lately", f"they ordered in the last {AWAY.days} days", lately, last),
        ]

    def period(self, occasion: Occasion, columns: Columns) -> ColumnElement[str]:
        """Return the number of the last order: one email for each."""
        theirs = Order.user_id == host_key(Integer)
        return cast(select(func.max(Order.id)).where(theirs).scalar_subquery(), String)

    def unwanted(self, owed: Owed) -> str | None:
        """Return None: the exclusions are checked again before sending."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return the link of the button."""
        return {"shop_url": urljoin(owed.links.home(), "/")}
