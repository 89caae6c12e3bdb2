"""What the ledger says of us: rates by provider, refusals by code, late emails. On both databases."""

from datetime import timedelta

import pytest
from flask import Flask

from notifier import clock
from notifier.bounces.reasons import Reason
from notifier.doctor import rates, refusals, unsubscribing
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Consent, DomainProvider, Effect, User
from notifier.sender_auth import Diagnosis, Level
from notifier.testing.factories import make_notification, make_user
from tests.support.feedback import store

pytestmark = pytest.mark.usefixtures("frozen")


def settled(people: range, domain: str, status: str, **values: object) -> list[int]:
    """Emails to these people that came to rest today. Return their keys."""
    at = values.pop("settled_at", clock.now())
    users = [make_user(f"p{number}@{domain}") for number in people]
    return [make_notification(user, "announcement", status=status, settled_at=at, **values) for user in users]


def came_back(keys: list[int], provider: str, reason: Reason, effect: Effect, **values: object) -> None:
    """An event about each of these emails."""
    for key in keys:
        store(key, provider, reason, effect, **values)
    db.session.commit()


def lines_of(*lines: Diagnosis) -> list[tuple[Level, str, str]]:
    return [(line.level, line.name, line.detail) for line in lines]


def test_bounces_are_counted_by_provider_and_the_share_decides(context: Flask) -> None:
    db.session.add(DomainProvider(domain="corp.example", provider="gmail", looked_up_at=clock.now()))
    settled(range(100), "gmail.com", "sent")
    settled(range(100, 190), "corp.example", "sent")
    dead = settled(range(190, 193), "corp.example", "bounced")
    # What came back before the provider of a domain was looked up has the domain's name.
    came_back(dead, "corp.example", Reason.USER_UNKNOWN, Effect.suppressed)
    settled(range(193, 200), "Gmail.com", "failed", reason_code="address_refused")
    # Too few to say anything, too old, and refused for another reason.
    small = settled(range(200, 300), "small.example", "bounced")
    came_back(small, "small.example", Reason.USER_UNKNOWN, Effect.suppressed)
    old = clock.now() - timedelta(days=31)
    before = settled(range(300, 350), "gmail.com", "bounced", settled_at=old)
    came_back(before, "gmail.com", Reason.USER_UNKNOWN, Effect.suppressed, received_at=old)
    settled(range(400, 405), "gmail.com", "failed", reason_code="refused")
    (line,) = rates.check(db.session())
    assert (line.level, line.name, line.detail) == (Level.WARN, "Bounces at Gmail", "4.9% of 205 emails in 30 days")
    assert "support.google.com" in line.cure
    came_back(settled(range(500, 501), "gmail.com", "bounced"), "gmail", Reason.NULL_MX, Effect.suppressed)
    (line,) = rates.check(db.session())
    assert line.level is Level.WRONG


def test_soft_bounces_are_named_and_do_not_count_as_dead_addresses(context: Flask) -> None:
    settled(range(190), "yahoo.com", "sent")
    soft = settled(range(190, 200), "yahoo.com", "bounced")
    came_back(soft, "yahoo", Reason.MAILBOX_FULL, Effect.scored)
    (line,) = rates.check(db.session())
    said = "200 emails in 30 days: 0 hard bounces, 10 soft ones, 0 complaints; no rate is too high"
    assert (line.level, line.detail) == (Level.OK, said)
    settled(range(200, 205), "yahoo.com", "failed", reason_code="address_refused")
    (line,) = rates.check(db.session())
    assert line.detail == "2.4% of 205 emails in 30 days; soft: 4.9%"


def test_complaints_count_from_a_thousand_emails_on(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "COMPLAINTS_OF", 100)
    settled(range(99), "yahoo.com", "sent")
    assert [line.level for line in rates.check(db.session())] == [Level.OK]
    came_back(settled(range(99, 100), "yahoo.com", "complained"), "yahoo", Reason.ABUSE, Effect.complained)
    (line,) = rates.check(db.session())
    assert (line.level, line.name, line.detail) == (
        Level.WRONG, "Complaints at Yahoo", "1.00% of 100 emails in 30 days"
    )  # fmt: skip
    settled(range(100, 900), "yahoo.com", "sent")
    (line,) = rates.check(db.session())
    assert (line.level, line.detail) == (Level.WARN, "0.11% of 900 emails in 30 days")


