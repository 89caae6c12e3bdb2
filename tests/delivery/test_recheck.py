"""Between claim and wire: campaign mail is judged once more, by the rule that planned it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, select, update

from notifier import ledger
from notifier.delivery.deliver import Sender
from notifier.delivery.recheck import Recheck, RecheckResult
from notifier.extensions import db
from notifier.mail.message import Message
from notifier.models import Campaign, CampaignRun, Notification, Preference, Suppression, User
from notifier.services import services_of
from notifier.smtp.outcome import Decision
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import NOON, make_owed
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, start_run

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)


@pytest.fixture
def server(context: Flask) -> FakeMailServer:
    return FakeMailServer().attach(context)


@pytest.fixture
def sent(server: FakeMailServer) -> list[Message]:
    return server.sent


@pytest.fixture
def sender(context: Flask, server: FakeMailServer) -> Sender:
    return services_of(context).sender


def planned(count: int = 1, people: dict[str, Any] | None = None, **values: Any) -> list[int]:
    """The keys of the mails that a run of a new campaign owes so many new people."""
    make_people(count, **people or {})
    run_id, told = start_run(make_campaign(**values)), []
    expand(run_id, told)
    return told


def ends() -> list[tuple[str, str | None]]:
    db.session.rollback()
    rows = db.session.execute(select(Notification.status, Notification.reason).order_by(Notification.id))
    return [(status, reason) for status, reason in rows]


def meanwhile(sender: Sender, act: Callable[[], None]) -> None:
    """Hold the worker between its claim and its last look, and let this happen."""
    look = sender.recheck.look

    def held(rows: Any, **given: Any) -> RecheckResult:
        assert {row.status for row in db.session.scalars(select(Notification))} == {"sending"}
        db.session.rollback()
        act()
        db.session.commit()
        return look(rows, **given)

    sender.recheck.look = held  # type: ignore[method-assign]


def verify() -> None:
    db.session.execute(update(User).values(verified_at=NOON))


def opt_out() -> None:
    db.session.add(Preference(user_id=db.session.scalars(select(User.id)).one(), category="news", wanted=False))


def suppress() -> None:
    db.session.add(Suppression(identity_key="user1@example.com", reason="complaint", source="report"))


def change_the_address() -> None:
    db.session.execute(update(User).values(verified_at=None))


def narrow() -> None:
    db.session.execute(update(Campaign).values(audience={"locales": ["de"]}))


@pytest.mark.parametrize(
    ("act", "values", "end"),
    [
        (verify, {"kind": "verification_reminder"}, ("skipped", "the address is confirmed already")),
        (change_the_address, {}, ("skipped", "the address is not confirmed")),
        (opt_out, {}, ("skipped", "they unsubscribed from news")),
        (suppress, {}, ("suppressed", "the address is suppressed")),
        (narrow, {}, ("skipped", "the campaign is for other languages: de")),
    ],
)
def test_what_changes_between_claim_and_wire_counts(
    sender: Sender, sent: list[Message], act: Callable[[], None], values: dict[str, Any], end: tuple[str, str]
) -> None:
    confirmed = SLOT if act is not verify else None
    keys = planned(people={"created_at": SLOT - DAY, "verified_at": confirmed}, **values)
    meanwhile(sender, act)
    sender.deliver(keys, bulk=True)
    assert (ends(), sent) == ([end], [])


@pytest.mark.parametrize(("state", "end"), [("paused", "the run is paused"), ("cancelled", "the run was cancelled")])
def test_a_run_that_is_stopped_between_claim_and_wire_sends_nothing(
    sender: Sender, sent: list[Message], state: str, end: str
) -> None:
    keys = planned(2)
    meanwhile(sender, lambda: db.session.execute(update(CampaignRun).values(state=state)) and None)
    sender.deliver(keys, bulk=True)
    assert (ends(), sent) == ([("pending", end)] * 2, [])


def test_what_nothing_speaks_against_is_sent(sender: Sender, sent: list[Message]) -> None:
    keys = planned(3)
    assert sender.deliver(keys, bulk=True) == {Decision.ACCEPTED: 3}
    assert [message.subject for message in sent] == ["News"] * 3
    assert b"Another thing." in bytes(str(sent[0].html), "utf-8")


def test_a_reminder_brings_a_link_that_works(sender: Sender, sent: list[Message], app: Flask) -> None:
    keys = planned(people={"created_at": SLOT - DAY, "verified_at": None}, kind="verification_reminder")
    sender.deliver(keys, bulk=True)
    link = next(word for word in str(sent[0].text).split() if "/verify/" in word)
    page = app.test_client().get(link.removeprefix("http://notifier.test"))
    assert page.status_code == 200


def test_a_link_that_was_planned_ahead_is_fresh_when_it_comes(
    sender: Sender, sent: list[Message], app: Flask, frozen: time_machine.Traveller
) -> None:
    """Owed with the first zone of the earth, sent with one of the last: more than a day lies between."""
    frozen.move_to(SLOT - timedelta(hours=14))
    people = {"created_at": SLOT - DAY, "timezone": "Pacific/Honolulu", "verified_at": None}
    planned(people=people, kind="verification_reminder", recipient_local=True)
    keys = db.session.scalars(select(Notification.id)).all()
    frozen.move_to(SLOT + timedelta(hours=11))
    sender.deliver(keys, bulk=True)
    link = next(word for word in str(sent[0].text).split() if "/verify/" in word)
    page = app.test_client().get(link.removeprefix("http://notifier.test"))
    assert page.status_code == 200


def test_mail_of_a_persons_own_action_asks_nothing(context: Flask) -> None:
    make_owed()
    rows = ledger.claim(db.session(), [1], now=NOON, lease=DAY, owner="me")
    db.session.commit()
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    recheck = Recheck(db.session, {}, cap_per_week=1)
    assert recheck.look(rows) == RecheckResult()
    assert statements == []


def test_quiet_hours_are_obeyed_when_the_moment_comes(
    sender: Sender, sent: list[Message], frozen: time_machine.Traveller
) -> None:
    """It was due at noon, but nobody got round to it before ten in the evening."""
    keys = planned(quiet_from="22:00", quiet_to="07:00", people={"timezone": "UTC"})
    frozen.move_to(NOON + timedelta(hours=10))
    sender.deliver(keys, bulk=True)
    assert (ends(), sent) == ([("pending", "quiet hours in the recipient's time zone")], [])
    morning = NOON + timedelta(hours=19)
    assert db.session.scalars(select(Notification.next_attempt_at)).one() == morning
    frozen.move_to(morning)
    sender.deliver(keys, bulk=True)
    assert [status for status, _ in ends()] == ["sent"]


def test_quiet_hours_that_last_too_long_skip(sender: Sender, frozen: time_machine.Traveller) -> None:
    keys = planned(quiet_from="22:00", quiet_to="07:00", lifetime=14 * 3600)
    frozen.move_to(NOON + timedelta(hours=10))
    sender.deliver(keys, bulk=True)
    assert ends() == [("skipped", "quiet hours in the recipient's time zone, and it would expire before then")]


def earlier(user_id: int, campaign: Campaign, *ages: timedelta, kind: str = "announcement") -> None:
    """Mails that this user got so long ago."""
    for age in ages:
        row = ledger.add(
            db.session(), kind=kind, user=db.session.get_one(User, user_id), dedupe_key=f"old:{user_id}:{age}",
            now=NOON - age, grace=DAY,
        )  # fmt: skip
        row.campaign_id, row.sent_at, row.status = campaign.id, NOON - age, "sent"
    db.session.commit()


def test_the_weekly_cap_moves_what_is_too_much(sender: Sender) -> None:
    sender.recheck._cap = 2
    old, free = make_campaign("old"), make_campaign("free", capped=False)
    full, room, uncounted = make_people(3)
    earlier(full, old, 6 * DAY, 2 * DAY, 8 * DAY)
    earlier(room, old, 8 * DAY, 1 * DAY)
    earlier(uncounted, free, 1 * DAY, 2 * DAY)
    run_id, told = start_run(make_campaign("new")), []
    expand(run_id, told)
    sender.deliver(told, bulk=True)
    db.session.rollback()
    rows = db.session.scalars(select(Notification).where(Notification.run_id == run_id)).all()
    found = {row.user_id: (row.status, row.reason) for row in rows}
    assert found == {
        full: ("pending", "the recipient gets at most 2 emails a week"),
        room: ("sent", None),
        uncounted: ("sent", None),
    }
    assert next(row.next_attempt_at for row in rows if row.user_id == full) == NOON + 1 * DAY


def test_a_cap_that_holds_until_it_is_of_no_use_skips(sender: Sender) -> None:
    sender.recheck._cap = 1
    (pk,) = make_people(1)
    earlier(pk, make_campaign("old"), 1 * DAY)
    told: list[int] = []
    expand(start_run(make_campaign("new")), told)
    sender.deliver(told, bulk=True)
    assert ends()[1] == ("skipped", "the recipient gets at most 1 email a week, and it would expire before then")


def test_two_mails_of_one_chunk_do_not_pass_the_cap_together(sender: Sender) -> None:
    sender.recheck._cap = 1
    make_people(1)
    told: list[int] = []
    for name in ("one", "two"):
        expand(start_run(make_campaign(name)), told)
    sender.deliver(told, bulk=True)
    assert sorted(status for status, _ in ends()) == ["sent", "skipped"]


def test_a_paused_run_is_deferred_before_anything_is_claimed(sender: Sender) -> None:
    keys = planned(2)
    db.session.execute(update(CampaignRun).values(state="paused"))
    db.session.commit()
    sender.deliver(keys, bulk=True)
    db.session.rollback()
    rows = db.session.scalars(select(Notification)).all()
    assert {(row.status, row.claims, row.reason) for row in rows} == {("pending", 0, "the run is paused")}
    assert {row.next_attempt_at for row in rows} == {NOON + timedelta(hours=1)}


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_the_claim_itself_refuses_rows_of_a_stopped_run(state: str) -> None:
    keys = planned(2)
    db.session.execute(update(CampaignRun).values(state=state))
    db.session.commit()
    assert ledger.claim(db.session(), keys, now=NOON, lease=DAY, owner="me") == []


def test_a_campaign_that_cannot_be_read_waits_and_keeps_its_mail(sender: Sender) -> None:
    keys = planned(1)
    db.session.execute(update(Campaign).values(audience={"nonsense": 1}))
    db.session.commit()
    sender.deliver(keys, bulk=True)
    ((status, reason),) = ends()
    assert status == "pending"
    assert reason == "the campaign cannot be read: audience.nonsense: there is no such setting"
