"""What came back, on the pages of the ledger, of a person, of a run, and on the dashboard."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier import clock
from notifier.bounces.reasons import RULES, Reason
from notifier.extensions import db
from notifier.mail.message_ids import Ids
from notifier.models import AuditEntry, Notification, ProviderHold, Role, Status, Suppression
from notifier.observability import totals
from notifier.operators import audit_log
from notifier.services import services_of
from notifier.testing.factories import make_notification, make_user
from notifier.testing.operators import Desk
from tests.support.campaigns import make_campaign, start_run
from tests.support.commands import Run
from tests.support.feedback import event, put_run, take

REASONS = (Reason.USER_UNKNOWN, Reason.MAILBOX_FULL, Reason.AUTHENTICATION, Reason.ABUSE, None)


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    return desk(Role.editor)


def words(page: str) -> str:
    """The text of a page, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def fill(app: Flask, domain: str = "gmail.com", *reasons: Reason | None) -> int:
    """A run whose emails came back for these reasons. Return its key."""
    with app.app_context():
        run = start_run(make_campaign())
        ids, now = Ids(services_of(app).settings.secret_keys), clock.now()
        for number, reason in enumerate(reasons or REASONS, 1):
            user = make_user(f"person{number}@{domain}", verified_at=now)
            sent = {"status": Status.sent, "sent_at": now, "settled_at": now, "id_key": ids.names[-1]}
            pk = make_notification(user, key=f"mail:{number}", run_id=run, **sent)
            if reason is not None:
                take(app, event(ids.make(pk, f"mail:{number}"), reason, source="postmark"))
        db.session.commit()
        return run


def listed(page: str) -> list[int]:
    """The keys of the emails in a list, newest first."""
    return [int(each) for each in re.findall(r'data-label="Email"><a href="[^"]*/(\d+)/"', page)]


def test_the_ledger_says_why_an_email_came_back(app: Flask, here: Desk) -> None:
    fill(app)
    page = here.get("/admin/notifications/").text
    assert "Bounced: the server knows no such mailbox (550 5.1.1)" in page
    assert "Bounced: SPF, DKIM, DMARC or another proof of the sender failed (550 5.1.1)" in page
    assert "The recipient reported the email as spam" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=bounced", [3, 2, 1]),
        ("status=complained", [4]),
        ("reason=user_unknown", [1]),
        ("reason=abuse", [4]),
        ("provider=gmail", [4, 3, 2, 1]),
        ("provider=gmail&status=bounced&run=1", [3, 2, 1]),
        ("provider=microsoft", []),
        ("provider=other", []),
        ("provider=gmail&reason=mailbox_full&email=person2@gmail.com", [2]),
    ],
)
def test_emails_are_found_by_what_came_back(app: Flask, here: Desk, query: str, expected: list[int]) -> None:
    fill(app)
    assert listed(here.get(f"/admin/notifications/?{query}").text) == expected


def test_other_domains_are_found_together(app: Flask, here: Desk) -> None:
    fill(app, "company.example", Reason.USER_UNKNOWN)
    assert listed(here.get("/admin/notifications/?provider=other").text) == [1]


def test_the_page_of_an_email_shows_each_event_and_what_followed(app: Flask, here: Desk) -> None:
    fill(app)
    said = words(here.get("/admin/notifications/1/").text)
    assert "Hard bounce The server knows no such mailbox." in said
    assert "550 5.1.1 no such user" in said
    assert "What followed The address was suppressed." in said
    assert "Postmark, received" in said
    assert "by the return path, with a valid signature" in said
    assert 'href="/admin/suppressions/?email=person1@gmail.com"' in here.get("/admin/notifications/1/").text
    assert "counts towards a series" in words(here.get("/admin/notifications/2/").text)
    assert "counts for the brake of the mailbox provider" in words(here.get("/admin/notifications/3/").text)
    assert "What came back" not in here.get("/admin/notifications/5/").text


