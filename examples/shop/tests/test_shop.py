"""The shop itself: accounts, orders, likes, and the pages of its owner."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shop.extensions import db
from shop.models import Order, Product, Status, User
from shop.tasks import ship_order


def order(customer: FlaskClient, product: Product, quantity: int = 2) -> Order:
    customer.post(f"/basket/{product.id}", data={"quantity": str(quantity)})
    customer.post("/orders")
    db.session.rollback()
    return db.session.query(Order).one()


def test_a_customer_signs_up_out_and_in(customer: FlaskClient) -> None:
    user = db.session.query(User).one()
    assert (user.email, user.first_name, user.confirmed_at) == ("ada@example.com", "Ada", None)
    customer.post("/sign-out")
    assert customer.get("/orders").headers["Location"] == "/sign-in?next=%2Forders"
    wrong = customer.post("/sign-in", data={"email": "ada@example.com", "password": "a guess"})
    assert "Wrong email address or password." in wrong.text
    form = {"email": "ada@example.com", "password": "correct horse"}
    assert customer.post("/sign-in?next=/orders", data=form).headers["Location"] == "/orders"
    assert customer.post("/sign-in?next=//elsewhere.example", data=form).headers["Location"] == "/"


def test_a_customer_changes_the_account(customer: FlaskClient) -> None:
    page = customer.get("/account").text
    assert "not confirmed yet" in page
    form = {"first_name": "Augusta", "lang": "de", "tz": "Europe/Berlin"}
    customer.post("/account", data=form)
    db.session.rollback()
    user = db.session.query(User).one()
    assert (user.first_name, user.lang, user.tz) == ("Augusta", "de", "Europe/Berlin")
    assert "Not a valid choice" in customer.post("/account", data=form | {"tz": "Mars"}).text


def test_an_address_signs_up_once(customer: FlaskClient) -> None:
    form = {"first_name": "Eve", "email": "ada@example.com", "password": "correct horse"}
    assert "There is an account with this address" in customer.post("/sign-up", data=form).text
    assert db.session.query(User).count() == 1


def test_an_order_keeps_its_prices(customer: FlaskClient, bowl: Product) -> None:
    placed = order(customer, bowl)
    bowl.price = 9900
    db.session.commit()
    assert [(line.title, line.quantity, line.price) for line in placed.lines] == [("Tea bowl", 2, 2800)]
    assert "€56.00" in customer.get(f"/orders/{placed.id}").text
    assert "Basket</a>" in customer.get("/").text


def test_an_order_is_shipped_once(customer: FlaskClient, bowl: Product) -> None:
    placed = order(customer, bowl)
    ship_order(placed.id)
    db.session.rollback()
    moment = placed.shipped_at
    ship_order(placed.id)
    db.session.rollback()
    assert (placed.status, placed.shipped_at) == (Status.shipped, moment)
    assert moment is not None


def test_orders_are_private(customer: FlaskClient, bowl: Product, app: Flask) -> None:
    placed = order(customer, bowl)
    other = app.test_client()
    form = {"first_name": "Eve", "email": "eve@example.com", "password": "correct horse"}
    other.post("/sign-up", data=form)
    assert other.get(f"/orders/{placed.id}").status_code == 404


def test_a_like_can_be_taken_back(customer: FlaskClient, bowl: Product) -> None:
    customer.post(f"/products/{bowl.id}/like")
    assert "♥ Liked" in customer.get(f"/products/{bowl.id}").text
    customer.post(f"/products/{bowl.id}/like")
    assert "♡ Like" in customer.get(f"/products/{bowl.id}").text


def test_only_admins_see_the_admin(customer: FlaskClient) -> None:
    assert customer.get("/admin/").status_code == 404
    ada = db.session.query(User).one()
    ada.is_admin = True
    db.session.commit()
    assert "ada@example.com" in customer.get("/admin/").text
    customer.post(f"/admin/users/{ada.id}/confirm")
    db.session.rollback()
    assert ada.confirmed_at is not None


@pytest.mark.parametrize("quantity", ["0", "21", "many"])
def test_a_basket_takes_no_strange_quantity(visitor: FlaskClient, bowl: Product, quantity: str) -> None:
    visitor.post(f"/basket/{bowl.id}", data={"quantity": quantity})
    assert "It is empty." in visitor.get("/basket").text


def test_the_demo_fills_an_empty_shop_once(app: Flask) -> None:
    command = app.test_cli_runner()
    assert "with the password" in command.invoke(args=["demo"]).output
    assert command.invoke(args=["demo"]).output == ""
    assert db.session.query(Product).count() == 6


def test_every_page_of_a_new_shop(app: Flask) -> None:
    app.test_cli_runner().invoke(args=["demo"])
    visitor = app.test_client()
    for path in ("/", "/products/1", "/basket", "/sign-in", "/sign-up"):
        assert visitor.get(path).status_code == 200, path


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_migrations_and_models_agree(empty_app: Flask) -> None:
    command = empty_app.test_cli_runner()
    assert command.invoke(args=["db", "upgrade"]).exit_code == 0
    assert command.invoke(args=["db", "check"]).exit_code == 0
    assert command.invoke(args=["db", "downgrade"]).exit_code == 0
