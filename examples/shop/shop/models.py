"""The tables: users, products, orders with their lines, and likes."""

import enum
from collections.abc import Iterable
from datetime import UTC, datetime

from flask_login import UserMixin
from sqlalchemy import DateTime, Enum, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash

from shop.extensions import db, login


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class User(UserMixin, db.Model):
    """A customer. Customers may sell, too."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: In lower case.
    email: Mapped[str] = mapped_column(String(254), unique=True)
    first_name: Mapped[str] = mapped_column(String(60))
    password_hash: Mapped[str] = mapped_column(String(200))
    #: When the address was confirmed; None: it is not.
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lang: Mapped[str] = mapped_column(String(16), default="en")
    tz: Mapped[str] = mapped_column(String(64), default="UTC")
    is_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)

    orders: Mapped[list["Order"]] = relationship(back_populates="user", order_by="Order.id.desc()")

    @property
    def password(self) -> None:
        """The password can be set, not read."""
        raise AttributeError("only the hash of a password is stored")

    @password.setter
    def password(self, text: str) -> None:
        self.password_hash = generate_password_hash(text)

    def has_password(self, text: str) -> bool:
        """Return whether this is the password."""
        return check_password_hash(self.password_hash, text)


@login.user_loader
def load_user(key: str) -> User | None:
    """Return the user of a session."""
    return db.session.get(User, int(key))


class Product(db.Model):
    """Something that a seller offers."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    seller_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    title: Mapped[str] = mapped_column(String(80))
    description: Mapped[str] = mapped_column(String(400))
    #: Cents of a euro.
    price: Mapped[int]
    #: The colour of its picture, 0 to 359.
    hue: Mapped[int] = mapped_column(default=200)

    seller: Mapped[User] = relationship()
    likes: Mapped[list["Like"]] = relationship(back_populates="product")


class Status(enum.StrEnum):
    """How far an order is."""

    placed = "placed"
    shipped = "shipped"


class Order(db.Model):
    """An order of a customer."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    status: Mapped[Status] = mapped_column(Enum(Status, native_enum=False, length=16), default=Status.placed)
    placed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    shipped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    user: Mapped[User] = relationship(back_populates="orders")
    lines: Mapped[list["OrderLine"]] = relationship(cascade="all, delete-orphan", order_by="OrderLine.id")

    @property
    def total(self) -> int:
        """Return the sum in cents."""
        return total_of(self.lines)


class OrderLine(db.Model):
    """One product of an order, with the title and price that it had then."""

    __tablename__ = "order_lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    title: Mapped[str] = mapped_column(String(80))
    #: Cents of a euro, for one.
    price: Mapped[int]
    quantity: Mapped[int]


class Like(db.Model):
    """A user likes a product."""

    __tablename__ = "likes"
    __table_args__ = (UniqueConstraint("product_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)

    product: Mapped[Product] = relationship(back_populates="likes")
    user: Mapped[User] = relationship()


def total_of(lines: Iterable[OrderLine]) -> int:
    """Return the sum in cents."""
    return sum(line.price * line.quantity for line in lines)