def test_the_page_of_a_person_says_what_follows_and_until_when(app: Flask, here: Desk) -> None:
    fill(app)
    said = words(here.get("/admin/people/4/").text)
    assert "Reason Complaint: an email was reported as spam" in said
    assert "Ends never by itself" in said
    assert f"Source Postmark, judged by version {RULES} of the rules" in said
    assert "all campaigns were turned off for this person" in said
    assert "only an admin can remove the suppression" in said


def test_an_admin_lifts_a_complaint_by_typing_the_address(app: Flask, desk: Callable[..., Desk]) -> None:
    fill(app)
    with app.app_context():
        pk = db.session.scalars(select(Suppression.id).where(Suppression.reason == "complaint")).one()
    editor, admin = desk(Role.editor), desk(Role.admin)
    assert (
        editor.send(f"/admin/suppressions/{pk}/lift", {"note": "x", "confirmed": "person4@gmail.com"}).status_code
        == 403
    )
    for typed in ("", "person1@gmail.com", "person4@gmail.com\0"):
        answer = admin.send(f"/admin/suppressions/{pk}/lift", {"note": "she asked", "confirmed": typed})
        assert answer.status_code == 400
        assert 'id="confirmed-wrong"' in answer.text
        assert "she asked" in answer.text
    answer = admin.send(f"/admin/suppressions/{pk}/lift", {"note": "she asked", "confirmed": "Person4@Gmail.com"})
    assert answer.status_code == 303
    with app.app_context():
        assert db.session.get(Suppression, pk) is None
        (entry,) = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "suppression.lifted"))
        assert (entry.before["reason"], entry.after["note"]) == ("complaint", "she asked")


def test_the_list_of_suppressions_shows_reply_rules_and_source(app: Flask, here: Desk) -> None:
    fill(app)
    said = words(here.get("/admin/suppressions/").text)
    assert f"Hard bounce: the address does not exist Postmark rules v{RULES} 550 5.1.1 no such user" in said


def test_the_page_of_a_run_counts_what_came_back(app: Flask, here: Desk) -> None:
    run = fill(app)
    said = words(here.get(f"/admin/runs/{run}/").text)
    assert "Hard bounces 1 Soft bounces 1 Refusals about us 1 Complaints 1" in said
    assert "Gmail 5 not known 1 20.00 % 1 20.00 % 1 20.00 % 1 20.00 %" in said
    assert "more than 2 % of its emails (of 200 at least)" in said
    assert "more than 0.1 % of those to one provider (of 1,000 at least)" in said


def test_a_large_run_is_counted_by_provider_on_request(app: Flask, here: Desk) -> None:
    run = fill(app)
    with app.app_context():
        put_run(run, planned=10_001)
    page = here.get(f"/admin/runs/{run}/").text
    assert "Gmail 5" not in words(page)
    assert f'href="/admin/runs/{run}/came-back"' in page
    assert "Gmail 5 not known 1 20.00 %" in words(here.get(f"/admin/runs/{run}/came-back").text)


def test_a_run_that_a_brake_paused_says_why_and_what_to_do(app: Flask, here: Desk) -> None:
    run = fill(app)
    with app.app_context():
        said = "5 of 200 addresses do not exist, more than 2 %"
        put_run(run, state="paused", reason_code="too_many_dead", reason=said, braked_at=clock.now())
    page = words(here.get(f"/admin/runs/{run}/").text)
    assert f"Paused: {said}. Find out where these addresses come from" in page
    assert "A brake last paused it" in page


def test_the_dashboard_counts_by_provider(app: Flask, here: Desk) -> None:
    fill(app)
    with app.app_context():
        totals.roll_up(db.session, clock.now())
        hold = {"held_since": clock.now(), "next_probe_at": clock.now() + timedelta(minutes=5), "probes": 0}
        for scope, bulk_only in (("microsoft", False), ("gmail", True)):
            db.session.add(
                ProviderHold(
                    key=f"a:{scope}", transport="a", scope=scope, phase="eod", text="no", bulk_only=bulk_only, **hold
                )
            )
        db.session.commit()
    page = here.get("/admin/").text
    assert "Gmail 5 not known 1 20.00 % 1 20.00 % 1 20.00 % 1 20.00 % campaigns paused" in words(page)
    assert "Microsoft 0 not known 0 0 0 0 held" in words(page)
    assert "status=bounced&amp;provider=gmail" in page
    assert "Yahoo" not in page


