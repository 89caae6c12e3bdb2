"""Runs in the admin: planned first, started once, watched, paused, cancelled, repaired."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from notifier.admin.campaigns import running
from notifier.extensions import db
from notifier.models import AuditEntry, CampaignRun, Notification, Role, Status, User
from notifier.services import services_of
from notifier.testing.operators import Desk
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, start_run

RUN = "/admin/campaigns/1/run"

#: For what databases do not differ in.
one = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    """The desk of an editor, at NOON."""
    return desk(Role.editor)


def planned(here: Desk, path: str = RUN) -> dict[str, str]:
    """The hidden fields of a plan."""
    page = here.get(path).text
    names = ("csrf_token", "plan", "slot", "for")
    return {name: re.findall(rf'name="{name}" value="([^"]*)"', page)[-1] for name in names}


def runs(app: Flask) -> list[CampaignRun]:
    with app.app_context():
        return list(db.session.scalars(select(CampaignRun).order_by(CampaignRun.id)))


def entries(app: Flask, action: str) -> list[AuditEntry]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


def settle(run_id: int, count: int, status: Status, **values: Any) -> None:
    """Let so many waiting mails of a run come to rest."""
    keys = select(Notification.id).where(Notification.run_id == run_id, Notification.status == "pending").limit(count)
    values = {"status": status.value, "settled_at": NOON, "sent_at": NOON, **values}
    db.session.execute(update(Notification).where(Notification.id.in_(keys)).values(values))
    db.session.commit()


def test_the_plan_comes_first_and_the_button_carries_the_number(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign(audience={"locales": ["en"]}, title="News")
        make_people(3)
        make_people(2, locale="de")
    page = here.get(RUN).text
    assert ">Send 3 emails<" in page
    assert "the campaign is for other languages: en" in page
    assert "user1@example.com" in page
    assert "One thing." in page
    assert 'name="count"' not in page
    assert runs(app) == []
    answer = here.post(RUN, planned(here))
    assert answer.location == "/admin/runs/1/"
    (run,) = runs(app)
    assert (run.state, run.trigger, run.slot) == ("due", "now", NOON)
    (entry,) = entries(app, "run.started")
    assert (entry.actor, entry.object_id, entry.after["planned"]) == ("operator 1", "1", 3)


def test_two_clicks_are_one_run_and_the_second_lands_on_it(
    app: Flask, here: Desk, frozen: time_machine.Traveller
) -> None:
    with app.app_context():
        make_campaign()
        make_people(2)
    plan = planned(here)
    first = here.post(RUN, plan)
    frozen.move_to(NOON + timedelta(seconds=3))
    with app.app_context():
        expand(1)
    second = here.post(RUN, plan)
    assert first.location == second.location == "/admin/runs/1/"
    assert len(runs(app)) == len(entries(app, "run.started")) == 1


def test_two_clicks_at_the_same_moment_are_one_run(app: Flask, here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked before either has written."""
    with app.app_context():
        make_campaign()
        make_people(2)
    plan, look = planned(here), running._run_of
    here.post(RUN, plan)
    answers: list[Any] = [None]
    monkeypatch.setattr(running, "_run_of", lambda *about: answers.pop() if answers else look(*about))
    assert here.post(RUN, plan).location == "/admin/runs/1/"
    assert len(runs(app)) == 1


@one
def test_above_a_hundred_the_number_is_typed(app: Flask, here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "TYPED_ABOVE", 2)
    with app.app_context():
        make_campaign()
        make_people(3)
    assert "Type 3 to confirm" in here.get(RUN).text
    for typed in ("", "2", "33", "three", "-3"):
        answer = here.post(RUN, planned(here) | {"count": typed})
        assert answer.status_code == 400
        assert "That is not the number of emails. Type 3" in answer.text
    assert runs(app) == []
    assert here.post(RUN, planned(here) | {"count": " 3 "}).status_code == 303
    assert len(runs(app)) == 1


@one
@pytest.mark.parametrize("typed", ["1,234", "1234", "1 234", "1.234", "1'234"])
def test_the_number_may_be_typed_as_people_write_it(app: Flask, typed: str) -> None:
    with app.test_request_context("/", method="POST", data={"count": typed}):
        assert running._typed() == 1234


@one
def test_a_plan_that_is_not_true_any_more_sends_nothing(app: Flask, here: Desk, frozen: time_machine.Traveller) -> None:
    with app.app_context():
        make_campaign()
        make_people(2)
    plan = planned(here)
    stale = {
        "another plan": plan | {"plan": "1a2b3c4d-2-00000000"}, "no plan": plan | {"plan": "nonsense"},
        "no slot": plan | {"slot": ""}, "yesterday": plan | {"slot": (NOON - timedelta(days=1)).isoformat()},
        "tomorrow": plan | {"slot": (NOON + timedelta(days=1)).isoformat()},
    }  # fmt: skip
    for name, fields in stale.items():
        answer = here.post(RUN, fields)
        assert answer.status_code == 409, name
        assert "Nothing was sent." in answer.text, name
    with app.app_context():
        make_people(30)
    answer = here.post(RUN, plan)
    assert answer.status_code == 409
    assert ">Send 32 emails<" in answer.text
    assert runs(app) == []
    plan = planned(here)
    for minutes in (20, 40, 61):
        here.get(RUN)
        frozen.move_to(NOON + timedelta(minutes=minutes))
    assert here.post(RUN, plan).status_code == 409


