"""`notifier suppressions import`: exports of other systems, in the shapes that they have."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from notifier.accounts import erasure
from notifier.consent import preferences, suppressions
from notifier.consent.preferences import How
from notifier.extensions import db
from notifier.models import Consent, Suppression, SuppressionReason
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from tests.support.applications import NOON, make_user
from tests.support.commands import Run

Import = Callable[..., dict[str, Any]]

CLEANED = """"Email Address","First Name",MEMBER_RATING,OPTIN_TIME,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,LEID,EUID,NOTES,TAGS
dead@example.com,Dee,1,"2023-03-01 09:00:00","2024-03-01 09:00:00","Spring news",44877845,c2cb0681af,,
"""
UNSUBSCRIBED = """"Email Address",UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,LEID
here@example.com,"2024-02-01 09:00:00",Spring,1,"NORMAL",,1
gone@example.com,"2024-02-01 09:00:00",Spring,1,"I no longer want these",,2
angry@example.com,"2024-02-01 09:00:00",Spring,1,"SPAM: these should be reported",,3
"""
LISTMONK = """uuid,email,name,attributes,status,created_at,updated_at
8f2c,bad@example.com,B,{},blocklisted,2023-01-02 15:04:05.123456 +0000 UTC,2024-01-02 15:04:05.123456 +0000 UTC
8f2d,good@example.com,G,"{""a"": 1}",enabled,2023-01-02 15:04:05.123456 +0000 UTC,2024-01-02 15:04:05 +0000 UTC
"""
LISTMONK_JSON = json.dumps(
    {
        "data": {
            "results": [
                {"id": 1, "email": "bad@example.com", "status": "blocklisted", "updated_at": "2024-01-02T15:04:05Z",
                 "lists": [{"id": 3, "subscription_status": "unsubscribed"}], "attribs": {"results": []}},
                {"id": 2, "email": "good@example.com", "status": "enabled", "updated_at": "2024-01-02T15:04:05Z"},
            ],
            "query": "", "total": 2, "per_page": 20, "page": 1,
        }
    }
)  # fmt: skip
SENDGRID = """status,reason,email,created
5.1.1,"550 5.1.1 no such user",dead@example.com,1704207845
4.2.2,"full",full@example.com,1704207845
"""
SENDGRID_JSON = json.dumps([{"created": 1704207845, "email": "dead@example.com", "ip": "192.0.2.1"}])
SES = json.dumps(
    {
        "SuppressedDestinationSummaries": [
            {"EmailAddress": "dead@example.com", "Reason": "BOUNCE", "LastUpdateTime": "2024-01-02T16:04:05+01:00"},
            {"EmailAddress": "angry@example.com", "Reason": "COMPLAINT", "LastUpdateTime": 1704207845.0},
        ]
    },
    indent=4,
)
#: One that is not the last.
SES_PAGE = SES[:-1] + ', "NextToken": "abc"}'
SES_ONE = json.dumps(
    {"SuppressedDestination": {"EmailAddress": "dead@example.com", "Reason": "BOUNCE", "LastUpdateTime": 1704207845.5,
                               "Attributes": {"MessageId": "x", "FeedbackId": "y"}}}
)  # fmt: skip

MARCH = datetime(2024, 3, 1, 9, tzinfo=UTC)
FEBRUARY = datetime(2024, 2, 1, 9, tzinfo=UTC)
JANUARY = datetime(2024, 1, 2, 15, 4, 5, tzinfo=UTC)


@pytest.fixture
def load(frozen: object, context: Flask, run: Run, tmp_path: Path) -> Import:
    """Import this text, and return the numbers."""

    def loaded(text: str, *words: str) -> dict[str, Any]:
        path = tmp_path / "export"
        path.write_text(text)
        result = run("suppressions", "import", str(path), "--json", "--from", *words)
        assert result.exit_code in (0, 1), result.output
        found: dict[str, Any] = json.loads(result.stdout)
        assert (result.exit_code == 1) == bool(found["refused"])
        return found

    return loaded


def stored() -> dict[str, tuple[str, datetime]]:
    return {row.identity_key: (row.reason, row.created_at) for row in db.session.scalars(select(Suppression))}


def refusals(pk: int) -> set[str]:
    return {category for category, wish in preferences.of(db.session(), pk).items() if not wish.wanted}


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        (CLEANED, ("mailchimp",), {"dead@example.com": ("hard_bounce", MARCH)}),
        (UNSUBSCRIBED, ("mailchimp",), {"angry@example.com": ("complaint", FEBRUARY)}),
        (LISTMONK, ("listmonk",), {"bad@example.com": ("manual", JANUARY)}),
        (LISTMONK_JSON, ("listmonk",), {"bad@example.com": ("manual", JANUARY)}),
        (SENDGRID, ("sendgrid", "--list", "bounces"), {"dead@example.com": ("hard_bounce", JANUARY)}),
        (SENDGRID, ("sendgrid", "--list", "blocks"), {}),
        (SENDGRID_JSON, ("sendgrid", "--list", "spam_reports"), {"dead@example.com": ("complaint", JANUARY)}),
        (SENDGRID_JSON, ("sendgrid", "--list", "unsubscribes"), {}),
        (SENDGRID_JSON, ("sendgrid", "--list", "invalid_emails"), {"dead@example.com": ("hard_bounce", JANUARY)}),
        (
            SES,
            ("ses",),
            {"dead@example.com": ("hard_bounce", JANUARY), "angry@example.com": ("complaint", JANUARY)},
        ),
        (SES_PAGE + SES.replace("dead", "dead2"), ("ses",), {
            "dead@example.com": ("hard_bounce", JANUARY), "angry@example.com": ("complaint", JANUARY),
            "dead2@example.com": ("hard_bounce", JANUARY),
        }),
        (SES_ONE, ("ses",), {"dead@example.com": ("hard_bounce", JANUARY.replace(microsecond=500_000))}),
        (
            "email,reason,date\na@example.com,complaint,2024-03-01 09:00:00\nb@example.com,,\n",
            ("csv", "--reason", "hard_bounce"),
            {"a@example.com": ("complaint", MARCH), "b@example.com": ("hard_bounce", NOON)},
        ),
    ],
)  # fmt: skip
def test_reasons_and_dates_are_kept_and_twice_changes_nothing(
    load: Import, text: str, words: tuple[str, ...], expected: dict[str, tuple[str, datetime]]
) -> None:
    first = load(text, *words)
    assert stored() == expected
    assert first["suppressed"] == len(expected)
    consents = db.session.scalar(select(func.count()).select_from(Consent))
    again = load(text, *words)
    assert (again["suppressed"], again["opted_out"], again["kept"]) == (0, 0, 0)
    assert stored() == expected
    assert db.session.scalar(select(func.count()).select_from(Consent)) == consents


def test_the_source_and_the_words_are_kept(load: Import) -> None:
    load(SENDGRID, "sendgrid", "--list", "bounces")
    (row,) = db.session.scalars(select(Suppression)).all()
    assert (row.source, row.evidence) == ("import: sendgrid", "sendgrid: bounces 5.1.1 550 5.1.1 no such user")


def test_people_who_unsubscribed_get_no_campaigns_and_are_not_suppressed(load: Import) -> None:
    user = make_user("here@example.com")
    found = load(UNSUBSCRIBED, "mailchimp")
    assert (found["opted_out"], found["kept"]) == (1, 1)
    assert refusals(user.id) == set(preferences.REFUSABLE)
    assert "here@example.com" not in stored()


def test_an_opt_out_waits_for_a_person_who_is_imported_later(load: Import, run: Run) -> None:
    load(UNSUBSCRIBED, "mailchimp")
    result = run("users", "import", "-", "--json", input="external_id,email\n1,gone@example.com\n2,new@example.com\n")
    assert json.loads(result.stdout)["opted_out"] == 1


def test_what_a_person_switched_on_later_stays(load: Import) -> None:
    user = make_user("here@example.com")
    for wanted in (False, True):
        preferences.decide(db.session(), user.id, "news", wanted, how=How.page)
    db.session.commit()
    load(UNSUBSCRIBED, "mailchimp")
    assert refusals(user.id) == {"report", "digest"}


def test_a_stronger_suppression_stays(load: Import) -> None:
    suppressions.add(db.session(), "dead@example.com", reason=SuppressionReason.complaint, source="email", evidence="x")
    db.session.commit()
    assert load(CLEANED, "mailchimp")["known"] == 1
    assert stored()["dead@example.com"][0] == "complaint"


def test_of_an_erased_address_only_a_digest_is_suppressed(load: Import, context: Flask) -> None:
    user = make_user("dead@example.com")
    erasure.erase(db.session(), user, keys=services_of(context).settings.secret_keys, by=COMMAND_LINE)
    db.session.commit()
    for expected in (1, 0):
        assert load(CLEANED, "mailchimp")["suppressed"] == expected
    (row,) = db.session.scalars(select(Suppression)).all()
    assert row.identity_key.startswith(suppressions.CONCEALED)
    assert "dead" not in row.evidence


def test_a_dry_run_changes_nothing(load: Import) -> None:
    dry = load(UNSUBSCRIBED, "mailchimp", "--dry-run")
    assert (stored(), db.session.scalars(select(Consent)).all()) == ({}, [])
    assert dry | {"dry_run": False} == load(UNSUBSCRIBED, "mailchimp")


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("Email Address,OPTIN_TIME\na@example.com,\n", ("mailchimp",), "neither UNSUB_TIME nor CLEAN_TIME"),
        ("email\na@example.com\n", ("listmonk",), "no column status"),
        (SENDGRID, ("sendgrid",), "--list: bounces, blocks"),
        (SES, ("ses", "--list", "bounces"), "Only SendGrid"),
        ('{"x": 1}', ("ses",), "no list of addresses"),
        (SES[:120], ("ses",), "broken, or cut off"),
        ("[1]", ("sendgrid", "--list", "bounces"), "something else than objects"),
        ("[" * 100_000, ("sendgrid", "--list", "bounces"), "broken, or cut off"),
    ],
)
def test_another_file_is_refused(
    context: Flask, run: Run, tmp_path: Path, text: str, words: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "export"
    path.write_text(text)
    result = run("suppressions", "import", str(path), "--from", *words)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_entries_that_are_no_addresses_or_have_no_reason_are_told(load: Import) -> None:
    found = load("email,reason\nnobody,complaint\na@example.com,whim\n", "csv")
    assert [(each["line"], each["column"]) for each in found["problems"]] == [(2, "email"), (3, "reason")]


@pytest.mark.parametrize(
    ("text", "words", "line", "problem"),
    [
        (LISTMONK_JSON.replace('"total": 2', '"total": 21'), ("listmonk",), 3, "after 2 of 21 subscribers"),
        (SES.replace("{", '{"NextToken": "abc",', 1), ("ses",), 3, "before the last page"),
        (SES_PAGE, ("ses",), 3, "before the last page"),
        (SES_PAGE * 2, ("ses",), 5, "before the last page"),
        ('email\na@example.com\n"b@example.com\nc@example.com\n', ("csv",), 3, "line 4 is in it, too"),
    ],
)
def test_a_file_that_lacks_a_part_says_so(
    load: Import, text: str, words: tuple[str, ...], line: int, problem: str
) -> None:
    found = load(text, *words)
    (told,) = found["problems"]
    assert (told["line"], told["column"]) == (line, "")
    assert problem in told["problem"]
    assert found["suppressed"] > 0


def test_json_on_one_long_line_is_read_item_by_item(load: Import) -> None:
    items = [
        {"created": 1704207845, "email": f"user{number}@example.com", "reason": "x" * 300} for number in range(4000)
    ]
    assert load(json.dumps(items), "sendgrid", "--list", "bounces")["suppressed"] == 4000
