"""The id of an email on its way: the same in every attempt, in three places, and never in copies for other people."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select, text

from notifier import ledger
from notifier.explain.audit_evidence import Seen
from notifier.extensions import db
from notifier.mail.message import Message
from notifier.mail.message_ids import Ids, read
from notifier.models import Notification
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import NOON, make_owed

pytestmark = pytest.mark.usefixtures("frozen")

OLD, NEW = "the-old-key-that-is-long-enough", "the-new-key-that-is-long-enough"
NO_REPLY = Outcome(Decision.UNKNOWN, Phase.EOD, Scope.MESSAGE, text="timeout")
QUEUED = Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, 250, "2.0.0", "Ok: queued as 4F2AB12345")

Make = Callable[..., Flask]


def try_once(make_app: Make, answer: Outcome = QUEUED, **settings: object) -> Message:
    """Let an application with these settings make one attempt of every email; return the only one."""
    app = make_app(publish=lambda keys, bulk: True, **settings)
    server = FakeMailServer(answer).attach(app)
    with app.app_context():
        keys = list(db.session.scalars(select(Notification.id)))
        db.session.rollback()
        services_of(app).sender.deliver(keys)
    (handed,) = server.handed
    return handed.message


@pytest.fixture
def row(make_app: Make) -> Callable[[], Notification]:
    """Add a row; return what reads it."""
    app = make_app(publish=lambda keys, bulk: True)
    with app.app_context():
        pk = make_owed(1)

    def stored() -> Notification:
        with app.app_context():
            found = db.session.get_one(Notification, pk)
            db.session.expunge(found)
            return found

    return stored


def test_an_email_carries_its_id_in_three_places(make_app: Make, row: Callable[[], Notification]) -> None:
    message = try_once(make_app, secret_keys=[OLD, NEW])
    ids, stored = Ids([OLD, NEW]), row()
    made = ids.make(stored.id, "test:1")
    assert message.message_id == f"<n{made}@notifier.example>"
    assert message.notifier_id == made
    assert message.envelope_sender == f"b+{made}@notifier.example"
    assert (stored.message_id, stored.id_key, stored.server_id) == (message.message_id, ids.names[-1], "4F2AB12345")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("bounce-@bounces.example.com", "bounce-{pk}-{mac}@bounces.example.com"), ("hello@notifier.example",) * 2],
)
def test_the_return_path_has_the_form_of_the_setting(
    make_app: Make, row: Callable[[], Notification], setting: str, expected: str
) -> None:
    message = try_once(make_app, mail_bounce_address=setting)
    pk, mac = message.notifier_id.split(".")
    assert message.envelope_sender == expected.format(pk=pk, mac=mac)
    assert message.message_id == f"<n{pk}.{mac}@notifier.example>"


def test_a_key_added_between_two_attempts_does_not_change_the_id(
    make_app: Make, row: Callable[[], Notification], frozen: time_machine.Traveller
) -> None:
    first = try_once(make_app, NO_REPLY, secret_keys=[OLD])
    assert (row().status, row().id_key) == ("pending", Ids([OLD]).names[0])
    frozen.shift(timedelta(hours=1))
    second = try_once(make_app, secret_keys=[OLD, NEW])
    assert (first.message_id, first.notifier_id) == (second.message_id, second.notifier_id)
    assert first.envelope_sender == second.envelope_sender
    assert row().message_id == first.message_id


def test_a_row_whose_key_is_gone_is_signed_anew(
    make_app: Make, row: Callable[[], Notification], frozen: time_machine.Traveller
) -> None:
    first = try_once(make_app, NO_REPLY, secret_keys=[OLD])
    frozen.shift(timedelta(hours=1))
    second = try_once(make_app, secret_keys=[NEW])
    assert first.message_id != second.message_id == row().message_id
    found = read(second.notifier_id)
    assert found is not None
    assert Ids([NEW]).proves(found, pk=row().id, dedupe_key="test:1", key=row().id_key)


def test_the_key_is_stored_before_anything_is_sent(make_app: Make, row: Callable[[], Notification]) -> None:
    seen: list[str | None] = []

    def answer(_: object) -> Outcome:
        seen.append(row().id_key)
        return QUEUED

    app = make_app(publish=lambda keys, bulk: True, secret_keys=[OLD, NEW])
    FakeMailServer(answer).attach(app)
    with app.app_context():
        services_of(app).sender.deliver([row().id])
    assert seen == [Ids([NEW]).names[0]]


def test_the_audit_reads_the_stored_message_id(make_app: Make, row: Callable[[], Notification]) -> None:
    """The sender's domain, and all keys, have changed since."""
    message = try_once(make_app, secret_keys=[OLD])
    app = make_app(publish=lambda keys, bulk: True, secret_keys=[NEW], mail_default_sender="hello@other.example")
    with app.app_context():
        report = services_of(app).audit.of(None, [Seen(message.message_id.strip("<>"))])
    assert report.compared is not None
    assert report.compared.ok, report.compared


def test_the_audit_knows_the_id_of_an_email_under_way(make_app: Make, row: Callable[[], Notification]) -> None:
    """Its Message-ID is not stored yet, but the name of the key is, and the key was replaced since."""
    made = Ids([OLD]).make(row().id, "test:1")
    app = make_app(publish=lambda keys, bulk: True, secret_keys=[OLD, NEW])
    with app.app_context():
        names = Ids([OLD]).names
        ledger.claim(db.session(), [row().id], now=NOON, lease=timedelta(minutes=8), owner="me", id_keys=names)
        db.session.commit()
        report = services_of(app).audit.of(None, [Seen(f"n{made}@notifier.example")])
    assert report.compared is not None
    assert report.compared.strangers.count == 0


def test_reports_are_looked_up_by_index(make_app: Make) -> None:
    app = make_app(publish=lambda keys, bulk: True)
    with app.app_context():
        query = select(func.count()).select_from(Notification).where(Notification.server_id == "4F2AB12345")
        plan = "EXPLAIN" if db.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        if plan == "EXPLAIN":
            db.session.execute(text("SET LOCAL enable_seqscan = off"))
        compiled = query.compile(db.engine, compile_kwargs={"literal_binds": True})
        assert "ix_notifier_notifications_server_id" in str(db.session.execute(text(f"{plan} {compiled}")).all())
