"""Why: one answer for each person and campaign, the same as the ledger's and the rule's."""

import json
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import insert, select, update

from notifier import ledger
from notifier.accounts.seeds import seed
from notifier.campaigns import control
from notifier.campaigns.default_campaigns import load
from notifier.campaigns.explanations import Answer, Receipt
from notifier.database.snapshot import reading
from notifier.emails import KINDS
from notifier.explain.why import why, why_all
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Notification, Preference, Suppression, User
from notifier.reasons import ReasonCode
from notifier.services import services_of
from tests.support.applications import NOON, make_user
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, start_run, tick
from tests.support.checksum import checksum
from tests.support.commands import Run

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
#: People of the world in which everybody gets one reason; SQLite is there for its SQL, not for the number.
#: They are looked at in chunks of 2,000.
USERS = {"postgresql": 4_500, "sqlite": 2_000}


def ask(user_id: int, name: str = "news") -> Answer:
    """What is said of this user now."""
    db.session.rollback()
    with reading(db.session) as session:
        (answer,) = why(session, user_id, KINDS, name)
    return answer


def brief(user_id: int) -> tuple[str, str]:
    answer = ask(user_id)
    return answer.outcome.value, answer.code


def owed(status: str = "pending", **values: Any) -> int:
    """One person whose mail of the newest run stands like this. Returns the user."""
    (person,) = make_people(1)
    expand(start_run(make_campaign(next_slot=SLOT + DAY, next_run_at=SLOT + DAY)))
    db.session.execute(update(Notification).values(status=status, **values))
    db.session.commit()
    return person


# --- by the ledger ----------------------------------------------------------------------------------


def test_whoever_got_it_is_told_when_and_what_the_server_said() -> None:
    person = owed("sent", sent_at=NOON - HOUR, last_code=250, last_enhanced="2.0.0", last_text="Ok: queued")
    answer = ask(person)
    assert (answer.outcome, answer.code, answer.at) == (Receipt.got, "sent", NOON - HOUR)
    assert answer.reply == "250 2.0.0 Ok: queued"
    assert (answer.run_id, answer.judged) == (db.session.scalars(select(CampaignRun.id)).one(), "already")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("complained", "got it"),
        ("bounced", "not"),
        ("failed", "not"),
        ("suppressed", "not"),
        ("skipped", "not"),
        ("expired", "not"),
        ("cancelled", "not"),
        ("unknown", "not"),
        ("sending", "will get it"),
        ("pending", "will get it"),
    ],
)
def test_every_status_is_an_answer_with_its_reason(status: str, outcome: str) -> None:
    person = owed(status, reason="a reason of its own", settled_at=NOON - HOUR)
    answer = ask(person)
    assert (answer.outcome.value, answer.code) == (outcome, status)
    assert status in {"sending", "complained"} or "a reason of its own" in answer.words
    assert answer.at == {"will get it": NOON, "got it": NOON - HOUR, "not": NOON - HOUR}[outcome]


def test_what_waits_is_told_with_its_moment_and_what_will_be_too_late() -> None:
    person = owed(next_attempt_at=NOON + HOUR, reason="quiet hours")
    assert (ask(person).at, "quiet hours" in ask(person).words) == (NOON + HOUR, True)
    db.session.execute(update(Notification).values(deadline=NOON + HOUR))
    db.session.commit()
    assert brief(person) == ("not", "expired")


def test_a_paused_or_cancelled_run_is_the_reason() -> None:
    person = owed()
    run = db.session.scalars(select(CampaignRun)).one()
    control.pause_run(db.session(), run, ReasonCode.paused_by_hand, why="look first")
    db.session.commit()
    answer = ask(person)
    assert (answer.outcome, answer.code, answer.at) == (Receipt.will, "paused", None)
    assert "look first" in answer.words
    control.cancel_run(db.session(), control.find_run(db.session(), run.id), reason="wrong words")
    db.session.commit()
    assert brief(person) == ("not", "cancelled")


