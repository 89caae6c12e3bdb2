"""notifier campaign and notifier tick."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import func, select, update

from notifier.campaigns.editing import edit
from notifier.campaigns.errors import Invalid
from notifier.cli.main import build
from notifier.cli.plans import show_plan
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, CampaignState, ContentVersion, Notification
from notifier.services import services_of
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, owed_to
from tests.support.commands import Run

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)


def statuses() -> dict[str, int]:
    db.session.rollback()
    rows = db.session.execute(select(Notification.status, func.count()).group_by(Notification.status))
    return {status: number for status, number in rows}  # noqa: C416 - rows are no pairs to mypy


def stored(name: str = "news") -> Campaign:
    db.session.rollback()
    query = select(Campaign).where(Campaign.name == name)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def test_a_campaign_from_the_command_line(run: Run, app: Flask) -> None:
    make_people(3)
    made = run(
        "campaign", "create", "news", "--kind", "announcement", "--set", "cron=0 9 * * *",
        "--set", "settings.subject=News", "--set", "settings.heading=What is new",
        "--set", 'settings.paragraphs=["One."]', "--set", "audience.verified=false",
    )  # fmt: skip
    assert (made.exit_code, made.stdout) == (0, "news is active. Next: 2026-11-21 09:00 UTC.\n")
    assert made.stderr.startswith("Warning: It goes to addresses that were never confirmed.")
    edited = run(
        "campaign", "edit", "news", "--version", "1", "--set", "audience.verified=", "--set", "zone=Asia/Tokyo"
    )
    assert edited.output == "news is at version 2. Next: 2026-11-21 00:00 UTC.\n"
    assert (stored().audience, stored().zone) == ({}, "Asia/Tokyo")
    late = run("campaign", "edit", "news", "--version", "1", "--set", "title=x")
    assert late.exit_code == 1
    assert "changed by another operator" in late.output

    assert run("campaign", "run", "news", "--now").output == "Run 1 was handed to the workers.\n"
    expand(1)
    shown = json.loads(run("campaign", "show", "news", "--json").output)
    assert (shown["campaign"]["version"], shown["runs"][0]["emails"]) == (2, {"pending": 3})
    listed = json.loads(run("campaign", "list", "--json").output)
    assert [(row["name"], row["last_run"]["state"]) for row in listed] == [("news", "sending")]
    for words in (("campaign", "list"), ("campaign", "show", "news")):
        assert "news" in run(*words).output

    assert run("campaign", "pause", "news").output == "Paused news; runs stopped: 1.\n"
    assert run("campaign", "run", "news", "--now").exit_code == 1
    assert run("campaign", "resume", "news").output == "news resumed; runs resumed: 1, emails queued again: 0.\n"
    assert run("campaign", "cancel", "news").output == "Runs cancelled: 1, emails cancelled: 3.\n"
    assert owed_to(1) != []
    assert statuses() == {"cancelled": 3}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("show", "nothing"), "there is no campaign 'nothing'"),
        (("edit", "nothing", "--set", "title=x"), "there is no campaign"),
        (("create", "news", "--kind", "nonsense"), "kind: there is no kind of campaign email"),
        (("create", "news", "--kind", "announcement", "--set", "nonsense=1"), "write FIELD=VALUE"),
        (("edit", "news"), "Say what to change"),
    ],
)
def test_what_a_command_cannot_do_it_says_plainly(run: Run, words: tuple[str, ...], problem: str) -> None:
    result = run("campaign", *words)
    assert result.exit_code != 0
    assert problem in result.output
    assert "Traceback" not in result.output


def test_the_tick_command_ticks(run: Run) -> None:
    make_campaign(next_slot=SLOT + DAY, next_run_at=SLOT + DAY)
    assert run("tick").output.startswith("runs started 0,")
    at = run("tick", "--at", "2026-11-21T10:30:00+01:00", "--json")
    assert json.loads(at.output)["slots"] == {"due": 1}


def test_the_tick_command_keeps_to_the_time_in_production(run: Run, app: Flask) -> None:
    app.config["NOTIFIER_ENV"] = "production"
    result = run("tick", "--at", "2026-11-21T10:30:00+01:00")
    assert result.exit_code == 1
    assert "in production, runs start when they are due" in result.output


@pytest.mark.parametrize(("env", "state"), [("development", "active"), ("production", "paused")])
def test_a_new_database_gets_the_defaults(make_app: Callable[..., Flask], tmp_path: Path, env: str, state: str) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'new.db'}")
    app.config["NOTIFIER_ENV"] = env
    with app.app_context():
        for _ in range(2):
            assert CliRunner().invoke(build(lambda: app), ["db", "upgrade"]).exit_code == 0
        found = db.session.scalars(select(Campaign).where(Campaign.name == "monthly-report")).one()
        assert found.state == CampaignState(state)
        db.session.rollback()


def words_of(campaign: Campaign) -> tuple[int, int, str]:
    """Number, edition and subject of the content that counts."""
    row = db.session.get_one(ContentVersion, campaign.content_id)
    return row.number, row.edition, row.subject


def test_texts_that_a_command_edits_become_versions_of_the_content(run: Run, app: Flask) -> None:
    make_people(3)
    make_campaign()
    assert run("campaign", "run", "news", "--now").exit_code == 0
    expand(1)
    edited = run("campaign", "edit", "news", "--set", "settings.subject=Corrected {x}", "--note", "a typo")
    assert edited.output == (
        "news uses version 1, of the first edition, from the next run on.\n"
        "  3 wait with the original version and can move.\n"
        "They keep their version. To move them: notifier campaign move news\n"
    )
    assert words_of(stored()) == (1, 1, "Corrected {{ '{' }}x{{ '}' }}")
    assert (stored().settings["subject"], stored().version, stored().edition) == ("News", 1, 1)
    plan = json.loads(run("plan", "news", "--now", "--json").output)
    assert (plan["count"], plan["content"], plan["has"]) == (
        0, {"version": 1, "edition": 1}, [{"version": 0, "status": "pending", "count": 3}],
    )  # fmt: skip
    assert "3 wait for the original version" in run("plan", "news", "--now").output
    moved = run("campaign", "move", "news", "--yes")
    assert "Moved to version 1: 3." in moved.output
    assert "All waiting emails have version 1 already" in run("campaign", "move", "news").output
    another = run(
        "campaign", "edit", "news", "--set", "settings.subject=Another", "--set", "title=New", "--new-message"
    )
    assert "news is at version 2." in another.output
    assert "news uses version 2, of edition 2" in another.output
    assert words_of(stored()) == (2, 2, "Another")
    assert json.loads(run("plan", "news", "--now", "--json").output)["count"] == 3
    assert json.loads(run("campaign", "show", "news", "--json").output)["campaign"]["content"] == 2


def test_a_command_moves_what_waits_when_it_edits_or_resumes(run: Run, app: Flask) -> None:
    make_people(2)
    make_campaign()
    assert run("campaign", "run", "news", "--now").exit_code == 0
    expand(1)
    run("campaign", "pause", "news")
    assert "Moved to version 1: 2." in run("campaign", "edit", "news", "--set", "settings.heading=H", "--move").output
    run("campaign", "edit", "news", "--set", "settings.heading=Better", "--keep")
    kept = run("campaign", "resume", "news", "--keep")
    assert kept.output.startswith("news resumed; runs resumed: 1")
    run("campaign", "pause", "news")
    moved = run("campaign", "resume", "news", "--run", "1", "--move")
    assert "Moved to version 2: 2." in moved.output
    db.session.rollback()
    assert set(db.session.scalars(select(Notification.content_id))) == {stored().content_id}


def test_resume_asks_which_version_goes_on(run: Run, app: Flask) -> None:
    make_people(2)
    make_campaign()
    run("campaign", "run", "news", "--now")
    expand(1)
    run("campaign", "pause", "news")
    run("campaign", "edit", "news", "--set", "settings.heading=H")
    refused = run("campaign", "resume", "news")
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: 2 wait with the original version and can move. Add --move to give version 1 to all that can move, or "
        "--keep to keep their versions.\n",
    )
    assert stored().state == "paused"
    assert run("campaign", "resume", "news", "--keep").exit_code == 0
    assert run("campaign", "resume", "news").exit_code == 0  # nothing is paused, so there is nothing to ask


@pytest.mark.parametrize("code", ["content_failing", "content_refused", "campaign_unreadable"])
def test_resume_takes_along_a_run_that_paused_by_itself(run: Run, app: Flask, code: str) -> None:
    make_people(2)
    make_campaign()
    run("campaign", "run", "news", "--now")
    expand(1)
    values = {"state": "paused", "resume_to": "sending", "reason_code": code, "reason": "its content is no good"}
    db.session.execute(update(CampaignRun).values(**values))
    db.session.commit()
    assert (
        run("campaign", "resume", "news", "--move").output == "news resumed; runs resumed: 1, emails queued again: 0.\n"
    )


def test_resume_names_the_run_that_stays_paused_and_what_resumes_it(run: Run, app: Flask) -> None:
    make_campaign()
    run("campaign", "run", "news", "--now")
    run("campaign", "pause", "news", "--run", "1", "--reason", "looks odd")
    assert run("campaign", "resume", "news").output == (
        "news resumed; runs resumed: 0, emails queued again: 0.\n"
        "Run 1 stays paused: looks odd. To resume it: notifier campaign resume news --run 1\n"
    )
    assert run("campaign", "resume", "news", "--run", "1").output.startswith("Run 1 of news resumed; runs resumed: 1")


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
def test_a_run_of_another_campaign_is_left_alone(run: Run, app: Flask, command: str) -> None:
    make_campaign()
    make_campaign("other")
    run("campaign", "run", "other", "--now")
    result = run("campaign", command, "news", "--run", "1")
    assert (result.exit_code, "run 1 belongs to another campaign than news" in result.output) == (1, True)


def test_without_redis_a_rate_is_said_to_be_of_no_effect(run: Run, app: Flask) -> None:
    make_people(2)
    make_campaign()
    ignored = "Its rate does not apply, because REDIS_URL is not set"
    assert ignored not in run("plan", "news", "--now").output
    assert f"Warning: {ignored}" in run("campaign", "edit", "news", "--set", "rate=0.5").stderr
    plan = json.loads(run("plan", "news", "--now", "--json").output)
    assert (plan["throughput"]["campaign_limit"], ignored in " ".join(plan["notes"])) == (None, True)
    [finding] = [each for each in json.loads(run("health", "--json").output) if each["name"] == "ignored rates"]
    assert (finding["ok"], finding["detail"]) == (
        False, "rates of news do not apply without REDIS_URL: set it, or remove the rates",
    )  # fmt: skip


def test_with_redis_a_rate_is_reckoned_with(make_app: Callable[..., Flask]) -> None:
    app = make_app(publish=lambda keys, bulk: None, redis_url="redis://127.0.0.1:1/0")
    with app.app_context():
        make_campaign(rate=0.5)
        db.session.rollback()
        plan = services_of(app).planner.plan("news", "now")
        assert (plan.throughput.campaign_limit, plan.notes) == (0.5, [])


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(1500.0, "1,500.0 emails a second"), (0.1, "0.1 emails a second"), (0.001, "3.6 emails an hour")],
)
def test_a_slow_rate_is_shown_by_the_hour(
    capsys: pytest.CaptureFixture[str], app: Flask, rate: float, shown: str
) -> None:
    make_people(2)
    make_campaign()
    planner = services_of(app).planner
    planner._limit = rate
    show_plan(planner.plan("news"))
    assert f"at {shown}; sent in the last hour 0" in " ".join(capsys.readouterr().out.split())


def test_show_tells_the_content_that_is_sent(run: Run) -> None:
    make_campaign()
    assert json.loads(run("campaign", "show", "news", "--json").output)["campaign"]["settings"]["subject"] == "News"
    run("campaign", "edit", "news", "--set", "settings.subject=Better")
    shown = json.loads(run("campaign", "show", "news", "--json").output)["campaign"]
    assert (shown["subject"], shown["content"], "subject" in shown["settings"]) == ("Better", 1, False)
    assert "Better" in run("campaign", "show", "news").output


def test_paragraphs_and_buttons_are_edited_one_by_one(run: Run, app: Flask) -> None:
    make_campaign()

    def body(*pairs: str) -> str:
        words = [word for pair in pairs for word in ("--set", pair)]
        assert run("campaign", "edit", "news", *words).exit_code == 0
        return db.session.get_one(ContentVersion, stored().content_id).body.partition(",\n\n")[2]

    assert body('settings.paragraphs=["New."]') == "New."
    assert body("settings.button_text=Go", "settings.button_url=https://a.example/") == (
        "New.\n\n{button: Go | https://a.example/}"
    )
    assert body('settings.paragraphs=["Newer."]') == "Newer.\n\n{button: Go | https://a.example/}"
    assert body("settings.button_text=", "settings.button_url=") == "Newer."


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        (["settings.subject=" + "x" * 201], "settings.subject: Enter at most 200 characters."),
        (["settings.paragraphs=[]"], "settings.paragraphs: "),
        (
            ["settings.button_text=Go"],
            "settings.button_text: Button label and button link belong together: fill in both",
        ),
        (["settings.button_text=Go", "settings.button_url=http://a.example"], "starts with https://, not with http://"),
    ],
)
def test_a_text_that_cannot_be_is_refused_by_the_command(run: Run, pairs: list[str], problem: str) -> None:
    make_campaign()
    result = run("campaign", "edit", "news", *[word for pair in pairs for word in ("--set", pair)])
    assert result.exit_code == 1
    assert problem in result.output
    assert stored().content_id is None


def test_what_is_said_already_makes_no_version(run: Run) -> None:
    make_campaign()
    same = run("campaign", "edit", "news", "--set", "settings.subject=News")
    assert same.output == "news has this content already: there is no new version.\n"
    assert stored().content_id is None
    assert "of the first edition" in run("campaign", "edit", "news", "--language", "de").output
    assert db.session.get_one(ContentVersion, stored().content_id).language == "de"


def test_content_is_not_edited_behind_the_back_of_its_versions() -> None:
    campaign = make_campaign()
    with pytest.raises(Invalid, match=r"settings\.subject: is content, which has versions: edit the content"):
        edit(db.session(), "news", {"settings": {**campaign.settings, "subject": "x"}}, KINDS, version=None, now=SLOT)
    db.session.rollback()
    assert stored().settings["subject"] == "News"
