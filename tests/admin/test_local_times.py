"""Campaigns that go by each recipient's time zone: every page says when the first and the last email goes."""

import html
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier.extensions import db
from notifier.models import CampaignRun, Notification, Role
from notifier.testing.operators import Desk
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, start_run

HOUR = timedelta(hours=1)

#: Saturday at ten, everywhere: first in UTC+14, last in UTC-12. On a clock in UTC that looks like 22 hours from now.
NEXT = SLOT + 25 * HOUR
SAID = "Sat 21 Nov, 10:00 in each recipient's time zone; first 20 Nov 20:00 UTC, last 26 hours later"

#: For what databases do not differ in.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    """The desk of an editor, at NOON."""
    return desk(Role.editor)


@pytest.fixture
def news(app: Flask) -> int:
    """A campaign at ten in each recipient's time zone, with the run of last Friday."""
    with app.app_context():
        campaign = make_campaign(
            title="Local news", cron="0 10 * * *", recipient_local=True, next_slot=NEXT, next_run_at=NEXT - 14 * HOUR
        )
        return start_run(campaign, SLOT + HOUR, state="done", totals={"sent": 3}, finished_at=NOON)


def text_of(here: Desk, path: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.unescape(here.get(path).text)).split())


@pytest.mark.parametrize(
    "path", ["/admin/campaigns/", "/admin/campaigns/1/", "/admin/campaigns/1/edit", "/admin/", "/admin/jobs/"]
)
def test_every_page_says_when_it_goes(here: Desk, news: int, path: str) -> None:
    page = text_of(here, path)
    assert SAID in page
    assert not re.search(r"21 Nov( 2026)?, 10:00 UTC", page)


def test_runs_are_named_by_the_time_that_they_are_for(here: Desk, news: int) -> None:
    day = "20 Nov 2026, 10:00 in each recipient's time zone"
    for path in ("/admin/campaigns/", "/admin/campaigns/1/", "/admin/runs/"):
        assert day in text_of(here, path)
    page = text_of(here, f"/admin/runs/{news}/")
    assert "10:00 in each recipient's time zone; first 19 Nov 20:00 UTC, last 26 hours later" in page


def test_the_week_has_bars_as_long_as_the_runs_take(app: Flask, here: Desk, news: int) -> None:
    with app.app_context():
        make_campaign("global", title="For all at once", cron="0 10 * * 1")
    page = here.get("/admin/").text
    widths = [float(width) for width in re.findall(r'class="mark-span" x="[\d.]+" y="\d+" width="([\d.]+)"', page)]
    hour = (720 - 16) / (7 * 24)
    # Now, there are still ten hours to go of Friday's; the others last 26 hours, unless the week ends.
    assert widths[0] == pytest.approx(10 * hour + 8, abs=0.2)
    assert widths[1] == pytest.approx(26 * hour, abs=0.2)
    assert len(widths) == 8
    assert page.count('class="mark-slot"') == 1
    assert f"<title>Local news: {SAID}" in html.unescape(page)


def test_a_run_by_hand_asks_when_before_it_shows_a_plan(app: Flask, here: Desk, news: int) -> None:
    with app.app_context():
        make_people(2, timezone="Asia/Tokyo")
        make_people(1, timezone="America/New_York")
    page = text_of(here, "/admin/campaigns/1/run")
    assert "Now, to everyone" in page
    assert SAID in page
    assert 'name="plan"' not in here.get("/admin/campaigns/1/run").text
    at_hour = text_of(here, "/admin/campaigns/1/run?for=at-local-hour")
    # By the zones that there are: Tokyo first, New York fourteen hours later.
    assert "Sat 21 Nov, 10:00 in each recipient's time zone; first 21 Nov 01:00 UTC, last 14 hours later" in at_hour
    assert "Now, to everyone at once" in text_of(here, "/admin/campaigns/1/run?for=now")


@pytest.mark.parametrize(("choice", "due"), [("now", {NOON}), ("at-local-hour", {NEXT - 9 * HOUR, NEXT + 5 * HOUR})])
def test_what_was_chosen_is_what_is_sent(app: Flask, here: Desk, news: int, choice: str, due: set[object]) -> None:
    with app.app_context():
        make_people(1, timezone="Asia/Tokyo")
        make_people(1, timezone="America/New_York")
    plan = here.get(f"/admin/campaigns/1/run?for={choice}").text
    names = ("csrf_token", "plan", "slot", "for")
    fields = {name: re.findall(rf'name="{name}" value="([^"]*)"', plan)[-1] for name in names}
    assert fields["for"] == choice
    assert here.post("/admin/campaigns/1/run", fields).status_code == 303
    with app.app_context():
        run = db.session.scalars(select(CampaignRun).order_by(CampaignRun.id.desc())).first()
        assert run is not None
        assert expand(run.id)
        mine = select(Notification.next_attempt_at).where(Notification.run_id == run.id)
        assert set(db.session.scalars(mine)) == due
    assert ("everyone at once" in text_of(here, f"/admin/runs/{run.id}/")) is (choice == "now")


def test_without_an_hour_the_choice_says_why(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign(cron=None, next_slot=None, next_run_at=None, recipient_local=True)
    page = here.get("/admin/campaigns/1/run").text
    assert "has no schedule, so it has no hour" in page
    assert 'value="at-local-hour" required aria-describedby="for-hour-hint" disabled' in page


def test_runs_between_slots_are_shown_to_whom_asks_for_them(app: Flask, here: Desk) -> None:
    with app.app_context():
        campaign = make_campaign(kind="activity_digest")
        regular = start_run(campaign, SLOT, state="done", finished_at=NOON)
        prompt = start_run(campaign, NOON, state="done", finished_at=NOON, trigger="prompt")
    assert f'/admin/runs/{prompt}/"' not in here.get("/admin/runs/").text
    assert f'/admin/runs/{regular}/"' in here.get("/admin/runs/").text
    assert f'/admin/runs/{prompt}/"' in here.get("/admin/runs/?trigger=prompt").text
    assert "as soon as something happened" in text_of(here, f"/admin/runs/{prompt}/")


def test_the_form_says_which_accounts_it_reaches_and_warns_who_chooses_more(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign()
        make_people(3)
        make_people(2, verified_at=None)
    page = here.get("/admin/campaigns/1/edit").text
    assert "Confirmed accounts only" in page
    assert "never confirmed" not in page
    token = here.token("/admin/campaigns/1/edit")
    typed = {"csrf_token": token, "campaign": "1", "verified": "any"}
    chosen = text_of_answer(here.post("/admin/campaigns/preview/audience", typed).text)
    assert "addresses that were never confirmed" in chosen
    reminder = here.get("/admin/campaigns/new?kind=verification_reminder").text
    assert 'name="verified"' not in reminder
    assert "Sent to unconfirmed accounts only" in reminder


def test_the_plan_and_the_page_of_a_campaign_name_both_groups(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign(audience={"verified": "any"})
        make_campaign("usual")
        make_people(3)
        make_people(2, verified_at=None)
    widened, usual = text_of(here, "/admin/campaigns/1/run"), text_of(here, "/admin/campaigns/2/run")
    assert "Confirmed accounts 3 will get it Not confirmed 2 will get it" in widened
    assert "2 of 5 recipients are not confirmed. It goes to addresses that were never confirmed." in widened
    assert "Confirmed accounts 3 will get it Not confirmed 0 will get it, 2 excluded" in usual
    assert "never confirmed" in text_of(here, "/admin/campaigns/1/")
    assert "Audience confirmed accounts only" in text_of(here, "/admin/campaigns/2/")


def text_of_answer(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.unescape(page)).split())
