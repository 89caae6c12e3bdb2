"""Mistakes in the fields of a campaign: plain sentences instead of those of pydantic."""

import math
from datetime import date, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from notifier.audience import Audience, lines_of
from notifier.campaigns.editing import Draft, check
from notifier.campaigns.errors import Invalid
from notifier.emails import KINDS
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.mistakes import SENTENCES, plain
from tests.support.applications import NOON
from tests.support.campaigns import CONTENT

DRAFT = {"name": "news", "kind": "announcement", "settings": CONTENT, "cron": "0 9 * * *"}
BUTTON = {"button_text": "Go", "button_url": "https://a.example/"}
BELONG = "Button label and button link belong together: fill in both or neither."

MODELS: list[type[BaseModel]] = [
    Draft,
    Audience,
    *(kind.Settings for kind in KINDS.values() if isinstance(kind, CampaignKind)),
]
ODD: list[Any] = [
    None, "", "x", "x" * 3000, "\ud800", -1, 0, 1.5, 10**9, 10**30, "9" * 5000, math.inf, math.nan, True, [], ["x"],
    [""] * 50, [1.5], [{}], {}, {"x": 1}, {1: 2}, b"\xff", date(2026, 1, 1), datetime(2026, 1, 1), "2026-01-01",  # noqa: DTZ001
    "2026-13-01T00:00:00", object(), 1e300, ("x", 1), "https://[::1", "perhaps",
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_mistake_that_a_model_finds_has_its_sentence(model: type[BaseModel]) -> None:
    found = set()
    for name in (*model.model_fields, "surprise"):
        for value in ODD:
            try:
                model.model_validate({name: value})
            except ValidationError as error:
                for item in error.errors():
                    found.add(item["type"])
                    words = plain(item)
                    assert not {"Input", "String", "Tuple", "URL"} & set(words.split()), (name, value, words)
    assert found - {"value_error"} <= SENTENCES.keys()


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({"audience": {"share": 1.01}}, ["audience.share: Enter at most 1."]),
        ({"audience": {"share": 0}}, ["audience.share: Enter more than 0."]),
        ({"rate": 0}, ["rate: Enter more than 0."]),
        ({"rate": "fast"}, ["rate: Enter a number, such as 2.5."]),
        ({"audience": {"user_from": "a"}}, ["audience.user_from: Enter a whole number, such as 10."]),
        ({"name": "x" * 65}, ["name: Enter at most 64 characters."]),
        ({"lifetime": 59}, ["lifetime: Enter at least 60 seconds."]),
        (
            {"settings": CONTENT | {"paragraphs": ["x" * 2001]}},
            ["settings.paragraphs.0: Enter at most 2,000 characters."],
        ),
        ({"settings": CONTENT | {"paragraphs": ["x"] * 21}}, ["settings.paragraphs: Enter at most 20 of them."]),
        (
            {"settings": CONTENT | BUTTON | {"button_text": "x" * 61}},
            ["settings.button_text: Enter at most 60 characters."],
        ),
        ({"settings": CONTENT | {"paragraphs": []}}, ["settings.paragraphs: This must not be empty."]),
        ({"settings": CONTENT | {"paragraphs": [" "]}}, ["settings.paragraphs.0: must not be empty"]),
        ({"settings": CONTENT | {"button_text": "Go"}}, [f"settings: {BELONG}"]),
        (
            {"settings": CONTENT | {"button_text": "Go", "button_url": "https://[::1"}},
            ["settings.button_url: The host “[:” is not an IP address."],
        ),
        ({"settings": {"subject": "a", "heading": "b"}}, ["settings.paragraphs: This field is required."]),
        (
            {"quiet_from": "22:00"},
            ["quiet_to: Quiet from and quiet until belong together: fill in both or neither."],
        ),
        ({"misfire": "x"}, ["misfire: Choose one of these: 'run_late', 'skip' or 'within'."]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_plain_sentence(values: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        check(DRAFT | values, KINDS, now=NOON)
    assert str(caught.value).splitlines() == lines


def test_a_mistake_without_a_sentence_is_told_in_the_words_of_the_library() -> None:
    class Odd(BaseModel):
        number: complex

    with pytest.raises(ValidationError) as caught:
        Odd.model_validate({"number": "x"})
    (line,) = lines_of(caught.value)
    assert line.startswith("number: This should be a valid python complex")
