"""The emails of the shop: what would be sent, rendered, right after the commit that stored it."""

import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from notifier.models import Notification
from notifier.services import services_of
from notifier.testing.factories import make_campaign
from notifier.testing.forms import csrf_token
from notifier.testing.mail_server import FakeMailServer
from shop.email_kinds import AWAY
from shop.emails import notifier
from shop.extensions import db
from shop.models import Like, Order, OrderLine, Product, User
from shop.tasks import ship_order

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)

ADA = "ada@example.com"


def order(customer: FlaskClient, product: Product, quantity: int = 2) -> Order:
    customer.post(f"/basket/{product.id}", data={"quantity": str(quantity)})
    customer.post("/orders")
    db.session.rollback()
    return db.session.query(Order).one()


def subjects(emails: FakeMailServer, address: str = ADA) -> list[str]:
    return [email.subject for email in emails.to(address)]


def test_a_customer_confirms_the_address(emails: FakeMailServer, customer: FlaskClient) -> None:
    [email] = emails.to(ADA)
    assert email.subject == "Confirm your email address for Shop"
    [link] = re.findall(r"http://127\.0\.0\.1:5000(/mail/verify/\S+)", email.text)
    user = db.session.query(User).one()
    assert user.confirmed_at is None
    page = customer.get(link)
    assert customer.post(link, data={"csrf_token": csrf_token(page.text)}).status_code == 200
    db.session.rollback()
    assert user.confirmed_at is not None
    assert "confirmed on" in customer.get("/account").text


def test_a_customer_whom_the_owner_confirmed_gets_no_question(emails: FakeMailServer, app: Flask) -> None:
    app.test_cli_runner().invoke(args=["demo"])
    assert db.session.query(User).count() == 3
    assert emails.sent == []


def test_the_receipt_names_the_lines(emails: FakeMailServer, customer: FlaskClient, bowl: Product) -> None:
    placed = order(customer, bowl)
    [_, receipt] = emails.to(ADA)
    assert receipt.subject == f"Your order {placed.id}"
    assert "2 x Tea bowl: €56.00\n\nTotal: €56.00" in receipt.text
    assert f"http://127.0.0.1:5000/orders/{placed.id}" in receipt.text
    assert "€56.00" in receipt.html


def test_an_order_that_is_rolled_back_sends_nothing(
    emails: FakeMailServer, customer: FlaskClient, bowl: Product
) -> None:
    emails.forget()
    user = db.session.query(User).filter_by(email=ADA).one()
    line = OrderLine(product_id=bowl.id, title=bowl.title, price=bowl.price, quantity=1)
    db.session.add(Order(user=user, lines=[line]))
    db.session.flush()
    db.session.rollback()
    assert emails.handed == []
    assert db.session.query(Notification).filter_by(kind="order_receipt").count() == 0


def test_a_shipped_order_is_announced_once(emails: FakeMailServer, customer: FlaskClient, bowl: Product) -> None:
    placed = order(customer, bowl)
    ship_order(placed.id)
    ship_order(placed.id)
    assert subjects(emails)[2:] == [f"Your order {placed.id} is on its way"]


def test_a_seller_gets_a_digest_of_likes(
    frozen_clock: time_machine.Traveller, emails: FakeMailServer, customer: FlaskClient, bowl: Product, app: Flask
) -> None:
    bowl.seller.confirmed_at = notifier.now() - timedelta(days=100)
    db.session.commit()
    with notifier.app.app_context():
        now = notifier.now()
        make_campaign("likes", kind="activity_digest", cron="0 7 * * *", next_slot=now, next_run_at=now)
    for path in (f"/products/{bowl.id}/like",) * 3:
        customer.post(path)
    db.session.add(Like(product=bowl, user=bowl.seller))
    db.session.commit()
    emails.forget()
    frozen_clock.shift(timedelta(days=8))
    run_campaigns()
    [digest] = emails.sent
    assert digest.recipient == "ines@example.com"
    assert "Ada liked “Tea bowl”" in digest.subject
    assert "Ines liked" not in digest.text


@pytest.mark.parametrize(("days", "wins"), [(None, False), (10, False), (AWAY.days + 1, True)])
def test_only_a_customer_who_stays_away_is_asked_back(
    frozen_clock: time_machine.Traveller,
    emails: FakeMailServer,
    customer: FlaskClient,
    days: int | None,
    wins: bool,
) -> None:
    ada = db.session.query(User).one()
    ada.confirmed_at = notifier.now()
    if days is not None:
        db.session.add(Order(user=ada, placed_at=notifier.now() - timedelta(days=days)))
    db.session.commit()
    emails.forget()
    with notifier.app.app_context():
        make_campaign("win-back", kind="win_back", next_slot=notifier.now(), next_run_at=notifier.now())
    for _ in range(2):
        run_campaigns()
        frozen_clock.shift(timedelta(days=1))
    assert subjects(emails) == ["There is something new in the shop"] * wins


def run_campaigns() -> None:
    """Do what the scheduler does."""
    with notifier.app.app_context():
        services_of(notifier.app).tick.run()


def test_only_the_owner_sees_the_admin_of_emails(emails: FakeMailServer, customer: FlaskClient, app: Flask) -> None:
    assert "Sign in" in customer.get("/mail/admin/", follow_redirects=True).text
    db.session.query(User).one().is_admin = True
    db.session.commit()
    assert customer.get("/mail/admin/").status_code == 200
