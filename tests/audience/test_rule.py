"""The rule: one answer for each person, the same to everybody who asks."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update

from notifier import audience
from notifier.audience import Audience, CampaignOccasion, lines_of, occasion_of
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Campaign, Notification, Preference, Suppression, User
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, start_run

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)


def occasion(campaign: Campaign) -> CampaignOccasion:
    return occasion_of(campaign, SLOT, KINDS)


def reasons(campaign: Campaign) -> dict[int, str | None]:
    ids = db.session.scalars(select(User.id)).all()
    answers = audience.judge(db.session(), occasion(campaign), ids)
    return {pk: answers[pk].code for pk in sorted(answers)}


@pytest.mark.parametrize(
    ("settings", "people", "expected"),
    [
        ({}, [{}, {"verified_at": None}], [None, "not_confirmed"]),
        ({"verified": True}, [{}, {"verified_at": None}], [None, "not_confirmed"]),
        ({"verified": False}, [{}, {"verified_at": None}], ["confirmed", None]),
        ({"verified": "any"}, [{}, {"verified_at": None}], [None, None]),
        (
            {"signed_up_from": "2026-11-01T00:00:00Z", "signed_up_before": "2026-11-10T00:00:00Z"},
            [{"created_at": NOON - number * DAY} for number in (25, 15, 10, 5)],
            ["audience_signed_up", None, "audience_signed_up", "audience_signed_up"],
        ),
        (
            {"locales": ["de", "pt-BR"]},
            [{"locale": locale} for locale in ("de", "de-AT", "den", "pt-BR", "pt", "en")],
            [None, None, "audience_locale", None, "audience_locale", "audience_locale"],
        ),
        ({"user_from": 2, "user_to": 3}, [{}] * 4, ["audience_users", None, None, "audience_users"]),
    ],
)
def test_who_is_outside_the_audience_has_a_code_of_its_own(
    settings: dict[str, Any], people: list[dict[str, Any]], expected: list[str | None]
) -> None:
    for values in people:
        make_people(1, **values)
    # Whatever the database counts from, the first person of the test is number 1.
    first = db.session.scalars(select(User.id).order_by(User.id)).first() or 1
    for name in ("user_from", "user_to"):
        if name in settings:
            settings = settings | {name: settings[name] + first - 1}
    assert list(reasons(make_campaign(audience=settings)).values()) == expected


def test_a_share_is_about_that_share_and_always_the_same_people() -> None:
    make_people(1000)
    campaign = make_campaign(audience={"share": 0.3})
    chosen = {pk for pk, code in reasons(campaign).items() if code is None}
    assert 250 < len(chosen) < 350
    assert chosen == {pk for pk, code in reasons(campaign).items() if code is None}
    more = {pk for pk, code in reasons(make_campaign("more", audience={"share": 0.6})).items() if code is None}
    assert chosen < more


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"locale": ["de"]}, "audience.locale: there is no such setting"),
        ({"share": 0}, "audience.share: "),
        ({"share": 1.5}, "audience.share: "),
        ({"user_from": 5, "user_to": 4}, "audience: user_from must not be above user_to"),
        ({"signed_up_from": "2026-01-01T00:00:00"}, "audience.signed_up_from: "),
        (
            {"signed_up_from": "2026-01-02T00:00:00Z", "signed_up_before": "2026-01-01T00:00:00Z"},
            "audience: signed_up_from must be before",
        ),
        ({"verified": "perhaps"}, "audience.verified"),
        ({"locales": [""]}, "audience: a locale must not be empty"),
    ],
)
def test_an_audience_that_cannot_be_is_refused_with_words(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Audience.model_validate(settings)
    assert any(found.startswith(line) for found in lines_of(caught.value, "audience")), lines_of(
        caught.value, "audience"
    )


def test_reasons_count_in_their_order() -> None:
    """Suppressed before opted out, opted out before confirmed, that before the audience, the ledger last."""
    people = make_people(6)
    campaign = make_campaign()
    expand(start_run(campaign))
    for pk in people[:2]:
        db.session.add(Suppression(identity_key=f"user{people.index(pk) + 1}@example.com", reason="manual", source="x"))
    for pk in people[:3]:
        db.session.add(Preference(user_id=pk, category="news", wanted=False))
    campaign.audience = {"user_from": people[5]}
    db.session.execute(update(User).where(User.id.in_(people[:4])).values(verified_at=None))
    db.session.commit()
    expected = ["suppressed", "suppressed", "opted_out", "not_confirmed", "audience_users", "already"]
    assert list(reasons(campaign).values()) == expected


@pytest.mark.parametrize("reach", ["confirmed", "any"])
def test_people_without_an_address_and_deleted_ones_are_excluded(reach: str) -> None:
    make_people(1, external_id="1")
    make_people(1, external_id="2", identity_key="")
    make_people(1, external_id="~3")
    make_people(1)
    campaign = make_campaign(audience={"verified": "any"} if reach == "any" else {})
    assert list(reasons(campaign).values()) == [None, "unreachable", "unreachable", None]


def test_counts_judgements_and_sample_agree() -> None:
    make_people(6)
    make_people(4, locale="de")
    campaign = make_campaign(audience={"locales": ["en"]})
    found = audience.counts(db.session(), occasion(campaign))
    assert (found.chosen, found.excluded) == (6, {"audience_locale": 4})
    assert found.words["audience_locale"] == "the campaign is for other languages: en"
    people = reasons(campaign)
    in_sample = audience.sample(db.session(), occasion(campaign), limit=3)
    assert [person.user_id for person in in_sample] == [pk for pk, code in people.items() if code is None][:3]
    left_out = audience.sample(db.session(), occasion(campaign), code="audience_locale")
    assert [person.user_id for person in left_out] == [pk for pk, code in people.items() if code is not None]
    run_id = start_run(campaign)
    expand(run_id)
    keys = db.session.scalars(select(Notification.dedupe_key)).all()
    assert {person.dedupe_key for person in in_sample} <= set(keys)


def test_a_judgement_names_the_values_it_rests_on() -> None:
    (pk,) = make_people(1, created_at=SLOT - 40 * DAY, verified_at=None)
    campaign = make_campaign(kind="verification_reminder")
    answer = audience.judge(db.session(), occasion(campaign), [pk, 999])
    assert set(answer) == {pk}
    assert (answer[pk].code, answer[pk].words) == ("too_old", "the account is older than 30 days")
    assert answer[pk].values == {"signed up at": SLOT - 40 * DAY}


def test_lasting_reasons_leave_out_what_the_expansion_itself_makes_true() -> None:
    people = make_people(2)
    campaign = make_campaign()
    expand(start_run(campaign))
    db.session.execute(update(Campaign).values(audience={"user_to": people[0]}))
    db.session.commit()
    db.session.refresh(campaign)
    asked = audience.judge(db.session(), occasion(campaign), people, lasting_only=True)
    assert [asked[pk].code for pk in people] == [None, "audience_users"]


@pytest.mark.parametrize(
    ("age", "code", "step"),
    [
        (timedelta(hours=23), "too_young", None),
        (1 * DAY, None, "step1"),
        (2 * DAY, None, "step1"),
        (3 * DAY, None, "step2"),
        (7 * DAY, None, "step3"),
        (29 * DAY, None, "step3"),
        (30 * DAY, "too_old", None),
    ],
)
def test_reminders_go_by_the_age_of_the_account(age: timedelta, code: str | None, step: str | None) -> None:
    (pk,) = make_people(1, created_at=SLOT - age, verified_at=None)
    campaign = make_campaign(kind="verification_reminder")
    assert reasons(campaign) == {pk: code}
    expand(start_run(campaign))
    keys = db.session.scalars(select(Notification.dedupe_key)).all()
    assert keys == ([f"c{campaign.id}:{step}:{pk}"] if step else [])


def test_reminders_leave_the_confirmed_alone_and_ignore_opt_outs() -> None:
    confirmed, refused = (
        make_people(1, created_at=SLOT - DAY, verified_at=verified_at)[0] for verified_at in (NOON, None)
    )
    db.session.add(Preference(user_id=refused, category="news", wanted=False))
    db.session.commit()
    assert reasons(make_campaign(kind="verification_reminder")) == {confirmed: "confirmed", refused: None}


@pytest.mark.parametrize(
    "settings", [{"steps": []}, {"steps": [3, 1]}, {"steps": [0]}, {"steps": [1, 30]}, {"days": 1}]
)
def test_steps_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(audience.AudienceError, match=r"settings"):
        occasion(make_campaign(kind="verification_reminder", settings=settings))


def test_an_announcement_goes_once_in_each_edition() -> None:
    make_people(1)
    campaign = make_campaign()
    expand(start_run(campaign))
    assert list(reasons(campaign).values()) == ["already"]
    campaign.settings = campaign.settings | {"heading": "Newer"}
    assert list(reasons(campaign).values()) == ["already"]
    campaign.edition = 2
    db.session.commit()
    assert list(reasons(campaign).values()) == [None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "two\nlines"},
        {"paragraphs": []},
        {"button_text": "Go"},
        {"button_text": "Go", "button_url": "http://example.com/"},
        {"button_text": "Go", "button_url": "https://user@example.com/"},
        {"button_text": "Go", "button_url": "javascript:alert(1)"},
    ],
)
def test_words_that_cannot_be_mailed_are_refused(wrong: dict[str, Any]) -> None:
    campaign = make_campaign()
    campaign.settings = campaign.settings | wrong
    with pytest.raises(audience.AudienceError, match="settings"):
        occasion(campaign)
    db.session.rollback()
