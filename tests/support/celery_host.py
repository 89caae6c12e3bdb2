"""The shop that embeds notifier: `celery -A tests.support.celery_host:shop`, or `:notifier_celery`.

    python -m tests.support.celery_host

serves one request of the shop, and starts a job of notifier beside it.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from notifier import sqlite
from notifier.emails import Category, EmailKind, Owed
from notifier.embedding import Notifier, UserFields
from notifier.services import services_of
from tests.support.celery_shop import pack, shop

__all__ = ["notifier_celery", "shop"]


class Letter(EmailKind):
    """An email of the shop, whose rendering calls a task of the shop."""

    name = "letter"
    category = Category.account
    lifetime = timedelta(hours=24)
    because = "You're receiving this because a test wants you to."

    def unwanted(self, owed: Owed) -> str | None:
        """Always wanted."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """The number of the email, which the shop packs."""
        pack.delay(owed.notification.id)
        return {"text": str(owed.notification.id)}


class Base(DeclarativeBase):
    """The tables of the shop."""


db = SQLAlchemy(model_class=Base)


class Customer(Base):
    """A user of the shop; no table is needed, because no test has one."""

    __tablename__ = "shop_customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]


notifier = Notifier(kinds=[Letter()], templates=os.environ["SHOP_TEMPLATES"])


@notifier.user(Customer)
def fields(customer: Customer) -> UserFields:
    """What notifier knows of a customer."""
    return UserFields(id=customer.id, email=customer.email)


host = Flask("shop", instance_path=str(Path(os.environ["SHOP_TEMPLATES"]).parent))
host.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
db.init_app(host)
with host.app_context():
    sqlite.prepare(db.engine)
notifier.init_app(host, session=db.session, celery=shop)
notifier_celery = notifier.celery


@host.get("/buy/<int:number>")
def buy(number: int) -> str:
    """Have it packed."""
    pack.delay(number)
    return "bought"


if __name__ == "__main__":
    assert host.test_client().get("/buy/7").text == "bought"
    services_of(notifier.app).run_now("sweep")