def test_mail_of_an_older_run_counts_where_it_is_the_same_mail() -> None:
    """An announcement is not sent again; a report of another month is another mail."""
    person = owed("sent", sent_at=NOON)
    expand(start_run(db.session.scalars(select(Campaign)).one(), NOON))
    assert brief(person) == ("got it", "sent")
    db.session.execute(update(Campaign).values(edition=2))
    db.session.commit()
    assert brief(person) == ("will get it", "chosen")


KINDS_TEXT = {"subject": "News", "heading": "What is new", "paragraphs": ["One thing.", "Another thing."]}


# --- by the rule ------------------------------------------------------------------------------------


def test_whoever_has_no_row_is_judged_for_the_next_slot() -> None:
    make_campaign(next_slot=SLOT + DAY, next_run_at=SLOT + DAY)
    chosen, left = make_people(1)[0], make_people(1, verified_at=None)[0]
    answer = ask(chosen)
    assert (answer.outcome, answer.code, answer.at) == (Receipt.will, "chosen", SLOT + DAY)
    answer = ask(left)
    assert (answer.outcome, answer.code) == (Receipt.wont, "not_confirmed")
    assert (answer.words, answer.values) == ("the address is not confirmed", {"confirmed at": None})


@pytest.mark.parametrize(
    ("values", "code", "words"),
    [
        ({"state": "paused", "paused_reason": "look first"}, "paused", "look first"),
        ({"state": "archived", "next_slot": None, "next_run_at": None}, "archived", "archived"),
        ({"cron": None, "next_slot": None, "next_run_at": None}, "no_slot", "an operator has to start it"),
    ],
)
def test_a_campaign_that_does_not_run_is_the_reason(values: dict[str, Any], code: str, words: str) -> None:
    make_campaign(**values)
    answer = ask(make_people(1)[0])
    assert (answer.outcome, answer.code, answer.judged) == (Receipt.wont, code, None)
    assert words in answer.words


def test_a_campaign_that_cannot_be_read_is_a_reason_too() -> None:
    make_campaign(settings={"subject": "Only this"})
    answer = ask(make_people(1)[0])
    assert (answer.outcome, answer.code) == (Receipt.wont, "unreadable")
    assert "settings.heading" in answer.words


def test_whom_an_expansion_has_not_reached_waits_for_it() -> None:
    people = make_people(4)
    campaign = make_campaign(next_slot=SLOT + DAY, next_run_at=SLOT + DAY)
    start_run(campaign, state="expanding", cursor=people[1])
    assert brief(people[1]) == ("not", "left_out")
    answer = ask(people[2])
    assert (answer.outcome, answer.code, answer.at, answer.slot) == (Receipt.will, "chosen", NOON, SLOT)
    db.session.execute(update(CampaignRun).values(state="paused", reason="look first"))
    db.session.commit()
    assert brief(people[2]) == ("will get it", "paused")


# --- everybody --------------------------------------------------------------------------------------


def test_there_is_one_reason_for_everybody_and_the_sums_are_the_plans(
    app: Flask, frozen: time_machine.Traveller
) -> None:
    """Thousands of people and all default campaigns, before the first run and after it."""
    a_world()
    ids = set(db.session.scalars(select(User.id)))
    names = list(db.session.scalars(select(Campaign.name).order_by(Campaign.name)))
    db.session.rollback()
    before = checksum()
    for name in names:
        compare(app, name, ids)
    assert checksum() == before
    frozen.move_to(NOON + DAY)
    for run_id in tick(NOON + DAY).started:
        expand(run_id)
    db.session.rollback()
    answers = compare(app, "activity-digest", ids)
    owed = set(db.session.scalars(select(Notification.user_id).where(Notification.kind == "activity_digest")))
    assert {answer.user_id for answer in answers if answer.code == "pending"} == owed
    assert len(owed) > 100


