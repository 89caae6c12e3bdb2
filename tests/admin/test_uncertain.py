"""Uncertain emails in the admin: found by host, run and campaign, decided many at once."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from notifier import clock, ledger
from notifier.extensions import db
from notifier.models import AuditEntry, Notification, Role
from notifier.testing.operators import Desk
from tests.support.applications import make_owed


@pytest.fixture
def here(desk: Callable[..., Desk]) -> Desk:
    return desk(Role.editor)


def lose(app: Flask, host: str, *numbers: int) -> None:
    with app.app_context():
        pks = [make_owed(number, on_unknown="never", next_attempt_at=clock.now()) for number in numbers]
        owner = ledger.owner_name(host, "0123abcd", 7)
        lease = timedelta(seconds=30)
        ledger.claim(db.session(), pks, now=clock.now(), lease=lease, owner=owner)
        ledger.expire_leases(db.session(), now=clock.now(), lease_now=clock.now() + 2 * lease, limit=100)
        db.session.commit()


def statuses(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(Notification.status).order_by(Notification.id)))


def test_all_of_one_host_are_decided_with_one_answer(app: Flask, here: Desk) -> None:
    assert "No uncertain emails" in here.get("/admin/uncertain/").text
    lose(app, "web-3", 1, 2)
    lose(app, "db-1", 3)
    page = here.get("/admin/uncertain/?host=web-3").text
    assert "Send 2 again" in page
    question = here.get("/admin/uncertain/decide/again?host=web-3").text
    assert "Send 2 emails again?" in question
    before = re.search(r'name="before" value="([^"]+)"', question)
    assert before is not None
    lose(app, "web-3", 4)  # while the question is read
    fields = {"host": "web-3", "run": "", "campaign": "", "before": before[1].replace("&#43;", "+")}
    assert here.send("/admin/uncertain/decide/again", fields).status_code == 303
    assert statuses(app) == ["pending", "pending", "unknown", "unknown"]
    with app.app_context():
        (entry,) = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "notifications.decided"))
        assert (entry.actor, entry.after["emails"], entry.after["host"]) == ("operator 1", 2, "web-3")
    assert here.get("/admin/uncertain/decide/sent?host=web-9").status_code == 302


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/admin/uncertain/decide/sent", {"host": "web-3", "before": "yesterday"}),
        ("/admin/uncertain/decide/sent", {"host": "web-3"}),
        ("/admin/uncertain/decide/nonsense", {"before": "2026-11-20T12:00:00+00:00"}),
        ("/admin/uncertain/decide/sent", {"run": "x", "before": "2026-11-20T12:00:00+00:00"}),
        ("/admin/uncertain/decide/sent", {"host": "h" * 65, "before": "2026-11-20T12:00:00+00:00"}),
    ],
)
def test_nonsense_decides_nothing(app: Flask, here: Desk, path: str, fields: dict[str, str]) -> None:
    lose(app, "web-3", 1)
    assert here.send(path, fields).status_code == 400
    assert statuses(app) == ["unknown"]


def test_a_viewer_sees_and_does_not_decide(app: Flask, desk: Callable[..., Desk]) -> None:
    lose(app, "web-3", 1)
    viewer = desk(Role.viewer)
    page = viewer.get("/admin/uncertain/").text
    assert "web-3" in page
    assert "Send 1 again" not in page