def test_menu_and_dashboard_say_how_much_waits(app: Flask, here: Desk) -> None:
    assert "waiting</span>" not in here.get("/admin/people/").text
    with app.app_context():
        take(app, event(), event())
    assert re.search(r"Unassigned <span class=\"count\">2<", here.get("/admin/people/").text)
    assert "Waiting for you: 2 events could not be assigned." in words(here.get("/admin/").text)


def test_hostile_texts_are_text(app: Flask, here: Desk) -> None:
    fill(app)
    hostile = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    with app.app_context():
        take(app, event(text=hostile, recipient=f"{hostile}@x.example", enhanced=hostile))
        ids = Ids(services_of(app).settings.secret_keys)
        row = db.session.get_one(Notification, 5)
        take(app, event(ids.make(5, row.dedupe_key), text=hostile, event_id=hostile))
    pages = ("notifications/", "notifications/5/", "people/5/", "suppressions/", "unassigned/", "unassigned/6/assign",
             "unassigned/5/assign", "unassigned/5/dismiss", "runs/1/", "")  # fmt: skip
    seen = 0
    for path in pages:
        page = here.get(f"/admin/{path}").text
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path
        seen += "&lt;script&gt;alert" in page
    assert seen >= 6


SAYS = "1 sent, 3 bounced, 1 complained"


@pytest.mark.parametrize(("state", "stored"), [("sending", None), ("done", {"sent": 1, "bounced": 3, "complained": 1})])
def test_list_and_page_say_the_same_numbers_of_a_run(
    app: Flask, here: Desk, state: str, stored: dict[str, int] | None
) -> None:
    run = fill(app)
    with app.app_context():
        put_run(run, state=state, totals=stored, planned=5)
    assert f"5 {SAYS}" in words(here.get("/admin/runs/").text)
    assert "1 sent 0 failed 3 bounced 1 complained" in words(here.get(f"/admin/runs/{run}/").text)


@pytest.mark.usefixtures("context", "frozen")
def test_the_command_says_the_numbers_of_a_run_as_the_pages_do(app: Flask, run: Run) -> None:
    fill(app)
    assert SAYS in " ".join(run("campaign", "show", "news").output.split())


def test_the_tile_of_the_dashboard_says_that_complaints_are_in_it(app: Flask, here: Desk) -> None:
    fill(app)
    with app.app_context():
        totals.roll_up(db.session, clock.now())
    assert "4 failed, bounced or reported as spam" in words(here.get("/admin/").text)


def test_the_table_by_provider_says_when_it_was_counted(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    fill(app)
    with app.app_context():
        totals.roll_up(db.session, clock.now())
        frozen.shift(timedelta(minutes=4))
        totals.roll_up(db.session, clock.now())
    assert "Numbers as of Fri 20 Nov, 12:00 UTC ; they are counted every five minutes." in words(
        here.get("/admin/").text
    )
    frozen.shift(timedelta(minutes=1))
    with app.app_context():
        totals.roll_up(db.session, clock.now())
    assert "Numbers as of Fri 20 Nov, 12:05 UTC" in words(here.get("/admin/").text)


def test_the_page_of_an_email_counts_what_operators_did(app: Flask, here: Desk) -> None:
    fill(app)
    assert "No entry in the audit log." in words(here.get("/admin/notifications/1/").text)
    with app.app_context():
        for number in (1, 1, 2):
            audit_log.record(db.session(), audit_log.SYSTEM, "x", object_type="notification", object_id=number)
        db.session.commit()
    # The view of the address just now is the third.
    assert "3 entries in the audit log" in words(here.get("/admin/notifications/1/").text)
