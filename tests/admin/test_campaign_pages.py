"""Campaigns in the admin: made by choosing, edited, previewed, paused; nothing that was typed is lost."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from notifier.admin.campaigns.form import CampaignForm
from notifier.admin.campaigns.forms import filled, form_of
from notifier.admin.kit.fields import Box, Choice, Ticks
from notifier.campaigns import editing
from notifier.emails import KINDS
from notifier.emails.campaign_kind import CampaignKind
from notifier.extensions import db
from notifier.models import AuditEntry, Campaign, CampaignState, Role
from notifier.services import services_of
from notifier.testing.forms import fields_of
from notifier.testing.operators import Desk
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, make_campaign, make_people, start_run

NEW = "/admin/campaigns/new"
EDIT = "/admin/campaigns/1/edit"

#: A weekly reminder, as somebody fills it in.
REMINDER = {
    "kind": "verification_reminder", "name": "weekly-reminder", "title": "Weekly reminder", "repeat": "weekly",
    "weekday": ["1", "4"], "at": "07:30", "zone": "Europe/London", "settings-steps": "1, 5", "settings-not_after": "20",
    "misfire": "within", "misfire_within-number": "6", "misfire_within-unit": "hours",
    "coalesce": "yes", "on_unknown": "ask", "rate": "2.5", "quiet_from": "22:00", "quiet_to": "07:00",
    "lifetime-number": "12", "lifetime-unit": "hours", "start": "active",
}  # fmt: skip


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    """The desk of an editor, at NOON."""
    return desk(Role.editor)


#: For what databases do not differ in.
one = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def stored(app: Flask, pk: int = 1) -> Campaign:
    with app.app_context():
        return db.session.get_one(Campaign, pk)


def entries(app: Flask, action: str) -> list[AuditEntry]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


def opened(here: Desk, path: str = EDIT) -> MultiDict[str, str]:
    """The form of a page as a browser would send it back."""
    return fields_of(here.get(path).text)


def test_a_weekly_reminder_is_made_by_choosing(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_people(3, created_at=NOON - timedelta(days=6), verified_at=None)
    page = here.get(f"{NEW}?kind=verification_reminder").text
    assert "Days after sign-up" in page
    assert here.send(NEW, REMINDER).location == "/admin/campaigns/1/"
    made = stored(app)
    assert (made.cron, made.zone, made.settings) == (
        "30 7 * * 1,4",
        "Europe/London",
        {"steps": [1, 5], "not_after": 20},
    )
    assert (made.misfire, made.misfire_within, made.lifetime, made.rate) == ("within", 21600, 43200, 2.5)
    assert (made.on_unknown, made.capped, made.state) == ("ask", False, "active")
    assert made.next_slot is not None
    assert made.next_slot.isoformat() == "2026-11-23T07:30:00+00:00"
    page = here.get("/admin/campaigns/1/").text
    assert "Every Monday and Thursday at 07:30 (Europe/London)" in page
    assert "Mon 23 Nov 2026, 07:30" in page
    (entry,) = entries(app, "campaign.created")
    assert entry.after["cron"] == "30 7 * * 1,4"


@one
def test_what_is_new_begins_paused_unless_somebody_starts_it(app: Flask, here: Desk) -> None:
    here.send(NEW, REMINDER | {"start": "paused"})
    assert stored(app).state == CampaignState.paused


@one
def test_mistakes_are_told_beside_the_field_and_nothing_typed_is_lost(app: Flask, here: Desk) -> None:
    wrong = REMINDER | {
        "name": "Weekly Reminder", "at": "7 o'clock", "zone": "Europe/Lundon", "settings-steps": "5, 1",
        "rate": "fast", "title": "My <title>", "settings-not_after": "x", "user_from": "9", "user_to": "3",
    }  # fmt: skip
    answer = here.send(NEW, wrong)
    assert answer.status_code == 400
    page = answer.text
    assert 'role="alert"' in page
    for place, words in {
        "name": "lower-case letters", "at": "HH:MM", "zone": "Did you mean Europe/London?",
        "settings-not_after": "Enter a number", "rate": "Enter a number",
        "user_from": "\u201cFrom account number\u201d must not be above \u201cUp to account number\u201d",
    }.items():  # fmt: skip
        summary = page.partition('class="notice notice-error summary"')[2].partition("</div>")[0]
        assert re.search(rf'<a href="#{place}">[^<]*{re.escape(words)}', summary), (place, words)
        assert f'id="{place}' in page
    for typed in ("Weekly Reminder", "Europe/Lundon", "5, 1", "fast", "My &lt;title&gt;"):
        assert f'value="{typed}"' in page
    assert page.count("checked") >= 5
    with app.app_context():
        assert db.session.scalars(select(Campaign)).all() == []


def test_without_scripts_a_button_shows_what_it_means_and_saves_nothing(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_people(2, created_at=NOON - timedelta(days=6), verified_at=None)
        make_people(1, created_at=NOON - timedelta(days=6))
    page = here.send(NEW, REMINDER | {"do": "show", "repeat": "monthly", "day": "L"}).text
    assert "On the last day of every month at 07:30 (Europe/London)" in page
    assert "<strong>2 people</strong>" in page
    assert "the address is confirmed already" in page
    with app.app_context():
        assert db.session.scalars(select(Campaign)).all() == []


PREVIEWS: list[tuple[dict[str, Any], str]] = [
    (
        {"repeat": "daily", "at": "02:30", "zone": "Europe/Berlin", "start_at": "2027-03-28T00:00"},
        "this time is skipped",
    ),
    ({"repeat": "once", "date": "2027-10-31", "at": "02:30", "zone": "Europe/Berlin"}, "this time occurs twice"),
    ({"repeat": "interval", "every-number": "6", "every-unit": "hours"}, "Every 6 hours"),
    ({"repeat": "manual"}, "Only when started manually"),
    ({"repeat": "cron", "cron": "0 9 1 * 1"}, "different things to different cron programs"),
    ({"repeat": "cron", "cron": "61 * * * *"}, "is not a valid minute"),
    ({"repeat": "weekly", "at": "09:00"}, "Choose at least one day"),
    ({"repeat": "interval", "every-number": "6", "recipient_local": "yes"}, "no time of day"),
    ({"repeat": "daily", "at": "10:00", "recipient_local": "yes"}, "10:00 in each recipient&#39;s time zone; first "),
    ({"repeat": "once", "date": "2020-01-01", "at": "10:00"}, "No upcoming runs"),
    ({"repeat": "sometimes"}, "Choose how often"),
    ({"repeat": "once", "date": "31 May", "at": "10:00"}, "Choose a day, such as"),
    ({}, "Choose how often"),
]


@one
def test_the_preview_says_what_a_schedule_means(here: Desk) -> None:
    token = here.token("/admin/account/")
    for typed, words in PREVIEWS:
        answer = here.post("/admin/campaigns/preview/schedule", {"zone": "UTC", "csrf_token": token, **typed})
        assert answer.status_code == 200
        assert words in answer.text, typed
        assert "<html" not in answer.text


@pytest.mark.parametrize(
    "cron",
    ["0 9 * * *", "30 7 * * 1", "5 22 * * 1,3,5", "0 0 31 * *", "59 23 L * *", "0 9 * * 1-5", "*/5 * * * *",
     "0 9,17 * * *", "0 9 * 6 *", "0 9 * * 7", "0 9 1 1 *", "0 9 * * 1#2", "00 09 * * *"],
)  # fmt: skip
def test_what_is_stored_comes_back_from_the_form_unchanged(cron: str) -> None:
    form = reopened("activity_digest", {"name": "news", "title": "News", "cron": cron, "zone": "Europe/Berlin"})
    assert form.values["cron"] == cron
    assert not form.problems


def reopened(name: str, values: dict[str, Any]) -> CampaignForm:
    """The form of a stored campaign, sent back as it is."""
    kind = KINDS[name]
    assert isinstance(kind, CampaignKind)
    make = form_of(type(kind))
    rest: dict[str, Any] = {"kind": kind, "kinds": KINDS, "now": NOON}
    was = Campaign(**{"kind": name, "audience": {}, "settings": {}, "id": 1, "created_at": NOON} | values)
    shown = make(data=filled(editing.written(was), kind), campaign=was, **rest)
    typed: MultiDict[str, str] = MultiDict()
    for _, field in shown.inputs():
        if isinstance(field, Ticks):
            typed.setlist(field.name, field.data)
        elif isinstance(field, Box):
            typed.setlist(field.name, ["yes"] if field.data else [])
        else:
            typed[field.name] = field.data if isinstance(field, Choice) else field.typed
    return make(typed, campaign=was, **rest)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if isinstance(kind, CampaignKind)])
def test_each_kind_has_its_settings_as_inputs_and_gets_them_back(name: str) -> None:
    settings = (
        {"subject": "S", "heading": "H", "paragraphs": ["One.", "Two."], "again": True}
        if name == "announcement"
        else {}
    )
    form = reopened(name, {"name": "news", "title": "News", "settings": settings})
    assert not form.problems
    assert form.values["settings"] == settings
    for field in form.settings.form:
        assert field.label.text
        assert field.label.text != field.short_name


@one
def test_opening_and_saving_changes_nothing_but_the_version(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign(
            cron=None, once_at=NOON + timedelta(days=3, seconds=7, microseconds=5), zone="Europe/Berlin",
            misfire="within", misfire_within=5400, lifetime=7201, rate=0.25, on_unknown="ask", capped=False,
            coalesce=False,
            end_at=NOON + timedelta(days=9, seconds=1), quiet_from="22:00", quiet_to="07:00",
            audience={"verified": True, "locales": ["de", "fr"], "share": 0.125, "user_from": 3,
                      "signed_up_from": "2026-01-02T03:04:05Z"},
        )  # fmt: skip
        before = editing.written(db.session.get_one(Campaign, 1))
    assert here.post(EDIT, opened(here)).status_code == 303
    after = stored(app)
    assert editing.written(after) == before
    assert after.version == 2
    assert entries(app, "campaign.edited")[0].after == {}


@one
def test_an_edit_counts_and_is_in_the_audit_log_with_before_and_after(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign()
    fields = opened(here)
    fields["at"], fields["title"] = "10:15", "Later news"
    assert here.post(EDIT, fields).status_code == 303
    assert (stored(app).cron, stored(app).title) == ("15 10 * * *", "Later news")
    (entry,) = entries(app, "campaign.edited")
    assert entry.actor == f"operator {entry.operator_id}"
    assert (entry.before["cron"], entry.after["cron"]) == ("0 9 * * *", "15 10 * * *")


def test_the_second_editor_is_told_and_nothing_is_lost(app: Flask, here: Desk, desk: Callable[..., Desk]) -> None:
    other = desk(Role.admin)
    with app.app_context():
        make_campaign()
    mine, theirs = opened(here), opened(other)
    theirs["title"], theirs["rate"], theirs["at"] = "Their title", "7", "11:00"
    assert other.post(EDIT, theirs).status_code == 303
    mine["title"], mine["lifetime-number"], mine["lifetime-unit"] = "My title", "2", "days"
    answer = here.post(EDIT, mine)
    assert answer.status_code == 409
    assert stored(app).title == "Their title"
    told = answer.text
    assert "admin@example.com changed this campaign while you were editing" in told
    for words in (
        "Their title",
        "My title",
        "yours: saving overwrites theirs",
        "every day at 11:00",
        "Overwrite and save",
    ):
        assert words in told
    assert 'value="My title"' in told
    assert 'value="11:00"' in told
    assert 'name="version" value="2"' in told


@one
def test_who_overwrites_knowingly_keeps_what_the_other_one_changed_elsewhere(
    app: Flask, here: Desk, desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = desk(Role.admin)
    with app.app_context():
        make_campaign()
    mine, theirs = opened(here), opened(other)
    theirs["title"], theirs["rate"], theirs["verified"] = "Their title", "7", "any"
    other.post(EDIT, theirs)
    mine["title"], mine["locales"] = "My title", "de"
    told = here.post(EDIT, mine)
    monkeypatch.setattr(here, "get", lambda _path: told)
    assert here.post(EDIT, opened(here)).status_code == 303
    after = stored(app)
    assert (after.title, after.rate, after.audience) == ("My title", 7.0, {"verified": "any", "locales": ["de"]})
    assert after.version == 3


@one
def test_a_save_without_a_version_overwrites_nothing(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign()
    fields = opened(here)
    fields["title"] = "Mine"
    for version in ("", "0", "x", "99999999999999999999"):
        fields["version"], fields["seen"] = version, "no JSON"
        assert here.post(EDIT, fields).status_code == 409
    assert stored(app).title == "news"


def test_pausing_and_resuming_take_the_open_runs_along(app: Flask, here: Desk) -> None:
    with app.app_context():
        run = start_run(make_campaign(), state="sending")
    assert ">Pause<" in here.get("/admin/campaigns/").text
    assert here.send("/admin/campaigns/1/pause", {"back": "list"}).location == "/admin/campaigns/"
    assert (stored(app).state, stored(app).paused_reason) == ("paused", "editor@example.com paused it")
    page = here.get(f"/admin/runs/{run}/").text
    assert "its campaign is paused" in page
    assert ">Resume<" in here.get("/admin/campaigns/").text
    assert here.send("/admin/campaigns/1/resume").location == "/admin/campaigns/1/"
    assert stored(app).state == "active"
    assert [entry.after["state"] for entry in entries(app, "campaign.paused") + entries(app, "campaign.resumed")] == [
        "paused", "active",
    ]  # fmt: skip


@one
def test_an_archived_campaign_rests_and_stays_so(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign()
    assert "never runs again" in here.get("/admin/campaigns/1/archive").text
    here.send("/admin/campaigns/1/archive")
    assert stored(app).state == "archived"
    here.send("/admin/campaigns/1/resume")
    assert stored(app).state == "archived"
    assert "No campaigns yet" in here.get("/admin/campaigns/").text
    assert "/campaigns/1/" in here.get("/admin/campaigns/?state=archived").text


def test_the_list_says_when_it_ran_and_when_it_runs(app: Flask, here: Desk) -> None:
    assert "No campaigns yet" in here.get("/admin/campaigns/").text
    with app.app_context():
        campaign = make_campaign(
            zone="Asia/Tokyo", next_slot=NOON + timedelta(hours=12), next_run_at=NOON + timedelta(hours=12)
        )
        for day, sent in enumerate((30, 20, 10), 1):
            start_run(campaign, SLOT - timedelta(days=day), state="done", totals={"sent": sent}, finished_at=NOON)
    page = here.get("/admin/campaigns/").text
    assert "Every day at 09:00 (Asia/Tokyo)" in page
    assert "Sat 21 Nov 2026, 09:00" in page
    assert "in 12 hours" in page
    assert "Sat 21 Nov, 00:00 UTC" in page
    assert "30 sent" in page
    assert "Emails sent in the last runs: 10, 20, 30" in page


def test_the_dashboard_shows_campaigns_and_the_coming_week(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign(title="Morning news", next_slot=SLOT + timedelta(days=1))
        make_campaign("often", title="All the time", cron="*/5 * * * *")
        make_campaign("resting", title="At rest", state="paused")
    page = here.get("/admin/").text
    assert page.count('class="mark-slot"') == 7
    assert 'class="often"' in page
    assert "Morning news: Sat 21 Nov, 09:00 UTC" in page
    assert "and 287 more" in page
    jobs = here.get("/admin/jobs/").text
    assert "Morning news" in jobs
    assert "At rest" in jobs


def test_the_page_of_a_person_answers_why_for_each_campaign(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign(title="Morning news")
        make_campaign("verified-only", title="For others", audience={"locales": ["de"]})
        (pk,) = make_people(1)
    page = here.get(f"/admin/people/{pk}/").text
    assert ">scheduled<" in page
    assert "the campaign is for other languages: de" in page


@one
def test_viewers_look_and_change_nothing(app: Flask, desk: Callable[..., Desk], frozen: time_machine.Traveller) -> None:
    viewer = desk(Role.viewer)
    with app.app_context():
        make_campaign()
    for path in ("/admin/campaigns/", "/admin/campaigns/1/"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert ">Pause<" not in page.text
        assert "/edit" not in page.text
    for path in (NEW, EDIT, "/admin/campaigns/1/run"):
        assert viewer.get(path).status_code == 403
    for path in (NEW, EDIT, "/admin/campaigns/1/pause", "/admin/campaigns/1/run", "/admin/campaigns/1/archive"):
        assert viewer.send(path, REMINDER).status_code == 403
    assert stored(app).state == "active"


@one
def test_a_post_without_a_token_changes_nothing(app: Flask, here: Desk) -> None:
    with app.app_context():
        make_campaign()
    for path in ("pause", "edit", "archive", "run"):
        assert here.post(f"/admin/campaigns/1/{path}", {"title": "x"}).status_code == 400
    assert (stored(app).state, stored(app).version) == ("active", 1)


@one
def test_nonsense_in_any_field_is_answered(here: Desk) -> None:
    token = here.token("/admin/account/")
    for path in (NEW, "/admin/campaigns/preview/schedule", "/admin/campaigns/preview/audience"):
        for name in REMINDER:
            for text in ("\0", "9" * 400, "-1", "\u202e", "\u0663"):
                typed = REMINDER | {name: text, "do": "show", "csrf_token": token}
                assert here.post(path, typed).status_code in {200, 400, 404}, (name, path, text)


def test_the_page_says_that_a_rate_does_not_apply_without_redis(here: Desk, app: Flask) -> None:
    with app.app_context():
        make_campaign(rate=0.5)
        db.session.commit()
    assert (
        "0.5 emails a second. Its rate does not apply, because REDIS_URL is not set"
        in here.get("/admin/campaigns/1/").text
    )


def test_a_plan_says_that_its_duration_is_not_known_yet(here: Desk, app: Flask) -> None:
    with app.app_context():
        make_campaign()
        make_people(2)
        db.session.commit()
    assert "duration not known yet" in here.get("/admin/campaigns/1/run").text
    services_of(app).planner._limit = 0.1
    page = here.get("/admin/campaigns/1/run").text
    assert "takes about 20 seconds" in page
    assert "not known yet" not in page
