"""What people want to get: decided once, with evidence, and asked in SQL."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, select

from notifier.consent import preferences
from notifier.consent.decisions import Wish
from notifier.consent.preferences import ALWAYS, REFUSABLE, How, PreferenceError
from notifier.emails import Category
from notifier.extensions import db
from notifier.models import Consent, Frequency, Preference, User
from tests.support.applications import NOON, make_user

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture
def user(context: Flask) -> int:
    return make_user().id


def decide(
    user: int, category: str, wanted: bool, *frequency: str, how: How = How.page, mail: int | None = None
) -> bool:
    changed = preferences.decide(db.session(), user, category, wanted, *frequency, how=how, notification_id=mail)
    db.session.commit()
    return changed


def wish(user: int, category: str) -> tuple[bool, str | None]:
    found = preferences.of(db.session(), user)[category]
    return found.wanted, found.frequency


def evidence() -> list[tuple[str, bool, str | None, str, int | None]]:
    rows = db.session.scalars(select(Consent).order_by(Consent.id))
    return [(row.category, row.wanted, row.frequency, row.how, row.notification_id) for row in rows]


def in_sql(category: str) -> dict[int, tuple[bool, str]]:
    query = select(User.id, preferences.refused(category), preferences.frequency_of())
    return {pk: (bool(refused), frequency) for pk, refused, frequency in db.session.execute(query)}


def test_every_category_is_either_for_choice_or_not() -> None:
    assert set(REFUSABLE) | ALWAYS == set(Category)
    assert not ALWAYS.intersection(REFUSABLE)


def test_without_a_decision_the_default_holds(user: int) -> None:
    assert preferences.of(db.session(), user) == {
        "report": Wish("report", True),
        "digest": Wish("digest", True, Frequency.weekly),
        "news": Wish("news", True),
    }
    assert {category: in_sql(category)[user] for category in REFUSABLE} == dict.fromkeys(REFUSABLE, (False, "weekly"))


@pytest.mark.parametrize("category", REFUSABLE)
def test_a_refusal_is_kept_with_its_evidence_and_holds_for_its_category_alone(user: int, category: str) -> None:
    other = make_user("grace@example.com").id
    assert decide(user, category, False, how=How.one_click, mail=41)
    never = "never" if category == "digest" else None
    assert evidence() == [(category, False, never, "one_click", 41)]
    found = preferences.of(db.session(), user)
    assert found[category] == Wish(category, False, Frequency.never if never else None, NOON)
    assert [name for name in REFUSABLE if in_sql(name)[user][0]] == [category]
    assert not any(in_sql(name)[other][0] for name in REFUSABLE)
    assert in_sql("digest")[user][1] == (never or "weekly")
    assert in_sql("digest")[other][1] == "weekly"


def test_two_clicks_are_one_decision(user: int, frozen: time_machine.Traveller) -> None:
    assert decide(user, "news", False)
    frozen.shift(timedelta(days=1))
    assert not decide(user, "news", False)
    assert len(evidence()) == 1
    assert preferences.of(db.session(), user)["news"].decided_at == NOON


def test_choosing_what_holds_already_stores_nothing(user: int) -> None:
    assert not decide(user, "report", True)
    assert not decide(user, "digest", True, "weekly")
    assert evidence() == []
    assert db.session.scalars(select(Preference)).all() == []


def test_refusing_and_wanting_again_leaves_both_in_the_evidence(user: int, frozen: time_machine.Traveller) -> None:
    decide(user, "news", False, how=How.one_click, mail=7)
    frozen.shift(timedelta(hours=1))
    assert decide(user, "news", True, how=How.undo, mail=7)
    assert wish(user, "news") == (True, None)
    assert not in_sql("news")[user][0]
    assert evidence() == [("news", False, None, "one_click", 7), ("news", True, None, "undo", 7)]
    assert [row.at - NOON for row in db.session.scalars(select(Consent).order_by(Consent.id))] == [
        timedelta(0),
        timedelta(hours=1),
    ]


@pytest.mark.parametrize("frequency", ["immediate", "daily", "monthly"])
def test_a_digest_comes_as_often_as_chosen(user: int, frequency: str) -> None:
    assert decide(user, "digest", True, frequency)
    assert not decide(user, "digest", True, frequency)
    assert wish(user, "digest") == (True, frequency)
    assert in_sql("digest")[user] == (False, frequency)
    assert evidence() == [("digest", True, frequency, "page", None)]


def test_never_is_not_wanted(user: int) -> None:
    assert decide(user, "digest", True, "never")
    assert wish(user, "digest") == (False, "never")
    assert in_sql("digest")[user] == (True, "never")
    assert not decide(user, "digest", False)
    assert evidence() == [("digest", False, "never", "page", None)]


def test_who_wants_the_digest_again_gets_it_as_before(user: int) -> None:
    decide(user, "digest", True, "monthly")
    decide(user, "digest", False, "daily")
    assert in_sql("digest")[user] == (True, "never")
    decide(user, "digest", True)
    assert wish(user, "digest") == (True, "monthly")
    assert in_sql("digest")[user] == (False, "monthly")
    assert evidence()[-1] == ("digest", True, "monthly", "page", None)


def test_who_never_chose_a_frequency_gets_the_default_again(user: int) -> None:
    decide(user, "digest", False)
    decide(user, "digest", True)
    assert wish(user, "digest") == (True, "weekly")
    assert in_sql("digest")[user] == (False, "weekly")


def test_all_at_once(user: int) -> None:
    decide(user, "news", False)
    assert preferences.decide_all(db.session(), user, False, how=How.page, notification_id=3)
    assert not preferences.decide_all(db.session(), user, False, how=How.page)
    db.session.commit()
    assert [wish(user, category)[0] for category in REFUSABLE] == [False] * 3
    assert [row[0] for row in evidence()] == ["news", "report", "digest"]
    assert preferences.decide_all(db.session(), user, True, how=How.operator)
    assert [wish(user, category)[0] for category in REFUSABLE] == [True] * 3


@pytest.mark.parametrize(
    ("category", "frequency"),
    [("security", None), ("account", None), ("", None), ("Report", None), ("report", "daily"), ("digest", "hourly")],
)
def test_what_nobody_can_decide_is_an_error(user: int, category: str, frequency: str | None) -> None:
    with pytest.raises(PreferenceError):
        preferences.decide(db.session(), user, category, False, frequency, how=How.page)
    assert evidence() == []


def test_security_and_account_mail_is_refused_by_nobody(user: int) -> None:
    preferences.decide_all(db.session(), user, False, how=How.page)
    for category in ALWAYS:
        assert not in_sql(category)[user][0]
    with pytest.raises(PreferenceError):
        preferences.refused("nonsense")


def test_who_is_gone_decides_nothing(user: int) -> None:
    assert not decide(user + 1, "news", False)
    decide(user, "news", False)
    db.session.execute(delete(User).where(User.id == user))
    db.session.commit()
    assert not decide(user, "news", True)
    assert evidence() == []


def test_a_decision_that_is_not_committed_leaves_no_evidence(user: int) -> None:
    preferences.decide(db.session(), user, "news", False, how=How.page)
    db.session.rollback()
    assert evidence() == []
    assert wish(user, "news") == (True, None)


def test_a_decision_sees_what_others_decided_meanwhile(user: int, make_app: Callable[..., Flask]) -> None:
    decide(user, "news", False)
    mine = db.session.get_one(Preference, (user, "news"))
    assert mine.wanted is False  # this session knows the row
    if db.engine.dialect.name == "sqlite":
        db.session.commit()  # where one transaction is open nothing happens meanwhile
    with make_app().app_context():
        assert decide(user, "news", True)
    assert decide(user, "news", False)
    assert [row[1] for row in evidence()] == [False, True, False]


@pytest.mark.parametrize("wanted", [(False, False, False, False), (False, True, False, True)])
def test_racing_decisions_of_one_user_wait_for_each_other(
    app: Flask, context: Flask, user: int, wanted: tuple[bool, ...]
) -> None:
    barrier, errors, changed = threading.Barrier(len(wanted)), [], []

    def run(want: bool) -> None:
        with app.app_context():
            try:
                barrier.wait()
                changed.append(decide(user, "digest", want, "daily"))
            except Exception as error:
                errors.append(error)
            finally:
                db.session.remove()

    db.session.rollback()  # SQLite has one lock for all writers
    threads = [threading.Thread(target=run, args=(want,)) for want in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(evidence()) == sum(changed)
    assert evidence()[-1][1] is wish(user, "digest")[0]
    assert all(first[1] != second[1] for first, second in zip(evidence(), evidence()[1:], strict=False))
