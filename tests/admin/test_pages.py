"""What the pages show and do: empty, full, decided, erased, suppressed, counted."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from notifier import clock, retention
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.models import (
    Activity,
    Attempt,
    AuditEntry,
    Notification,
    ProviderHold,
    Role,
    Status,
    Suppression,
    SuppressionReason,
    TaskResult,
    TaskState,
    User,
)
from notifier.observability import totals
from notifier.observability.failures import failures
from notifier.observability.queues import BrokerAway, BrokerState, Queue, Rejected, RejectedMessage, Waiting
from notifier.operators import audit_log
from notifier.testing.operators import Desk
from tests.support.applications import NOON, make_owed, make_user
from tests.support.services import replace_services

HOUR = timedelta(hours=1)

PAGES = (
    "", "notifications/", "people/", "suppressions/", "failures/", "queue/", "held/", "tasks/", "jobs/",
    "health/", "audit/",
    "account/", "account/second-factor", "?days=90", "failures/?days=30",
)  # fmt: skip


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller, app: Flask) -> Desk:
    """The desk of an administrator, at NOON."""
    replace_services(app, probes=list)
    return desk()


def stored(app: Flask, number: int = 1, **values: Any) -> int:
    with app.app_context():
        return make_owed(number, **values)


def settled(app: Flask, number: int, status: Status, **values: Any) -> int:
    return stored(app, number, **({"status": str(status), "settled_at": NOON} | values))


def row(app: Flask, pk: int) -> Notification:
    with app.app_context():
        return db.session.get_one(Notification, pk)


def entries(app: Flask, action: str) -> list[AuditEntry]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


def test_every_page_works_while_there_is_nothing(here: Desk) -> None:
    for path in PAGES:
        answer = here.get(f"/admin/{path}")
        assert answer.status_code == 200, path
        assert answer.text.count("<h1") == 1, path
        assert "style=" not in answer.text, path
        assert 'lang="en"' in answer.text, path
    for path, words in {
        "notifications/": "No emails yet",
        "people/": "No people yet",
        "tasks/": "No tasks yet",
        "failures/": "No failures",
        "suppressions/": "No suppressed addresses",
    }.items():
        assert words in here.get(f"/admin/{path}").text


def test_the_menu_has_the_order_of_the_house_and_marks_the_page(here: Desk) -> None:
    page = here.get("/admin/people/").text.partition("<main")[0]
    titles = ["Dashboard", "Find", "Notifications", "People", "Suppressions", "Failures", "System", "Queue", "Tasks"]
    places = [page.index(f">{title}<") for title in titles]
    assert places == sorted(places)
    assert page.count('aria-current="page"') == 2  # once for phones, once for desks


def test_a_person_is_found_by_any_spelling_of_the_whole_address(app: Flask, here: Desk) -> None:
    with app.app_context():
        pk = make_user("ada@example.com").id
    assert here.get("/admin/people/?email=%20ADA@Example.COM").location == f"/admin/people/{pk}/"
    assert "No account has this address" in here.get("/admin/people/?email=ad@example.com").text
    assert "no @" in here.get("/admin/people/?email=ada").text


def test_lists_go_page_by_page_both_ways_without_a_gap(app: Flask, here: Desk) -> None:
    with app.app_context():
        db.session.add_all(User(email=f"u{n}@example.com", identity_key=f"u{n}@example.com") for n in range(60))
        db.session.commit()

    def shown(path: str) -> tuple[list[str], dict[str, str]]:
        page = here.get(path).text
        links = {
            rel: page.partition(f'rel="{rel}" href="')[2].partition('"')[0].replace("&amp;", "&")
            for rel in ("prev", "next")
        }
        return [part.partition("<")[0] for part in page.split('/">u')[1:]], links

    first, links = shown("/admin/people/?page_size=25")
    assert not links["prev"]
    second, more = shown(links["next"])
    third, last = shown(more["next"])
    assert [int(name.partition("@")[0]) for name in first + second + third] == list(range(59, -1, -1))
    assert not last["next"]
    assert shown(last["prev"])[0] == second
    assert shown(more["prev"])[0] == first


@pytest.mark.parametrize(
    ("query", "found"),
    [("status=sent", [2]), ("email=user1@example.com", [1]), ("kind=verification&status=failed", [3]),
     ("kind=monthly_report", []), ("campaign=7", [2]), ("run=5", [3]),
     ("email=nobody@example.com", []), ("", [3, 2, 1])],
)  # fmt: skip
def test_mails_are_found_by_exact_filters(app: Flask, here: Desk, query: str, found: list[int]) -> None:
    stored(app, 1)
    settled(app, 2, Status.sent, campaign_id=7)
    settled(app, 3, Status.failed, run_id=5)
    page = here.get(f"/admin/notifications/?{query}").text
    assert [int(part.partition("<")[0]) for part in page.split('/">#')[1:]] == found


def test_a_search_without_an_index_looks_at_so_many_rows_and_says_so(
    app: Flask, here: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.admin.people.search.WINDOW", 2)
    for number in range(1, 6):
        settled(app, number, Status.sent, campaign_id=7 if number < 3 else 8)
    page = here.get("/admin/notifications/?campaign=7").text
    assert "/notifications/1/" not in page
    for _ in range(2):
        assert "Searched back to" in page
        page = here.get(page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")).text
    assert '/notifications/1/">#1' in page


def test_a_mail_shows_what_happened_and_what_it_looks_like(app: Flask, here: Desk) -> None:
    pk = settled(app, 1, Status.sent, sent_at=NOON, last_code=250, last_text="queued as 1")
    with app.app_context():
        db.session.add(Attempt(notification_id=pk, claim=1, decision="RETRY", code=451, text="try later", at=NOON))
        db.session.commit()
    page = here.get(f"/admin/notifications/{pk}/").text
    assert "451 try later" in page
    assert "250 queued as 1" in page
    assert "Confirm your email address" in page
    assert f'src="/admin/notifications/{pk}/mail"' in page
    assert "sandbox" in page


def test_the_mail_in_the_frame_is_inert_and_its_links_open_nothing(app: Flask, here: Desk) -> None:
    pk = stored(app, 1)
    answer = here.get(f"/admin/notifications/{pk}/mail")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "sandbox" in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    link = answer.text.partition('href="http://notifier.test/verify/')[2].partition('"')[0]
    assert link
    assert Desk(app).get(f"/verify/{link}").status_code == 404


def test_a_mail_of_nobody_says_why_it_cannot_be_shown(app: Flask, here: Desk) -> None:
    pk = settled(app, 1, Status.sent)
    with app.app_context():
        db.session.execute(delete(User))
        db.session.commit()
    assert "account of this email was deleted" in here.get(f"/admin/notifications/{pk}/").text
    assert "account of this email was deleted" in here.get(f"/admin/notifications/{pk}/mail").text


@pytest.mark.parametrize(("decision", "becomes"), [("again", Status.pending), ("sent", Status.sent)])
def test_somebody_decides_once_about_an_unknown_mail(app: Flask, here: Desk, decision: str, becomes: Status) -> None:
    pk = settled(app, 1, Status.unknown)
    path = f"/admin/notifications/{pk}/decide/{decision}"
    assert here.get(path).status_code == 200
    assert row(app, pk).status == Status.unknown
    for _ in range(2):
        assert here.send(path).status_code == 303
    assert row(app, pk).status == becomes
    assert "admin@example.com decided" in str(row(app, pk).reason)
    (entry,) = entries(app, "notification.decided")
    assert (entry.before, entry.after) == ({"status": "unknown"}, {"status": str(becomes)})


@pytest.mark.parametrize("status", [Status.failed, Status.sent, Status.pending, Status.bounced])
def test_what_is_known_is_not_decided(app: Flask, here: Desk, status: Status) -> None:
    pk = stored(app, 1, status=str(status))
    here.send(f"/admin/notifications/{pk}/decide/again")
    assert here.send(f"/admin/notifications/{pk}/decide/nonsense").status_code == 400
    assert row(app, pk).status == status
    assert entries(app, "notification.decided") == []


def test_a_suppression_is_added_found_and_lifted_with_a_note(app: Flask, here: Desk) -> None:
    assert here.send("/admin/suppressions/add", {"email": "ada@example.com", "note": ""}).status_code == 400
    assert here.send("/admin/suppressions/add", {"email": "nonsense", "note": "asked"}).status_code == 400
    here.send("/admin/suppressions/add", {"email": "Ada@example.com", "note": "asked by phone"})
    assert "asked by phone" in here.get("/admin/suppressions/?email=ada@example.com").text
    with app.app_context():
        pk = db.session.scalars(select(Suppression.id)).one()
    assert here.send(f"/admin/suppressions/{pk}/lift", {"note": " "}).status_code == 400
    assert here.send(f"/admin/suppressions/{pk}/lift", {"note": "changed her mind"}).status_code == 303
    assert "It can receive email" in here.get("/admin/suppressions/?email=ada@example.com").text
    (lifted,) = entries(app, "suppression.lifted")
    assert lifted.after == {"note": "changed her mind"}
    assert "example" not in str(lifted.before)


def test_erasing_leaves_nothing_of_the_person_but_the_suppression(app: Flask, here: Desk) -> None:
    pk = settled(app, 1, Status.bounced, last_text="<user1@example.com> unknown", params={"a": 1})
    with app.app_context():
        user_id = db.session.scalars(select(User.id)).one()
        db.session.add(Activity(user_id=user_id, kind="like", actor="somebody"))
        db.session.add(Attempt(notification_id=pk, claim=1, decision="BOUNCE", text="<user1@example.com> unknown"))
        suppressions.add(
            db.session(), "user1@example.com", reason=SuppressionReason.complaint, source="report", evidence="x"
        )
        db.session.commit()
    assert here.send(f"/admin/people/{user_id}/erase", {"email": "user2@example.com"}).status_code == 400
    assert here.send(f"/admin/people/{user_id}/erase", {"email": "user1@example.com"}).status_code == 303
    with app.app_context():
        everything = "".join(
            repr(found) for table in db.metadata.sorted_tables for found in db.session.execute(select(table))
        )
    assert "user1@example.com" not in everything
    assert row(app, pk).status == Status.bounced
    assert [entry.object_id for entry in entries(app, "person.erased")] == [str(user_id)]


def test_a_person_of_an_application_without_an_address_is_shown_and_erased(app: Flask, here: Desk) -> None:
    with app.app_context():
        db.session.add(User(external_id="42", email="", identity_key=""))
        db.session.commit()
        pk = db.session.scalars(select(User.id)).one()
    for path in ("", f"{pk}/", f"{pk}/erase"):
        assert f"no address ({pk})" in here.get(f"/admin/people/{path}").text
    assert here.send(f"/admin/people/{pk}/erase", {"email": ""}).status_code == 400
    assert here.send(f"/admin/people/{pk}/erase", {"email": f"no address ({pk})"}).status_code == 303
    with app.app_context():
        (left,) = db.session.scalars(select(User)).all()
        assert (left.external_id, left.id != pk) == ("42", True)
    for path in (pk, left.id):
        answer = here.get(f"/admin/people/{path}/")
        assert (answer.status_code, "This person was erased on" in answer.text) == (404, True)
    assert f"({left.id})" not in here.get("/admin/people/").text
    assert here.get("/admin/people/export.csv").text.count("\n") == 1


def test_who_was_erased_and_suppressed_is_suppressed_when_they_come_back(app: Flask, here: Desk) -> None:
    stored(app, 1)
    with app.app_context():
        suppressions.add(
            db.session(), "user1@example.com", reason=SuppressionReason.complaint, source="report", evidence="x"
        )
        db.session.commit()
        user_id = db.session.scalars(select(User.id)).one()
    here.send(f"/admin/people/{user_id}/erase", {"email": "user1@example.com"})
    assert row(app, 1).status == Status.cancelled
    Desk(app, "203.0.113.9").sign_up("user1@example.com")
    with app.app_context():
        found = suppressions.find(db.session(), "user1@example.com")
        assert found is not None
        assert found.reason == SuppressionReason.complaint


def test_a_person_is_not_erased_while_a_mail_to_them_is_on_its_way(app: Flask, here: Desk) -> None:
    stored(app, 1, status=str(Status.sending), lease_until=NOON + HOUR)
    here.send("/admin/people/1/erase", {"email": "user1@example.com"})
    assert "being sent right now" in here.get("/admin/people/1/").text
    assert row(app, 1).recipient == "user1@example.com"


def test_failures_that_differ_in_address_and_queue_id_are_one(app: Flask, here: Desk) -> None:
    for number in (1, 2, 3):
        said = f"<user{number}@example.com>: unknown (queue 4A7F2B9{number})"
        settled(app, number, Status.failed, last_code=550, last_enhanced="5.1.1", last_text=said)
    settled(app, 4, Status.failed, last_code=552, last_text="full")
    settled(app, 5, Status.failed, last_code=550, settled_at=NOON - timedelta(days=8))
    with app.app_context():
        found = failures(db.session(), since=NOON - timedelta(days=7))
    assert [(group.code, group.emails) for group in found.groups] == [(550, 3), (552, 1)]
    assert found.groups[0].words == "<address>: unknown (queue …)"
    assert (found.emails, found.others) == (4, 0)
    assert "&lt;address&gt;: unknown" in here.get("/admin/failures/").text


@pytest.mark.parametrize("late", [False, True])
def test_daily_totals_count_each_mail_once_and_late_ones_too(
    app: Flask, frozen: time_machine.Traveller, late: bool
) -> None:
    """Counted twice at once, in any order, and after a long pause: the same."""

    def at(moment: timedelta, number: int, status: Status, **values: Any) -> None:
        settled(app, number, status, settled_at=NOON + moment, **values)

    at(-3 * HOUR, 1, Status.sent, sent_at=NOON - 3 * HOUR)
    at(-timedelta(minutes=5), 2, Status.failed)
    with app.app_context():
        totals.roll_up(db.session, clock.now())
        if late:
            # A transaction that committed late, and a bounce of what was counted as sent.
            at(-timedelta(minutes=50), 3, Status.skipped)
            at(timedelta(minutes=1), 4, Status.bounced, sent_at=NOON - timedelta(days=1))
        frozen.shift(HOUR)
        totals.roll_up(db.session, clock.now())
        totals.roll_up(db.session, clock.now())
        days = {each.day.day: dict(each.counts) for each in totals.by_day(db.session(), days=2, now=clock.now())}
    expected = {"sent": 1, "failed": 1} | ({"skipped": 1, "bounced": 1} if late else {})
    assert days[20] == expected


def test_a_bounce_leaves_the_hour_in_which_it_was_sent(app: Flask, frozen: time_machine.Traveller) -> None:
    with app.app_context():
        make_owed(1, status=str(Status.bounced), sent_at=NOON - 2 * HOUR, settled_at=NOON)
        make_owed(2, status=str(Status.sent), sent_at=NOON - 3 * HOUR, settled_at=NOON - 3 * HOUR)
        totals.roll_up(db.session, clock.now())
        (today,) = totals.by_day(db.session(), days=1, now=clock.now())
    assert dict(today.counts) == {"sent": 2, "bounced": 1}


def test_the_dashboard_shows_what_waits_and_what_is_unknown(app: Flask, here: Desk) -> None:
    stored(app, 1)
    settled(app, 2, Status.unknown)
    settled(app, 3, Status.sent, sent_at=NOON)
    with app.app_context():
        totals.roll_up(db.session, clock.now())
    page = here.get("/admin/").text
    assert "<strong>1</strong> <span>sent</span>" in page
    assert "<strong>1</strong> <span>overdue</span>" in page
    assert "<strong>0</strong> <span>scheduled</span>" in page
    assert "<strong>1</strong> <span>needs a decision</span>" in page
    assert "The scheduler is not running" in page
    assert "<svg" in page
    fragment = here.get("/admin/now", headers={"X-Poll": "1"}).text
    assert "<html" not in fragment
    assert "<span>scheduled</span>" in fragment


def test_the_dashboard_names_a_provider_that_refuses_us(app: Flask, here: Desk) -> None:
    waiting = {"reason_code": "provider_held", "reason": "Microsoft refuses our emails", "hold_key": "smtp:microsoft"}
    stored(app, 1, **waiting)
    stored(app, 2, **waiting)
    with app.app_context():
        hold = ProviderHold(
            key="smtp:microsoft",
            transport="smtp",
            scope="microsoft",
            held_since=NOON,
            phase="eod",
            code=550,
            enhanced="5.7.515",
            text="Access denied, <b>sending domain</b>",
            next_probe_at=NOON + timedelta(minutes=2),
            probes=1,
        )
        db.session.add(hold)
        db.session.commit()
    for page in (here.get("/admin/").text, here.get("/admin/now", headers={"X-Poll": "1"}).text):
        assert "<strong>Microsoft</strong> has refused our emails (through smtp) since" in page
        assert 'It said: <span class="reply">550 5.7.515 Access denied, &lt;b&gt;sending domain&lt;/b&gt;' in page
        assert "2 emails wait" in page
        assert 'href="https://sendersupport.olc.protection.outlook.com/pm/"' in page
        assert "deadline" in page


def test_a_refusing_provider_that_no_email_waits_for_announces_no_test_email(app: Flask, here: Desk) -> None:
    with app.app_context():
        said = {"phase": "eod", "code": 550, "enhanced": "5.7.515", "text": "5.7.515 denied"}
        times = {"held_since": NOON, "next_probe_at": NOON + timedelta(minutes=59), "probes": 0}
        db.session.add(ProviderHold(key="a:yahoo", transport="a", scope="yahoo", **said, **times))
        db.session.commit()
    page = here.get("/admin/now").text
    assert "No email waits at present. Of those that come, one is sent as a test <time" in page
    assert "0 emails" not in page
    assert ">550 5.7.515 denied<" in page


def test_the_queue_page_says_what_waits_and_what_to_do_without_a_broker(app: Flask, here: Desk) -> None:
    waiting = Queue("bulk", 12, [Waiting("notifier.deliver_batch", "#1, #2")])
    replace_services(app, queues=lambda: BrokerState([waiting, Queue("control", 3, None)], Rejected(0, [])))
    page = here.get("/admin/queue/").text
    assert "12 messages" in page
    assert "#1, #2" in page
    assert "RabbitMQ can\u2019t show messages" in page

    def away() -> None:
        raise BrokerAway("The broker does not answer (ConnectionError).")

    replace_services(app, queues=away)
    assert "The broker does not answer" in here.get("/admin/queue/now").text


def test_the_queue_page_shows_the_messages_that_no_worker_could_run(app: Flask, here: Desk) -> None:
    newest = [
        RejectedMessage(
            clock.now() - timedelta(minutes=5), "bulk", "notifier.deliver_batch", "its task is unknown", 1234
        ),
        RejectedMessage(None, "", "", "<b>no</b>", 0),
    ]
    replace_services(app, queues=lambda: BrokerState([], Rejected(17, newest)))
    page = here.get("/admin/queue/now").text
    assert 'Rejected messages <span class="muted">17</span>' in page
    for said in ("5 minutes ago", "its task is unknown", "1,234", "&lt;b&gt;no&lt;/b&gt;", "The newest 2 are shown"):
        assert said in page


def test_tasks_are_found_by_state_and_name(app: Flask, here: Desk) -> None:
    with app.app_context():
        for number, state in enumerate((TaskState.SUCCESS, TaskState.FAILURE)):
            db.session.add(
                TaskResult(task_id=f"t{number}", name="notifier.sweep", state=str(state), result={"enqueued": 3})
            )
        db.session.commit()
    assert here.get("/admin/tasks/?state=FAILURE").text.count("<code>notifier.sweep</code>") == 1
    assert "enqueued 3" in here.get("/admin/tasks/?name=notifier.sweep&state=SUCCESS").text
    assert "No matching tasks" in here.get("/admin/tasks/?name=nothing").text


def test_a_job_is_run_by_an_administrator_and_written_down(app: Flask, here: Desk) -> None:
    ran: list[str] = []
    replace_services(app, run_now=ran.append)
    assert here.send("/admin/jobs/sweep/run").status_code == 303
    assert here.send("/admin/jobs/nonsense/run").status_code == 404
    assert ran == ["sweep"]
    assert [entry.object_id for entry in entries(app, "job.run")] == ["sweep"]


def test_the_audit_log_is_only_ever_added_to(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    """The database itself refuses an update; the purge removes what is a year old, and nothing younger."""
    with app.app_context():
        for statement in (
            update(AuditEntry).values(actor="somebody else"),
            text("UPDATE notifier_audit_entries SET actor = 'somebody else'"),
        ):
            with pytest.raises(DBAPIError, match="only ever added to"):
                db.session.execute(statement)
            db.session.rollback()
        entry = db.session.scalars(select(AuditEntry)).first()
        db.session.delete(entry)
        with pytest.raises(TypeError, match="only ever added to"):
            db.session.flush()
        db.session.rollback()
        before = len(db.session.scalars(select(AuditEntry)).all())
        frozen.shift(audit_log.KEEP)
        assert retention.purge(db.session)["audit_entries"] == 0
        frozen.shift(timedelta(seconds=1))
        assert retention.purge(db.session)["audit_entries"] == before


def test_secrets_never_reach_the_audit_log(app: Flask) -> None:
    with app.app_context():
        audit_log.record(
            db.session(), audit_log.SYSTEM, "test", before={"password_hash": "a", "same": 1, "name": "x"},
            after={"totp_secret": "b", "same": 1, "name": "y" * 1000},
        )  # fmt: skip
        db.session.commit()
        entry = db.session.scalars(select(AuditEntry)).one()
    assert entry.before == {"name": "x"}
    assert set(entry.after) == {"name"}
    assert len(entry.after["name"]) == audit_log.MAX_TEXT


def test_a_viewer_sees_no_button_that_would_refuse(app: Flask, desk: Callable[..., Desk]) -> None:
    pk = settled(app, 1, Status.unknown)
    viewer = desk(Role.viewer)
    pages: Iterator[str] = (
        viewer.get(path).text
        for path in ("/admin/suppressions/", f"/admin/notifications/{pk}/", "/admin/people/1/", "/admin/jobs/")
    )
    for page in pages:
        main = page.partition("<main")[2]
        assert "data-dialog" not in main.partition("<dialog")[0]
        assert 'method="post"' not in main
        assert "Export" not in main
