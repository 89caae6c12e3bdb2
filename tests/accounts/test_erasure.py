"""Erasing by address: with an account, without one, and a second time."""

from collections.abc import Callable

import pytest
import time_machine
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import delete, select

from notifier.accounts import erasure
from notifier.cli.main import build
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.models import AuditEntry, Notification, Suppression, SuppressionReason, User
from notifier.operators.audit_log import COMMAND_LINE
from tests.support.applications import make_owed

ADDRESS = "user1@example.com"

Erase = Callable[[], Result]


@pytest.fixture
def erase(app: Flask) -> Erase:
    return lambda: CliRunner().invoke(build(lambda: app), ["person", "erase", ADDRESS.upper(), "--yes"])


def everything(app: Flask) -> str:
    with app.app_context():
        return "".join(repr(row) for table in db.metadata.sorted_tables for row in db.session.execute(select(table)))


def tombstones(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        query = select(AuditEntry.actor, AuditEntry.object_id).where(AuditEntry.action == "person.erased")
        return [(actor, pk) for actor, pk in db.session.execute(query.order_by(AuditEntry.id))]


def test_an_address_that_is_suppressed_again_after_its_erasure_can_be_erased_again(context: Flask) -> None:
    for reason in (SuppressionReason.hard_bounce, SuppressionReason.complaint, SuppressionReason.soft_bounces):
        suppressions.add(db.session(), "ada@example.com", reason=reason, source="email", evidence="x")
        erasure.erase_address(db.session(), "ada@example.com", keys=["k" * 40], by=COMMAND_LINE)
        db.session.commit()
    (row,) = db.session.scalars(select(Suppression)).all()
    assert (row.reason, row.identity_key.startswith(suppressions.CONCEALED)) == ("complaint", True)


def test_the_command_erases_and_says_what_was_before(app: Flask, erase: Erase, frozen: time_machine.Traveller) -> None:
    with app.app_context():
        make_owed(1)
    first, second = erase(), erase()
    assert (first.exit_code, "erased before" in first.output) == (0, False)
    assert "This address was erased before, on 20 Nov 2026 at 12:00 UTC." in second.output
    assert ADDRESS not in everything(app)
    assert tombstones(app) == [("command line", "1"), ("command line", "")]


def test_what_is_kept_of_an_address_without_an_account_goes_too(app: Flask, erase: Erase) -> None:
    with app.app_context():
        make_owed(1, status="failed", last_text=f"<{ADDRESS}> unknown", reason=f"550 <{ADDRESS}> unknown")
        db.session.execute(delete(User))
        suppressions.add(db.session(), ADDRESS, reason=SuppressionReason.manual, source="operator", evidence=ADDRESS)
        db.session.commit()
    assert erase().exit_code == 0
    assert ADDRESS not in everything(app)
    with app.app_context():
        assert db.session.scalars(select(Suppression)).one().identity_key.startswith("erased:")
        assert db.session.scalars(select(Notification)).one().recipient == "erased"
    assert tombstones(app) == [("command line", "")]
