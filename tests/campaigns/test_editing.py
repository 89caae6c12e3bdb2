"""Campaigns as people write them: checked as a whole, edited by one at a time, loaded from a file."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from notifier.campaigns.default_campaigns import load
from notifier.campaigns.editing import create, edit
from notifier.campaigns.errors import Changed, Invalid
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun
from tests.support.applications import NOON
from tests.support.campaigns import CONTENT, SLOT, make_campaign

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)
DRAFT = {"name": "news", "kind": "announcement", "settings": CONTENT, "cron": "0 9 * * *"}


def stored(name: str = "news") -> Campaign:
    db.session.rollback()
    query = select(Campaign).where(Campaign.name == name)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def test_a_new_campaign_waits_for_its_first_slot() -> None:
    create(db.session(), DRAFT | {"audience": {"verified": True}}, KINDS, now=NOON)
    db.session.commit()
    campaign = stored()
    assert (campaign.state, campaign.title, campaign.version) == ("active", "news", 1)
    assert (campaign.next_slot, campaign.next_run_at) == (SLOT + DAY, SLOT + DAY)
    assert (campaign.audience, campaign.settings) == ({"verified": True}, CONTENT)


def test_the_first_slot_is_one_that_nobody_has_missed() -> None:
    """At noon in UTC it is past nine already in half of the world: they would all get it late."""
    create(db.session(), DRAFT | {"recipient_local": True, "cron": "0 18 * * *"}, KINDS, now=NOON)
    db.session.commit()
    assert stored().next_slot == NOON + DAY + timedelta(hours=6)
    assert stored().next_run_at == NOON + timedelta(hours=16)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"name": "Not a slug"}, "name: "),
        ({"kind": "verification"}, "kind: there is no kind of campaign email 'verification'"),
        ({"cron": "0 9 * *"}, "cron: A cron expression has five fields"),
        ({"cron": "0 9 1 * 1"}, "cron: Day of the month and day of the week together"),
        ({"every": 60}, "cron: Choose one of the three"),
        ({"zone": "Europe/Londno"}, "zone: There is no time zone"),
        ({"cron": None, "once_at": NOON - DAY}, "once_at: nothing is due any more"),
        ({"misfire": "within"}, "misfire_within: is needed"),
        ({"quiet_from": "22:00"}, "quiet_to: Quiet from and quiet until belong together"),
        ({"quiet_from": "25:00", "quiet_to": "07:00"}, "quiet_from: "),
        ({"audience": {"share": 2}}, "audience.share: "),
        ({"settings": {}}, "settings.subject: "),
        ({"surprise": 1}, "surprise: there is no such setting"),
    ],
)
def test_a_campaign_that_cannot_be_is_refused_with_words(values: dict[str, Any], line: str) -> None:
    with pytest.raises(Invalid) as caught:
        create(db.session(), DRAFT | values, KINDS, now=NOON)
    assert any(found.startswith(line) for found in str(caught.value).splitlines()), str(caught.value)


@pytest.mark.parametrize("sign", ["\u202a", "\u202e", "\u2066", "\u2069"])
def test_a_title_has_no_character_that_reverses_the_page(sign: str) -> None:
    with pytest.raises(Invalid) as caught:
        create(db.session(), DRAFT | {"title": f"News {sign}swen"}, KINDS, now=NOON)
    assert str(caught.value) == (
        f"title: holds an invisible character that reorders the text around it (U+{ord(sign):04X}): delete it and type "
        "the title again"
    )
    make_campaign(title=f"News {sign}swen")
    edit(db.session(), "news", {"rate": 2.0}, KINDS, version=None, now=NOON)
    made = create(db.session(), DRAFT | {"name": "other", "title": "\u05e9\u05dc\u05d5\u05dd\u200f"}, KINDS, now=NOON)
    assert made.title == "\u05e9\u05dc\u05d5\u05dd\u200f"


def test_a_name_is_taken_once() -> None:
    create(db.session(), DRAFT, KINDS, now=NOON)
    with pytest.raises(Invalid, match="there is a campaign 'news' already"):
        create(db.session(), DRAFT, KINDS, now=NOON)


def test_an_edit_of_the_schedule_moves_the_next_slot_and_any_other_does_not() -> None:
    make_campaign(next_slot=SLOT + 5 * DAY, next_run_at=SLOT + 5 * DAY)
    edit(db.session(), "news", {"title": "Other"}, KINDS, version=1, now=NOON)
    db.session.commit()
    assert (stored().title, stored().version, stored().next_slot) == ("Other", 2, SLOT + 5 * DAY)
    edit(db.session(), "news", {"cron": "0 15 * * *"}, KINDS, version=2, now=NOON)
    db.session.commit()
    assert (stored().version, stored().next_slot) == (3, NOON + timedelta(hours=3))


def test_a_due_slot_that_an_edit_overtakes_is_a_row() -> None:
    campaign = make_campaign()
    edit(db.session(), "news", {"cron": "0 15 * * *"}, KINDS, version=None, now=NOON)
    db.session.commit()
    run = db.session.scalars(select(CampaignRun).where(CampaignRun.campaign_id == campaign.id)).one()
    assert (run.slot, run.state, run.reason) == (SLOT, "missed", "the schedule was changed before it ran")


def test_who_saves_second_is_told_so() -> None:
    make_campaign()
    edit(db.session(), "news", {"title": "First"}, KINDS, version=1, now=NOON)
    db.session.commit()
    with pytest.raises(Changed, match="you saw version 1, now it is 2"):
        edit(db.session(), "news", {"title": "Second"}, KINDS, version=1, now=NOON)
    db.session.rollback()
    assert stored().title == "First"


def test_defaults_are_loaded_once_and_edits_stay() -> None:
    loaded = load(db.session(), KINDS, now=NOON)
    db.session.commit()
    assert loaded.added == ["verification-reminder", "monthly-report", "activity-digest", "announcement"]
    assert {row.name: row.state for row in db.session.scalars(select(Campaign))} == {
        "verification-reminder": "active",
        "monthly-report": "active",
        "activity-digest": "active",
        "announcement": "paused",
    }
    edit(db.session(), "monthly-report", {"title": "Mine", "zone": "Europe/Berlin"}, KINDS, version=1, now=NOON)
    db.session.commit()
    assert load(db.session(), KINDS, now=NOON).added == []
    assert (stored("monthly-report").title, stored("monthly-report").zone) == ("Mine", "Europe/Berlin")


def test_a_file_that_cannot_be_names_campaign_and_field(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[news]\nkind = "announcement"\ncron = "x"\n')
    with pytest.raises(Invalid, match=r"news\.settings\.subject: "):
        load(db.session(), KINDS, now=NOON, path=path)
