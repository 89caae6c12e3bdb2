"""A run that a brake paused: where an operator looks, it is named with its reason and with what to do."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from notifier import clock
from notifier.extensions import db
from notifier.models import CampaignRun, Role, RunState
from notifier.testing.operators import Desk
from tests.admin.test_came_back import words
from tests.support.campaigns import make_campaign, run_row, start_run
from tests.support.commands import Run
from tests.support.feedback import put_run

DEAD = "5 of 200 addresses do not exist, more than 2 %"


@pytest.fixture
def braked(app: Flask, frozen: time_machine.Traveller) -> int:
    """A run that its dead addresses paused ten minutes ago."""
    with app.app_context():
        run = start_run(make_campaign(name="news", title="The news"))
        ago = clock.now() - timedelta(minutes=10)
        put_run(run, state="paused", resume_to="sending", reason_code="too_many_dead", reason=DEAD, braked_at=ago)
    return run


@pytest.mark.parametrize("path", ["/admin/", "/admin/now"])
def test_the_dashboard_names_it(desk: Callable[..., Desk], braked: int, path: str) -> None:
    page = desk(Role.viewer).get(path).text
    assert f"a brake paused run #{braked} of The news 10 minutes ago : {DEAD}. Find out where" in words(page)
    assert f'<a href="/admin/runs/{braked}/">resume or cancel the run</a>' in page


def test_the_campaigns_of_the_dashboard_say_that_the_last_run_is_paused(desk: Callable[..., Desk], braked: int) -> None:
    assert "Last run paused :" in words(desk(Role.viewer).get("/admin/").text)


def test_health_says_which_why_since_when_and_what_to_do(desk: Callable[..., Desk], braked: int) -> None:
    page = words(desk(Role.viewer).get("/admin/health/").text)
    since = f"{clock.now() - timedelta(minutes=10):%Y-%m-%d %H:%M} UTC"
    assert f"run {braked} failing of news, paused since {since}: {DEAD}; find out where these addresses" in page
    assert f"run notifier campaign resume news --run {braked}, or notifier campaign cancel news --run" in page


def test_the_page_of_the_campaign_resumes_the_run(app: Flask, desk: Callable[..., Desk], braked: int) -> None:
    with app.app_context():
        campaign = run_row(braked).campaign_id
    page = desk(Role.editor).get(f"/admin/campaigns/{campaign}/").text
    assert f"Run #{braked} is paused: {DEAD}." in words(page)
    assert f'action="/admin/runs/{braked}/resume"' in page
    viewer = desk(Role.viewer)
    assert "/resume" not in viewer.get(f"/admin/campaigns/{campaign}/").text
    assert DEAD in viewer.get("/admin/campaigns/").text


def test_complaints_at_one_provider_count_since_their_brake(app: Flask, desk: Callable[..., Desk], braked: int) -> None:
    with app.app_context():
        at = (clock.now() - timedelta(hours=3)).isoformat()
        brakes = {"gmail": {"at": at, "reason": "many complain", "paused": True}}
        said = {"reason_code": "too_many_complaints", "reason": "many complain"}
        put_run(braked, state="sending", provider_brakes=brakes, **said)
    assert "3 hours ago : many complain. Find out why these people complain" in words(desk().get("/admin/").text)


def test_a_run_that_goes_on_or_that_a_person_paused_is_not_named(
    app: Flask, desk: Callable[..., Desk], braked: int
) -> None:
    here = desk(Role.viewer)
    for values in ({"reason_code": "paused_by_hand"}, {"reason_code": "too_many_dead", "state": RunState.cancelled}):
        with app.app_context():
            put_run(braked, **values)
        assert "a brake paused" not in words(here.get("/admin/").text)
        assert "notifier campaign resume" not in here.get("/admin/health/").text


@pytest.mark.usefixtures("context")
def test_the_list_of_campaigns_says_why_the_last_run_is_paused(run: Run, braked: int) -> None:
    said = f"Run {braked} of news is paused: {DEAD}. To resume it: notifier campaign resume news --run {braked}"
    assert said in " ".join(run("campaign", "list").output.split())
    assert json.loads(run("campaign", "list", "--json").output)[0]["last_run"]["reason"] == DEAD
    put_run(braked, state="sending", reason=None, reason_code=None)
    assert db.session.get_one(CampaignRun, braked).state == "sending"
    assert "paused" not in run("campaign", "list").output