@one
def test_nobody_and_a_paused_campaign_have_no_button(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign()
        make_people(2, verified_at=None)
    page = here.get(RUN).text
    assert "No one would get it" in page
    assert 'type="submit">Send' not in page
    assert here.post(RUN, planned(here)).status_code == 409
    here.send("/admin/campaigns/1/pause")
    assert "Resume it first" in here.get(RUN).text
    assert runs(app) == []


@one
def test_a_missed_slot_may_be_run_once(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign()
        make_people(1)
    assert "For the missed run" in here.get(RUN).text
    plan = planned(here, f"{RUN}?for=newest")
    assert here.post(RUN, plan).status_code == 303
    assert [run.slot for run in runs(app)] == [SLOT]
    assert "For the missed run" not in here.get(RUN).text


def test_the_page_of_a_run_follows_it_to_its_end(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_people(4)
        make_people(2, verified_at=None)
        run_id = start_run(make_campaign())
        path = f"/admin/runs/{run_id}/progress"
        assert "Preparing: 0 % of accounts checked" in here.get(path).text
        expand(run_id)
        assert "0 of 4" in here.get(path).text
        settle(run_id, 2, Status.sent)
        page = here.get(path).text
        assert "50 %" in page
        assert "2 of 4" in page
        assert "2.0 a second" in page
        assert "about 1 second left" in page
        assert "data-final" not in page
        settle(run_id, 1, Status.failed, last_code=550, last_text="no such user", sent_at=None)
        settle(run_id, 1, Status.sent)
        page = here.get(path).text
        assert "100 %" in page
        assert "550 no such user" in page
        assert "the address is not confirmed" in page
        services_of(app).tick.run()
    page = here.get(path).text
    assert "data-final" in page
    assert "100 %" in page
    assert "<html" not in page
    assert f'data-poll="{path}"' in here.get(f"/admin/runs/{run_id}/").text


@one
def test_a_run_without_mails_is_over_at_once_and_a_missed_one_says_why(app: Flask, here: Desk) -> None:
    with app.app_context():
        campaign = make_campaign()
        done = start_run(campaign, state="done", totals={}, finished_at=NOON)
        missed = start_run(
            campaign, SLOT - timedelta(days=1), state="missed", reason="it skips missed runs", finished_at=NOON
        )
    assert "100 %" in here.get(f"/admin/runs/{done}/progress").text
    page = here.get(f"/admin/runs/{missed}/").text
    assert "it skips missed runs" in page
    assert "data-final" in page


def test_a_run_is_paused_resumed_and_cancelled(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_people(3)
        run_id = start_run(make_campaign())
        expand(run_id)
    path = f"/admin/runs/{run_id}/"
    here.send(f"{path}pause")
    page = here.get(path).text
    assert "editor@example.com paused it" in page
    assert ">Resume<" in page
    here.send(f"{path}resume")
    assert runs(app)[0].state == "sending"
    page = here.get(f"{path}cancel").text
    assert "3 waiting emails of news" in page
    assert runs(app)[0].state == "sending"
    for _ in range(2):
        here.send(f"{path}cancel")
    assert runs(app)[0].state == "cancelled"
    with app.app_context():
        assert set(db.session.scalars(select(Notification.status))) == {"cancelled"}
    changes = [len(entries(app, f"run.{what}")) for what in ("paused", "resumed", "cancelled")]
    assert changes == [1, 1, 1]


def test_repair_sends_the_missing_and_nothing_twice(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_people(4)
        run_id = start_run(make_campaign())
        expand(run_id)
        settle(run_id, 4, Status.sent)
        lost = db.session.scalars(select(Notification).order_by(Notification.id)).first()
        assert lost is not None
        db.session.delete(lost)
        db.session.commit()
    path = f"/admin/runs/{run_id}/repair"
    assert "Send to the 1 missed" in here.get(path).text
    here.send(path)
    with app.app_context():
        assert len(db.session.scalars(select(Notification)).all()) == len(db.session.scalars(select(User)).all()) == 4
    assert "missing" in here.get(f"/admin/runs/{run_id}/").text
    assert len(entries(app, "run.repaired")) == 1


def test_the_list_has_filters_and_pages(app: Flask, here: Desk) -> None:
    assert "No runs yet" in here.get("/admin/runs/").text
    with app.app_context():
        news, other = make_campaign(), make_campaign("other")
        for day in range(30):
            start_run(news, SLOT - timedelta(days=day), state="done", totals={"sent": 1200 + day}, finished_at=NOON)
        start_run(other, state="missed")

    def shown(query: str) -> list[int]:
        return [int(pk) for pk in re.findall(r'/admin/runs/(\d+)/">#', here.get(f"/admin/runs/?{query}").text)]

    assert shown("") == list(range(31, 0, -1))
    assert shown("campaign=2") == [31]
    assert shown("state=missed") == [31]
    assert shown("campaign=1&page_size=25") == list(range(30, 5, -1))
    assert shown("campaign=1&page_size=25&before=6") == [5, 4, 3, 2, 1]
    assert here.get("/admin/runs/?state=nonsense").status_code == 400
    assert "1,229" in here.get("/admin/runs/").text
    assert "No matching runs" in here.get("/admin/runs/?state=paused").text


@one
def test_viewers_watch_runs_and_touch_none(
    app: Flask, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    viewer = desk(Role.viewer)
    with app.app_context():
        run_id = start_run(make_campaign(), state="sending")
    page = viewer.get(f"/admin/runs/{run_id}/").text
    assert ">Pause<" not in page
    for what in ("pause", "resume", "cancel", "repair"):
        assert viewer.send(f"/admin/runs/{run_id}/{what}").status_code == 403
    assert runs(app)[0].state == "sending"


@one
def test_a_post_without_a_token_changes_nothing(app: Flask, here: Desk) -> None:
    with app.app_context():
        run_id = start_run(make_campaign(), state="sending")
    for what in ("pause", "cancel", "repair"):
        assert here.post(f"/admin/runs/{run_id}/{what}", {}).status_code == 400
    assert runs(app)[0].state == "sending"
