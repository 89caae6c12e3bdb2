"""The pages of webhook endpoints: the secret once, what was sent, replay and test."""

import html
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import insert, select, text

from notifier.extensions import db
from notifier.models import AuditEntry, DeliveryState, Event, EventDraft, Role, WebhookDelivery, WebhookEndpoint
from notifier.operators.audit_log import SYSTEM
from notifier.services import services_of
from notifier.testing.clocks import NOON
from notifier.testing.operators import Desk

PAGE = "/admin/webhook-endpoints/"
URL = "https://hooks.example/in?a=b"

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture
def stored(app: Flask) -> int:
    """An endpoint that was sent two events: it took the first, and refused the second."""
    with app.app_context():
        endpoint, _ = services_of(app).endpoints.add(db.session(), URL, ["run.paused"], by=SYSTEM)
        for pk, state, error in ((1, DeliveryState.delivered, None), (2, DeliveryState.failed, "answered 500: <b>no")):
            db.session.add(Event(id=pk, uid=f"u{pk}", type="run.paused", at=NOON, data={"id": pk}, published_at=NOON))
            db.session.add(
                WebhookDelivery(
                    endpoint_id=endpoint.id, event_id=pk, state=state, attempts=3, last_attempt_at=NOON,
                    last_status=500 if error else 200, last_error=error,
                )
            )  # fmt: skip
        db.session.commit()
        return endpoint.id


def actions(app: Flask) -> list[str]:
    with app.app_context():
        ours = select(AuditEntry.action).where(AuditEntry.action.startswith("webhook."))
        return list(db.session.scalars(ours.order_by(AuditEntry.id)))


def test_the_secret_of_a_new_endpoint_is_shown_once(app: Flask, desk: Callable[..., Desk]) -> None:
    here = desk(Role.admin)
    answer = here.send(f"{PAGE}add", {"url": URL, "types": "run.paused"})
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", html.unescape(answer.text))
    with app.app_context():
        endpoint = db.session.scalars(select(WebhookEndpoint)).one()
        assert (endpoint.url, endpoint.types) == (URL, ["run.paused"])
        assert services_of(app).endpoints.secrets_of(endpoint, NOON) == [secret]
    assert "whsec_" not in here.get(PAGE).text + here.get(f"{PAGE}1").text
    assert actions(app) == ["webhook.added"]


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"url": "http://hooks.example/", "types": "run.paused"}, "must begin with https://"),
        ({"url": "https://169.254.169.254/", "types": "run.paused"}, "a link-local address"),
        ({"url": URL}, "Choose one type of event or more."),
        ({"url": f"{URL}\0", "types": "run.paused"}, "U+0000"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_cannot_be_called_is_refused_beside_its_input(
    app: Flask, desk: Callable[..., Desk], typed: dict[str, str], why: str
) -> None:
    answer = desk(Role.admin).send(f"{PAGE}add", typed)
    assert answer.status_code == 400
    assert why in answer.text.partition('id="url-wrong"')[2].partition("</p>")[0]
    with app.app_context():
        assert db.session.scalars(select(WebhookEndpoint)).all() == []


def test_deliveries_are_listed_with_their_answers(app: Flask, stored: int, desk: Callable[..., Desk]) -> None:
    page = desk(Role.viewer).get(f"{PAGE}{stored}").text
    assert page.index("#2 run.paused") < page.index("#1 run.paused")
    assert "answered 500: &lt;b&gt;no" in page
    assert "Replay" not in page.partition("<h2>Deliveries</h2>")[2], "a viewer changes nothing"


def test_an_editor_replays_and_tests(app: Flask, stored: int, desk: Callable[..., Desk]) -> None:
    here = desk(Role.editor)
    for path in (f"{stored}/replay/1", f"{stored}/replay", f"{stored}/test"):
        assert here.send(f"{PAGE}{path}").status_code == 303
    with app.app_context():
        states = db.session.execute(select(WebhookDelivery.state, WebhookDelivery.attempts)).all()
        assert [tuple(each) for each in states] == [("waiting", 0)] * 2
        assert db.session.scalars(select(EventDraft.items)).all() == ['[["webhook.test",{"endpoint":1}]]']
    assert actions(app) == ["webhook.added", "webhook.replayed", "webhook.replayed", "webhook.tested"]


def test_disabled_it_is_enabled_again(app: Flask, stored: int, desk: Callable[..., Desk]) -> None:
    here = desk(Role.editor)
    here.send(f"{PAGE}{stored}/disable", {})
    assert "It gets no events since" in here.get(f"{PAGE}{stored}").text
    here.send(f"{PAGE}{stored}/test", {})
    assert "enable it first" in here.get(f"{PAGE}{stored}").text
    here.send(f"{PAGE}{stored}/enable", {})
    assert "It gets no events since" not in here.get(f"{PAGE}{stored}").text
    assert actions(app) == ["webhook.added", "webhook.disabled", "webhook.enabled"]


def test_an_admin_replaces_the_secret_and_removes_the_endpoint(
    app: Flask, stored: int, desk: Callable[..., Desk]
) -> None:
    here = desk(Role.admin)
    assert "Make a new secret?" in here.get(f"{PAGE}{stored}/rotate").text
    assert "whsec_" in here.send(f"{PAGE}{stored}/rotate", {}).text
    assert "signs as well until" in here.get(f"{PAGE}{stored}").text
    assert here.send(f"{PAGE}{stored}/remove", {}).status_code == 303
    with app.app_context():
        assert db.session.scalars(select(WebhookDelivery)).all() == []
    assert actions(app) == ["webhook.added", "webhook.secret_rotated", "webhook.removed"]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_page_among_many_deliveries_reads_only_its_own(app: Flask, stored: int, desk: Callable[..., Desk]) -> None:
    with app.app_context():
        rows = [{"endpoint_id": stored, "event_id": pk, "state": "delivered"} for pk in range(3, 20_000)]
        db.session.execute(insert(WebhookDelivery), rows)
        db.session.execute(text("ANALYZE notifier_webhook_deliveries"))
        db.session.commit()
        query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == stored)
        query = query.order_by(WebhookDelivery.event_id.desc()).limit(51)
        statement = query.compile(db.engine, compile_kwargs={"literal_binds": True})
        plan = "\n".join(_explained(str(statement)))
    assert "Index Scan" in plan
    assert "Sort" not in plan
    assert desk(Role.viewer).get(f"{PAGE}{stored}").status_code == 200


def _explained(statement: str) -> list[str]:
    return [row[0] for row in db.session.connection().exec_driver_sql(f"EXPLAIN {statement}")]
