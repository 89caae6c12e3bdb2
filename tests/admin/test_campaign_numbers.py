"""Numbers of the campaign form: a decimal comma is a decimal mark, and what can be read in two ways is refused."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from flask import Flask

from notifier.admin.kit.numbers import number_in
from notifier.emails import KINDS
from notifier.emails.campaign_kind import CampaignKind
from notifier.extensions import db
from notifier.models import Campaign, Role
from notifier.testing.forms import fields_of
from notifier.testing.operators import Desk
from tests.support.campaigns import make_campaign

NEW, EDIT = "/admin/campaigns/new", "/admin/campaigns/1/edit"

CASES = json.loads((Path(__file__).parent.parent / "data" / "found.json").read_text())["decimal_comma"]["cases"]

#: What each input makes of 1.5.
MEANT = {
    "rate": ("rate", 1.5), "lifetime-number": ("lifetime", 129_600), "share": ("audience", {"share": 0.015}),
    "misfire_within-number": ("misfire_within", 5400), "every-number": ("every", 5400),
}  # fmt: skip


@pytest.fixture
def here(desk: Callable[..., Desk], frozen: time_machine.Traveller) -> Desk:
    """The desk of an editor, at NOON."""
    return desk(Role.editor)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
@pytest.mark.parametrize("name", MEANT)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_decimal_comma_is_a_decimal_mark(app: Flask, here: Desk, name: str, case: dict[str, str]) -> None:
    with app.app_context():
        make_campaign(misfire="within", misfire_within=3600, cron=None, every=3600)
    fields = fields_of(here.get(EDIT).text)
    fields[name], fields["lifetime-unit"] = case["input"], "days"
    assert here.post(EDIT, fields).status_code == 303
    column, value = MEANT[name]
    with app.app_context():
        assert getattr(db.session.get_one(Campaign, 1), column) == value
    assert (
        f'value="{"36" if name == "lifetime-number" else "90" if "number" in name else "1.5"}"' in here.get(EDIT).text
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,5", "1.5"), ("1.5", "1.5"), ("0,125", "0.125"), (",5", "0.5"), ("1,50", "1.5"), ("12,3456", "12.3456"),
        ("1,000,000", "1000000"), ("1.000.000", "1000000"), ("1.000,5", "1000.5"), ("1,000.5", "1000.5"),
        ("1 500", "1500"), ("1\u202f500,5", "1500.5"), ("1\u2019500", "1500"), ("10", "10"),
        ("2.", "2"), ("12.345", "12.345"),
    ],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(text: str, value: str) -> None:
    assert number_in(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["1,500", "12,345", "1,50,000", "1,5,5", "1.5.5", "1,500.000,5", "1..5", "-1", "1e3", "1 5", "0x1", "\u0661,\u0665",
     "1\uff0c5", "nan", "9" * 15, ",", "1,5 days", "1'5"],
)  # fmt: skip
def test_what_may_mean_two_things_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write|Enter"):
        number_in(text)


def test_an_ambiguous_number_is_told_beside_its_input(here: Desk, app: Flask) -> None:
    with app.app_context():
        make_campaign()
    fields = fields_of(here.get(EDIT).text)
    fields["rate"], fields["user_from"], fields["lifetime-number"] = "1,500", "1,5", "1,5"
    fields["lifetime-unit"] = "seconds"
    answer = here.post(EDIT, fields)
    assert answer.status_code == 400
    assert 'id="rate-wrong">“1,500” can be read in two ways. Write 1500 or 1.5.<' in answer.text
    assert 'id="user_from-wrong">Enter a whole number, such as 10.<' in answer.text
    assert 'id="lifetime-number-wrong">This is no whole number of seconds. Choose a smaller unit.<' in answer.text
    assert 'value="1,500"' in answer.text
    with app.app_context():
        assert db.session.get_one(Campaign, 1).rate is None


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if isinstance(kind, CampaignKind)])
def test_the_first_save_of_a_new_campaign_works_although_its_kind_has_one(app: Flask, here: Desk, name: str) -> None:
    with app.app_context():
        for taken in (name.replace("_", "-"), f"{name.replace('_', '-')}-2"):
            make_campaign(taken, kind="announcement")
    fields = fields_of(here.get(f"{NEW}?kind={name}").text)
    assert fields["name"] == f"{name.replace('_', '-')}-3"
    if name == "announcement":
        fields["settings-subject"] = fields["settings-heading"] = fields["settings-paragraphs"] = "News"
    assert here.post(NEW, fields).status_code == 303
    # Who was second with the same name learns a free one.
    answer = here.post(NEW, fields)
    assert answer.status_code == 400
    assert f"&#39;{name.replace('_', '-')}-4&#39; is free" in answer.text
