"""Placeholders in the texts of a new announcement: refused, because recipients would read their braces."""

from typing import Any

import pytest

from notifier.campaigns import content_versions
from notifier.campaigns.editing import check, create, edit
from notifier.campaigns.errors import Invalid
from notifier.emails import KINDS
from notifier.extensions import db
from tests.support.applications import NOON
from tests.support.campaigns import CONTENT, make_campaign
from tests.support.commands import Run

pytestmark = pytest.mark.usefixtures("frozen", "context")

REFUSED = (
    "Placeholders such as {{ user.name }} work in the content editor only. Save the campaign without them, then edit "
    "its content."
)
DRAFT = {"name": "news", "kind": "announcement", "cron": "0 9 * * *"}
BUTTON = {"button_text": "Go", "button_url": "https://a.example/"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", "Hello {{ user.name }}"),
        ("heading", "{%if user.name%}Hello"),
        ("paragraphs", ["One.", "Two {# three #}."]),
        ("button_text", "Go, {{user.name}}"),
        ("button_url", "https://a.example/{{product}}"),
    ],
)
def test_placeholders_are_refused_in_a_new_campaign_and_in_a_change(run: Run, name: str, value: Any) -> None:
    settings = CONTENT | BUTTON | {name: value}
    with pytest.raises(Invalid) as caught:
        check(DRAFT | {"settings": settings}, KINDS, now=NOON)
    assert caught.value.problems == ((f"settings.{name}", REFUSED),)
    campaign = make_campaign(settings=CONTENT | BUTTON)
    with pytest.raises(Invalid) as caught:
        content_versions.rewritten(db.session(), campaign, {name: value}, KINDS)
    assert caught.value.problems == ((f"settings.{name}", REFUSED),)
    db.session.rollback()
    changed = run("campaign", "edit", "news", "--set", f"settings.{name}={value}")
    assert (changed.exit_code, changed.output) == (1, f"Error: settings.{name}: {REFUSED}\n")


def test_single_braces_are_plain_text() -> None:
    settings = CONTENT | {"subject": "{a} } { # % {", "paragraphs": ["100 % }} #"]}
    assert create(db.session(), DRAFT | {"settings": settings}, KINDS, now=NOON).settings == settings


def test_a_stored_text_with_braces_does_not_block_other_changes() -> None:
    settings = CONTENT | {"subject": "Hello {{ user.name }}"}
    make_campaign(settings=settings)
    changed = edit(db.session(), "news", {"title": "Other"}, KINDS, version=None, now=NOON)
    assert (changed.title, changed.settings) == ("Other", settings)
    again = edit(db.session(), "news", {"settings": settings | {"again": True}}, KINDS, version=None, now=NOON)
    assert again.settings == settings | {"again": True}
