"""The shop that embeds notifier: `celery -A tests.support.celery_host:shop`, or `:notifier_celery`.

    python -m tests.support.celery_host

serves one request of the shop, and starts a job of notifier beside it.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask

from notifier.app import create_app
from notifier.emails import Category, EmailKind, Owed
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


ours = create_app(kinds={Letter.name: Letter()}, templates=Path(os.environ["SHOP_TEMPLATES"]))
notifier_celery = services_of(ours).celery
notifier_celery.hosts = shop

host = Flask("shop")


@host.get("/buy/<int:number>")
def buy(number: int) -> str:
    """Have it packed."""
    pack.delay(number)
    return "bought"


if __name__ == "__main__":
    assert host.test_client().get("/buy/7").text == "bought"
    services_of(ours).run_now("sweep")