def test_refusals_are_explained_by_code_and_only_those_about_us(context: Flask) -> None:
    settled(range(2), "outlook.com", "failed", last_code=550, last_enhanced="5.7.515")
    settled(range(5, 6), "gmail.com", "failed", last_code=550, last_enhanced="5.7.999")
    settled(range(6, 9), "gmail.com", "failed", last_code=550, last_enhanced="5.1.1")
    # Any server can say this; it is no provider's verdict.
    settled(range(9, 12), "stranger.example", "failed", last_code=550, last_enhanced="5.7.515")
    found = list(refusals.check(db.session()))
    assert [(line.name, line.detail) for line in found] == [
        ("Microsoft 5.7.515", "2 refused in 30 days: the rules for bulk senders: SPF, DKIM and DMARC must all pass"),
        ("Gmail 5.7.999", "1 refused in 30 days: a verdict on us by policy or reputation"),
    ]
    assert "sendersupport.olc.protection.outlook.com" in found[0].cure


def test_refusals_that_came_back_count_with_those_in_the_dialogue(context: Flask) -> None:
    settled(range(1), "gmail.com", "failed", last_code=550, last_enhanced="5.7.30")
    back = settled(range(1, 3), "gmail.com", "bounced", last_code=250, last_enhanced="2.0.0")
    came_back(back, "gmail", Reason.AUTHENTICATION, Effect.counted, code=550, enhanced="5.7.30")
    (line,) = refusals.check(db.session())
    assert (line.name, line.detail) == (
        "Gmail 5.7.30", "3 refused in 30 days, 2 of them after they were sent: DKIM failed"
    )  # fmt: skip


def test_a_code_without_a_page_has_the_sentence_of_its_reason(context: Flask) -> None:
    back = settled(range(1), "icloud.com", "bounced")
    came_back(back, "apple", Reason.BLOCKED, Effect.counted, code=554)
    (line,) = refusals.check(db.session())
    assert line.name == "Apple 554"
    assert line.detail.endswith(": The sending IP address or its reputation was refused")


def newsletter(user: User, after: timedelta) -> None:
    """One that was sent so long after NOON."""
    at = clock.now() + after
    make_notification(user, "announcement", status="sent", sent_at=at, settled_at=at)


def decided(user: User, wanted: bool, after: timedelta = timedelta(), category: str = "news") -> None:
    """A choice of this person, so long after NOON."""
    at = clock.now() + after
    db.session.add(Consent(user_id=user.id, category=category, wanted=wanted, how="one_click", at=at))
    db.session.commit()


@pytest.mark.parametrize(
    ("after", "level", "said"),
    [
        (timedelta(minutes=3), Level.OK, "1 sent up to 3 minutes after"),
        (timedelta(hours=5), Level.WARN, "1 sent up to 5 hours after"),
        (timedelta(hours=49), Level.WRONG, "1 sent up to 2 days, 1 hour after"),
    ],
)
def test_the_longest_time_from_an_opt_out_to_an_email(
    after: timedelta, level: Level, said: str, context: Flask
) -> None:
    user = make_user()
    newsletter(user, -timedelta(hours=1))
    decided(user, wanted=False)
    newsletter(user, after)
    line = unsubscribing.check(db.session(), KINDS)
    assert (line.level, line.detail.startswith(said)) == (level, True), line


def test_emails_that_people_wanted_again_or_cannot_refuse_are_not_late(context: Flask) -> None:
    user, other = make_user(), make_user("eve@example.com")
    decided(user, wanted=False)
    decided(user, wanted=True, after=timedelta(hours=1))
    newsletter(user, timedelta(days=3))
    # Another category, another person, and an email that is always sent.
    decided(other, wanted=False, category="report")
    newsletter(other, timedelta(days=3))
    make_notification(other, "verification", status="sent", sent_at=clock.now() + timedelta(days=3))
    assert unsubscribing.check(db.session(), KINDS).detail == "no email was sent after an opt-out in 30 days"
