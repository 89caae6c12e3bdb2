"""The audit log holds no address but can be searched by one; viewing addresses and erasing leave entries."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, text

from notifier.admin.kit import traces
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.models import AuditEntry, Role, Suppression, SuppressionReason, User
from notifier.operators import audit_log
from notifier.operators.audit_log import About
from notifier.testing.operators import Desk
from tests.admin.test_authz import ARGUMENTS, rules
from tests.support.applications import make_owed, make_user
from tests.support.campaigns import make_campaign, start_run

CANARY = "canary@nest.example"


def entries(app: Flask, action: str = traces.ACTION) -> list[AuditEntry]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)))


@pytest.fixture
def person(app: Flask) -> int:
    """The canary, with an email, an activity of theirs and a suppression."""
    with app.app_context():
        pk = make_owed(1)
        user = db.session.scalars(select(User)).one()
        user.email = user.identity_key = CANARY
        db.session.execute(text("UPDATE notifier_notifications SET recipient = :to"), {"to": CANARY})
        suppressions.add(
            db.session(), CANARY, reason=SuppressionReason.hard_bounce, source="smtp", evidence="550 unknown"
        )
        db.session.commit()
        start_run(make_campaign())
        assert pk == 1
        return user.id


@pytest.mark.parametrize("role", list(Role))
def test_no_page_shows_an_address_without_a_trace(
    app: Flask, person: int, desk: Callable[..., Desk], role: Role, frozen: time_machine.Traveller
) -> None:
    here, shown = desk(role), 0
    for rule, path in rules(app, "GET"):
        frozen.shift(traces.AGAIN_AFTER)
        before = _traces(app, path)
        answer = here.get(path)
        if CANARY in answer.text:
            shown += 1
            assert _traces(app, path) == before + 1, rule.rule
    assert shown >= 5
    assert ARGUMENTS["pk"] == person


def _traces(app: Flask, path: str) -> int:
    """How many entries say that addresses were shown, or taken along: of a list, or of one person."""
    exports = {f"{path.split('/')[2]}.exported", "person.exported"}
    return len(entries(app)) + sum(len(entries(app, action)) for action in exports)


def test_the_same_look_leaves_one_entry_in_ten_minutes(
    app: Flask, person: int, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    here = desk(Role.viewer)
    for _ in range(3):
        here.get("/admin/people/")
    here.get("/admin/people/?before=100")
    looks = [(entry.actor, entry.object_type, entry.after) for entry in entries(app)]
    assert looks == [
        ("operator 1", "people", {"addresses": 1}), ("operator 1", "people", {"addresses": 1, "before": "100"})
    ]  # fmt: skip
    frozen.shift(traces.AGAIN_AFTER + timedelta(seconds=1))
    here.get("/admin/people/")
    assert len(entries(app)) == 3


def test_an_address_finds_its_entries_under_every_key(
    make_app: Callable[..., Flask], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = "the-old-key-that-is-long-enough", "the-new-key-that-is-long-enough"
    app = make_app(secret_keys=[old])
    with app.app_context():
        audit_log.record(db.session(), audit_log.SYSTEM, "suppression.added", about=About.address(CANARY, [old]))
        audit_log.record(db.session(), audit_log.SYSTEM, "person.erased", about=About.address(CANARY, [old, new]))
        audit_log.record(db.session(), audit_log.SYSTEM, "other", about=About.address("x" + CANARY, [old]))
        db.session.commit()
        about = select(AuditEntry.action).where(audit_log.is_about(CANARY, [old, new]))
        assert set(db.session.scalars(about)) == {"suppression.added", "person.erased"}


def test_the_page_finds_an_address_and_shows_who_did_it(app: Flask, person: int, desk: Callable[..., Desk]) -> None:
    here = desk()
    here.get(f"/admin/notifications/export.csv?email={CANARY}&status=pending&x={CANARY}")
    page = here.get("/admin/audit/?address=Canary@NEST.example&action=notifications.exported").text
    assert page.count("notifications.exported</td>") == 1
    assert 'class="address">admin@example.com' in page
    assert "not an email address" in here.get("/admin/audit/?address=canary").text
    (entry,) = entries(app, "notifications.exported")
    assert entry.after == {"filter": {"status": "pending"}}
    assert CANARY not in f"{entry.before}{entry.after}{entry.object_id}{entry.actor}"


def test_the_page_offers_each_action_once_in_order(app: Flask, desk: Callable[..., Desk]) -> None:
    here = desk()
    with app.app_context():
        for action in ("run.paused", "a", "person.erased", "a", "run", "run.paused", "person.erased"):
            audit_log.record(db.session(), audit_log.SYSTEM, action)
        db.session.commit()
        there = sorted(set(db.session.scalars(select(AuditEntry.action))))
    field = here.get("/admin/audit/").text.partition('name="action"')[2].partition("</select>")[0]
    assert re.findall(r'<option value="([^"]+)"', field) == there
    assert {"a", "run", "run.paused", "person.erased"} < set(there)


@pytest.mark.parametrize(
    "values", [{"note": f"{CANARY} asked"}, {CANARY: [f"a <{CANARY}>"]}, {"u": "x?e=canary%40nest.example"}]
)
def test_no_entry_holds_an_address(app: Flask, values: dict[str, Any]) -> None:
    with app.app_context():
        audit_log.record(db.session(), audit_log.Actor(CANARY), "test", object_id=CANARY, before=values)
        db.session.commit()
        (row,) = db.session.execute(select(AuditEntry.__table__))
    assert "nest.example" not in repr(row)
    assert "<address>" in repr(row.before)


def test_only_an_admin_lifts_a_complaint(app: Flask, person: int, desk: Callable[..., Desk]) -> None:
    with app.app_context():
        db.session.scalars(select(Suppression)).one().reason = SuppressionReason.complaint.value
        db.session.commit()
    editor, path = desk(Role.editor), "/admin/suppressions/1/lift"
    assert path not in editor.get("/admin/suppressions/").text
    assert "only an admin" in editor.get(f"/admin/people/{person}/").text
    assert editor.get(path).status_code == 403
    refused = editor.send(path, {"note": "they asked"})
    assert (refused.status_code, "only an admin can remove" in refused.text) == (403, True)
    assert entries(app, "suppression.lifted") == []
    admin = desk(Role.admin)
    assert path in admin.get("/admin/suppressions/").text
    assert admin.send(path, {"note": "they asked", "confirmed": CANARY}).status_code == 303
    assert len(entries(app, "suppression.lifted")) == 1


def test_erasing_leaves_a_tombstone_by_every_way_and_says_when_it_was(
    app: Flask, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    with app.app_context():
        pk = make_user(CANARY).id  # without any email, activity or suppression
    here = desk()
    erase = f"/admin/people/{pk}/erase"
    assert here.send(erase, {"email": CANARY}).status_code == 303
    again = here.send(erase, {"email": CANARY})
    assert (again.status_code, "was erased on 20 Nov 2026 at 12:00 UTC" in again.text) == (404, True)
    assert "It was erased on 20 Nov 2026 at 12:00 UTC" in here.get(f"/admin/people/?email={CANARY}").text
    assert [entry.object_id for entry in entries(app, audit_log.ERASED)] == [str(pk)]
