"""Campaigns over HTTP: looked at, planned, run as planned, and stopped."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.campaigns import content_versions
from notifier.campaigns.content_versions import ContentChange
from notifier.content import Content
from notifier.extensions import db
from notifier.models import AuditEntry, Campaign, CampaignRun, Notification, RunState, User
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from notifier.testing.factories import make_campaign, make_people, start_run
from tests.api.conftest import Api, code_of, count, mistakes_of
from tests.support.campaigns import expand


@pytest.fixture
def runner(client_with: Callable[..., Api]) -> Api:
    return client_with("campaigns:read", "campaigns:run")


@pytest.fixture
def news(app: Flask) -> int:
    """A campaign, and thirty people who get it."""
    with app.app_context():
        make_people(30)
        return make_campaign("news").id


def plan(api: Api, moment: str = "now") -> dict[str, Any]:
    found: dict[str, Any] = api("GET", f"/campaigns/news/plan?moment={moment}").get_json()
    return found


def run(api: Api, planned: dict[str, Any]) -> Any:
    return api("POST", "/campaigns/news/runs", {"plan": planned["plan"], "moment": planned["moment"]})


def actions(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        return [(row.action, row.actor) for row in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))][1:]


def test_campaigns_are_listed_and_shown(runner: Api, app: Flask, news: int) -> None:
    with app.app_context():
        make_campaign("activity_digest")
        start_run(db.session.get_one(Campaign, news))
    digest, shown = runner("GET", "/campaigns").get_json()["data"]
    assert (digest["name"], digest["last_run"]) == ("activity_digest", None)
    assert (shown["name"], shown["kind"], shown["state"], shown["last_run"]["id"]) == (
        "news", "announcement", "active", "1",
    )  # fmt: skip
    detail = runner("GET", "/campaigns/news").get_json()
    assert {name: detail[name] for name in shown if name != "last_run"} == {
        name: value for name, value in shown.items() if name != "last_run"
    }
    assert detail["runs"] == [shown["last_run"]]
    assert detail["settings"]["subject"]
    assert code_of(runner("GET", "/campaigns/none")) == "not-found"


def test_a_plan_counts_people_and_names_none(runner: Api, app: Flask, news: int) -> None:
    with app.app_context():
        db.session.scalars(select(User).order_by(User.id)).all()[0].verified_at = None
        db.session.commit()
    answer = runner("GET", "/campaigns/news/plan")
    found = answer.get_json()
    assert (found["count"], found["campaign"], found["moment"]) == (29, "news", "now")
    assert [(each["code"], each["count"]) for each in found["excluded"]] == [("not_confirmed", 1)]
    assert b"@" not in answer.data
    assert count(app, CampaignRun) == 0
    assert plan(runner, "next")["slot"] != found["slot"]
    assert code_of(runner("GET", "/campaigns/none/plan")) == "not-found"
    assert set(mistakes_of(runner("GET", "/campaigns/news/plan?moment=later"))) == {"moment"}


def test_what_was_planned_is_run(runner: Api, app: Flask, news: int) -> None:
    made = run(runner, plan(runner))
    assert made.status_code == 201
    shown = made.get_json()
    assert (shown["campaign"], shown["state"], shown["trigger"]) == ("news", "due", "now")
    with app.app_context():
        expand(int(shown["id"]))
    later = runner("GET", f"/runs/{shown['id']}").get_json()
    assert (later["planned"], later["emails"], later["state"]) == (30, {"pending": 30}, "sending")
    audit = runner("GET", f"/runs/{shown['id']}/audit").get_json()
    assert audit == {
        "ok": True, "planned": 30, "emails": {"pending": 30}, "waiting": 30, "difference": 0, "twice": 0,
        "restored": False,
    }  # fmt: skip
    assert actions(app) == [("run.started", "API key 1")]


def test_an_audience_that_drifted_is_not_run(runner: Api, app: Flask, news: int) -> None:
    planned = plan(runner)
    with app.app_context():
        for person in db.session.scalars(select(User).limit(15)):
            person.verified_at = None
        db.session.commit()
    refused = run(runner, planned)
    assert (refused.status_code, code_of(refused)) == (409, "audience-drifted")
    problem = refused.get_json()
    assert "The plan was for 30 people, now it is for 15 people" in problem["detail"]
    assert problem["plan"]["count"] == 15
    assert count(app, CampaignRun) == 0
    assert run(runner, problem["plan"]).status_code == 201


def test_a_campaign_that_was_changed_is_not_run(runner: Api, app: Flask, news: int) -> None:
    planned = plan(runner)
    with app.app_context():
        row = db.session.get_one(Campaign, news)
        row.audience, row.version = {"locales": ["de"]}, row.version + 1
        db.session.commit()
    assert code_of(run(runner, planned)) == "audience-drifted"
    assert code_of(run(runner, {**planned, "moment": "newest"})) == "audience-drifted"
    assert count(app, CampaignRun) == 0


def test_what_cannot_run_says_why(runner: Api, app: Flask, news: int) -> None:
    assert mistakes_of(runner("POST", "/campaigns/news/runs", {"plan": "x"})) == {"#/plan": "no-plan"}
    assert code_of(runner("POST", "/campaigns/none/runs", {"plan": "x"})) == "not-found"
    with app.app_context():
        db.session.get_one(Campaign, news).state = "paused"
        db.session.commit()
    refused = run(runner, plan(runner))
    assert (code_of(refused), refused.get_json()["detail"]) == ("not-now", "news is paused: resume it first")


def test_a_run_is_paused_resumed_and_cancelled(runner: Api, app: Flask, news: int) -> None:
    pk = run(runner, plan(runner)).get_json()["id"]
    with app.app_context():
        expand(int(pk))
    for action, state in (("pause", "paused"), ("resume", "sending"), ("cancel", "cancelled")):
        for _ in range(2):
            answer = runner("POST", f"/runs/{pk}/{action}")
            assert (answer.status_code, answer.get_json()["state"]) == (200, state)
    assert runner("GET", f"/runs/{pk}").get_json()["emails"] == {"cancelled": 30}
    for action in ("pause", "resume"):
        assert code_of(runner("POST", f"/runs/{pk}/{action}")) == "not-now"
    assert actions(app)[1:] == [(f"run.{name}", "API key 1") for name in ("paused", "resumed", "cancelled")]
    with app.app_context():
        assert "API key 1 cancelled it" in str(db.session.get_one(CampaignRun, int(pk)).reason)
    for path in ("", "/audit"):
        assert code_of(runner("GET", f"/runs/99{path}")) == "not-found"
    for action in ("pause", "resume", "cancel"):
        assert code_of(runner("POST", f"/runs/99/{action}")) == "not-found"


@pytest.mark.parametrize("choice", ["newest", "keep"])
def test_resuming_asks_which_content_is_sent(runner: Api, app: Flask, news: int, choice: str) -> None:
    pk = run(runner, plan(runner)).get_json()["id"]
    with app.app_context():
        expand(int(pk))
    runner("POST", f"/runs/{pk}/pause")
    with app.app_context():
        campaign = db.session.get_one(Campaign, news)
        new = content_versions.save(
            db.session(), campaign, Content("Corrected", "News", "Text.", "en"), services_of(app).kinds,
            seen=0, by=COMMAND_LINE, note="", now=campaign.created_at, change=ContentChange.correction,
        ).id  # fmt: skip
        db.session.commit()
    refused = runner("POST", f"/runs/{pk}/resume")
    assert code_of(refused) == "not-now"
    assert "content=newest" in refused.get_json()["detail"]
    assert runner("GET", f"/runs/{pk}").get_json()["state"] == RunState.paused
    assert runner("POST", f"/runs/{pk}/resume?content={choice}").get_json()["state"] == RunState.sending
    with app.app_context():
        held = set(db.session.scalars(select(Notification.content_id)))
    assert (held == {new}) is (choice == "newest")


def test_a_key_that_reads_runs_nothing(client_with: Callable[..., Api], app: Flask, news: int) -> None:
    reader = client_with("campaigns:read")
    assert code_of(run(reader, plan(reader))) == "missing-scope"
    assert count(app, CampaignRun) == 0
