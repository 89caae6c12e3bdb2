"""`flask demo`: products to look at, and an admin."""

import secrets
from itertools import cycle

import click
from flask.cli import with_appcontext

from shop.extensions import db
from shop.models import Product, User, now

SELLERS = ("Ines", "Tom")
PRODUCTS = (
    ("Tea bowl", "Thrown by hand from dark clay, with a glaze like wet stone. Holds 0.3 litres.", 2800, 190),
    ("Linen apron", "Washed linen with two deep pockets. It gets softer with every wash.", 4600, 40),
    ("Walnut board", "For bread and cheese: one piece of oiled walnut, 35 by 20 cm.", 5200, 25),
    ("Beeswax candle", "Burns for eight hours and smells of honey. A pair.", 1450, 48),
    ("Wool blanket", "Woven from the wool of mountain sheep, 140 by 200 cm.", 12900, 345),
    ("Field notebook", "96 pages of unlined paper, sewn, so that it stays open flat.", 1650, 130),
)


@click.command()
@click.option("--admin", default="admin@shop.example", show_default=True, help="The admin's email address.")
@with_appcontext
def demo(admin: str) -> None:
    """Add products, two sellers and an admin to an empty shop."""
    if db.session.query(User).first() is not None:
        return
    password = secrets.token_urlsafe(9)
    people = [_user(f"{name.lower()}@shop.example", name, secrets.token_urlsafe(24)) for name in SELLERS]
    owner = _user(admin, "Admin", password)
    owner.is_admin = True
    db.session.add_all([*people, owner])
    for (title, description, price, hue), seller in zip(PRODUCTS, cycle(people), strict=False):
        db.session.add(Product(title=title, description=description, price=price, hue=hue, seller=seller))
    db.session.commit()
    click.echo(f"The shop's admin is {admin}, with the password {password}")


def _user(email: str, name: str, password: str) -> User:
    user = User(email=email, first_name=name, confirmed_at=now())
    user.password = password
    return user
