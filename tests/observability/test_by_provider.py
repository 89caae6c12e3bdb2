"""Totals by mailbox provider: each email in its hour and at its provider, on both databases."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.extensions import db
from notifier.models import DailyTotal, DomainProvider, Feedback, ProviderTotal, Status
from notifier.observability import by_provider, totals
from notifier.observability.by_provider import OTHER, Figures
from notifier.reasons import ReasonCode
from notifier.testing.clocks import NOON
from notifier.testing.factories import make_notification, make_user

pytestmark = pytest.mark.usefixtures("frozen")

HOUR = timedelta(hours=1)

#: Address, status, reason, hours after which it was settled (it was sent at NOON).
EMAILS = [
    ("a@gmail.com", Status.sent, None, 0),
    ("b@GoogleMail.com", Status.bounced, ReasonCode.address_dead, 2),
    ("c@hotmail.co.uk", Status.bounced, ReasonCode.bounced, 0),
    ("d@customer.example", Status.complained, ReasonCode.reported_as_spam, 0),
    ("e@unknown.example", Status.bounced, ReasonCode.refused_us, 0),
    ("f@icloud.com", Status.failed, ReasonCode.address_refused, 0),
    ("g@icloud.com", Status.failed, ReasonCode.refused, 0),
    ("h@yahoo.de", Status.skipped, ReasonCode.unwanted, 0),
]


def fill(run_id: int | None = None) -> list[int]:
    db.session.add(DomainProvider(domain="customer.example", provider="microsoft", looked_up_at=NOON))
    keys = []
    for address, status, code, hours in EMAILS:
        sent = None if status in {Status.failed, Status.skipped} else NOON
        values = {"status": status, "reason_code": code, "sent_at": sent, "settled_at": NOON + hours * HOUR}
        keys.append(make_notification(make_user(address), run_id=run_id, **values))
    return keys


def test_each_email_counts_at_its_provider(context: Flask) -> None:
    fill()
    totals.roll_up(db.session, NOON + 3 * HOUR)
    assert by_provider.of_days(db.session(), days=1, now=NOON) == {
        "gmail": Figures(sent=2, hard=1),
        "microsoft": Figures(sent=2, soft=1, complained=1),
        "apple": Figures(failed=2, hard=1, refused=1),
        OTHER: Figures(sent=1, refused=1),
    }


def test_what_comes_back_counts_in_its_own_hour_and_the_email_in_that_of_its_sending(context: Flask) -> None:
    fill()
    totals.roll_up(db.session, NOON + 3 * HOUR)
    query = select(ProviderTotal).where(ProviderTotal.provider == "gmail").order_by(ProviderTotal.hour)
    assert [(each.hour, each.sent, each.hard) for each in db.session.scalars(query)] == [(12, 2, 0), (14, 0, 1)]


def test_totals_by_status_are_as_before(context: Flask) -> None:
    fill()
    totals.roll_up(db.session, NOON + 3 * HOUR)
    totals.roll_up(db.session, NOON + 3 * HOUR)
    found = {(row.hour, row.status): row.emails for row in db.session.scalars(select(DailyTotal))}
    assert found == {
        (12, "sent"): 5, (12, "bounced"): 2, (12, "complained"): 1, (12, "failed"): 2, (12, "skipped"): 1,
        (13, "sent"): 0, (14, "sent"): 0, (14, "bounced"): 1, (15, "sent"): 0,
    }  # fmt: skip


def test_deliveries_count_once_for_an_email(context: Flask) -> None:
    first, second, *_ = fill()
    for number, (pk, provider) in enumerate([(first, "gmail"), (first, "gmail"), (second, "gmail"), (5, "x.example")]):
        db.session.add(
            Feedback(
                source="ses", event_id=str(number), kind="delivered", verdict="none", rule_version=1, matched_by="verp",
                notification_id=pk, proven=True, provider=provider, happened_at=NOON, received_at=NOON, effect="none",
            )
        )  # fmt: skip
    db.session.commit()
    totals.roll_up(db.session, NOON)
    found = by_provider.of_days(db.session(), days=1, now=NOON)
    assert {name: each.delivered for name, each in found.items() if each.delivered} == {"gmail": 2, OTHER: 1}


def test_a_run_is_counted_from_the_ledger(context: Flask) -> None:
    fill(run_id=7)
    make_notification(make_user("z@gmail.com"), status=Status.sent, sent_at=NOON, settled_at=NOON)
    assert by_provider.of_run(db.session(), 7) == {
        "gmail": Figures(sent=2, hard=1),
        "microsoft": Figures(sent=2, soft=1, complained=1),
        "apple": Figures(failed=2, hard=1, refused=1),
        "yahoo": Figures(),
        OTHER: Figures(sent=1, refused=1),
    }
    assert by_provider.came_back(db.session(), 7) == Figures(failed=2, hard=2, soft=1, refused=2, complained=1)


def test_old_totals_are_deleted(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "KEEP", timedelta(days=1))
    fill()
    totals.roll_up(db.session, NOON)
    assert by_provider.of_days(db.session(), days=1, now=NOON)
    totals.roll_up(db.session, NOON + timedelta(days=3))
    assert list(db.session.scalars(select(ProviderTotal.day).where(ProviderTotal.day == NOON.date()))) == []


def test_a_share_is_of_the_emails_that_a_server_answered() -> None:
    assert Figures(sent=90, failed=10).share(5) == 0.05
    assert Figures().share(0) is None


def test_an_hour_is_counted_by_provider_when_it_begins_and_at_some_of_its_minutes(context: Flask) -> None:
    def sent(minutes: int) -> int:
        now = NOON + timedelta(minutes=minutes)
        make_notification(make_user(f"{minutes}@gmail.com"), status=Status.sent, sent_at=now, settled_at=now)
        totals.roll_up(db.session, now)
        return by_provider.of_days(db.session(), days=1, now=now)["gmail"].sent

    assert [sent(minutes) for minutes in (1, 2, 4, 5, 6, 61)] == [1, 1, 1, 4, 4, 6]


def test_hours_that_no_tick_saw_are_counted_later(context: Flask) -> None:
    fill()
    totals.roll_up(db.session, NOON - HOUR)
    totals.roll_up(db.session, NOON + 9 * HOUR + timedelta(minutes=3))
    assert by_provider.of_days(db.session(), days=1, now=NOON)["gmail"] == Figures(sent=2, hard=1)