def a_world() -> None:
    users = USERS[db.session.get_bind().dialect.name]
    for _ in seed(db.session(), users=users, verified=0.7, activities=1, now=NOON):
        pass
    load(db.session(), KINDS, now=NOON)
    ids = db.session.scalars(select(User.id).order_by(User.id)).all()
    keys = db.session.scalars(select(User.identity_key).where(User.id % 17 == 0)).all()
    source = {"reason": "manual", "source": "operator"}
    db.session.execute(insert(Suppression), [{"identity_key": key, **source} for key in keys])
    wishes = [
        {"user_id": pk, "category": category, "wanted": bool(pk % 2), "frequency": frequency}
        for number, (category, frequency) in enumerate((("news", None), ("report", None), ("digest", "daily")))
        for pk in ids[number::11]
    ]
    db.session.execute(insert(Preference), wishes)
    db.session.commit()


def compare(app: Flask, name: str, ids: set[int]) -> list[Answer]:
    """One answer for each, and as the plan counts them."""
    with reading(db.session) as session:
        campaign = session.scalars(select(Campaign).where(Campaign.name == name)).one()
        answers = list(why_all(session, campaign, KINDS))
    assert len(answers) == len(ids)
    assert {answer.user_id for answer in answers} == ids
    assert all(answer.code and answer.words for answer in answers)
    assert answers[0].slot is not None
    plan = services_of(app).planner.plan(name, slot=answers[0].slot)
    sums = Counter(answer.judged for answer in answers)
    assert (sums.pop(None, 0), sums) == (plan.count, plan.excluded)
    by_rule = [answer for answer in answers if answer.run_id is None]
    assert all((answer.outcome is Receipt.wont) or answer.judged is None for answer in by_rule)
    return answers


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture
def run(run: Run) -> Run:
    """Run `notifier why` with these arguments."""
    return partial(run, "why")


def test_the_command_explains_one_person_campaign_by_campaign(run: Run) -> None:
    person = owed("sent", sent_at=NOON, last_code=250, last_text="queued as 77")
    make_campaign("alpha", kind="monthly_report")
    shown = run("USER1@example.com")
    assert shown.exit_code == 0, shown.output
    assert [line.split(" ")[0] for line in shown.output.splitlines() if line.startswith(("alpha", "news"))] == [
        "alpha",
        "news",
    ]
    assert "queued as 77" in shown.output
    found = json.loads(run("user1@example.com", "news", "--json").stdout)
    assert [(each["campaign"], each["outcome"], each["user_id"]) for each in found] == [("news", "got it", person)]


def test_the_command_explains_single_emails_of_everyone_with_the_address(run: Run) -> None:
    users = [make_user("both@example.com", external_id=key) for key in ("1", "2")]
    for user in users:
        ledger.add(db.session(), kind="verification", user=user, dedupe_key=f"v{user.id}", now=NOON, grace=DAY)
    people = [user.id for user in users]
    db.session.execute(update(Notification).values(status="failed", reason="550 no such user", last_code=550))
    db.session.commit()
    shown = run("both@example.com").output
    assert shown.count("single: verification") == 2
    assert shown.count("failed: it could not be sent: 550 no such user") == 2
    found = json.loads(run("both@example.com", "--json").stdout)
    assert [(each["user_id"], each["kind"], each["code"]) for each in found] == [
        (pk, "verification", "failed") for pk in people
    ]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("nobody",), "This address has no @"),
        (("nobody@example.com",), "There is no account with the address nobody@example.com"),
        (("user1@example.com", "nws"), "There is no campaign 'nws'. Available: news."),
    ],
)
def test_wrong_input_is_one_clear_line(run: Run, words: tuple[str, ...], line: str) -> None:
    make_people(1)
    make_campaign()
    result = run(*words)
    assert result.exit_code == 1
    assert line in result.output


def test_ledger_moves_show_at_once() -> None:
    person = owed("unknown", on_unknown="ask", settled_at=NOON)
    assert "notifier repair" in ask(person).words
    key = db.session.scalars(select(Notification.id)).one()
    ledger.move(db.session(), key, "unknown", "pending", now=NOON)  # type: ignore[arg-type]
    db.session.commit()
    assert brief(person) == ("will get it", "pending")
