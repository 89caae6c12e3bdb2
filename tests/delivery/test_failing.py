"""A run whose content cannot be made for too many people pauses itself, says why, and goes on when it is corrected."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, update

from notifier.campaigns import control
from notifier.content import ContentError
from notifier.delivery.composition_brake import Failing
from notifier.delivery.verdict import in_words
from notifier.emails import KINDS
from notifier.explain.why import why
from notifier.extensions import db
from notifier.models import Campaign, User
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from tests.support.applications import NOON
from tests.support.campaigns import make_campaign, make_people
from tests.support.content import Outbox, rows, run_now, run_of, save

pytestmark = pytest.mark.usefixtures("frozen", "context")

EMPTY = "could not be rendered: Subject: The subject is empty for this person."


@pytest.fixture
def outbox(context: Flask) -> Outbox:
    return Outbox(context)


@pytest.fixture
def failing(outbox: Outbox) -> Callable[..., tuple[Campaign, int, list[int]]]:
    """A campaign, its run and its keys; its subject is empty for people without a name."""

    def make(people: int, nameless: list[int]) -> tuple[Campaign, int, list[int]]:
        ids = make_people(people, display_name="Ada", verified_at=NOON)
        db.session.execute(update(User).where(User.id.in_([ids[index] for index in nameless])).values(display_name=""))
        db.session.commit()
        campaign = make_campaign(cron=None, next_slot=None, next_run_at=None)
        save(campaign, "{{ user.name }}")
        run_id, keys = run_now(campaign)
        outbox.deliver(keys)
        return campaign, run_id, keys

    return make


def test_a_run_pauses_itself_and_goes_on_when_it_is_corrected(
    context: Flask, outbox: Outbox, failing: Callable[..., tuple[Campaign, int, list[int]]]
) -> None:
    campaign, run_id, keys = failing(40, [4, 12, 30])
    run = run_of(run_id)
    assert (run.state, run.reason_code) == ("paused", "content_failing")
    assert run.reason == (
        "its content could not be rendered for 2 of 20 people: Subject: The subject is empty for this person."
    )
    assert db.session.get_one(Campaign, campaign.id).state == "active"
    assert len(outbox.sent) == 18
    found = rows()
    assert [found[index].reason for index in (4, 12)] == [EMPTY] * 2
    assert [found[index].status for index in (4, 12, 30)] == ["pending"] * 3
    nobody, waiting = found[4].user_id, found[30].user_id
    assert nobody
    assert waiting
    for person in (nobody, waiting):
        [answer] = why(db.session(), person, KINDS)
        assert (answer.outcome, answer.code) == ("will get it", "paused")
        assert answer.words == f"as soon as its run is resumed: {run.reason}"
    save(campaign, "For {{ user.name|default('everybody') }}")
    assert services_of(context).moving.move([run_id], by=COMMAND_LINE) == 22
    control.resume_run(db.session(), control.find_run(db.session(), run_id))
    db.session.commit()
    services_of(context).run_effects.resumed([run_id])
    outbox.deliver(keys)
    assert outbox.subjects() == {"Ada": 18, "For Ada": 19, "For everybody": 3}
    assert outbox.most() == 1
    assert {row.status for row in rows()} == {"sent"}


@pytest.mark.parametrize(
    ("people", "nameless"), [(40, [0, 39]), (19, list(range(19)))], ids=["one in twenty", "too few to tell"]
)
def test_a_few_that_cannot_be_made_stop_nobody(
    outbox: Outbox, failing: Callable[..., tuple[Campaign, int, list[int]]], people: int, nameless: list[int]
) -> None:
    _, run_id, _ = failing(people, nameless)
    assert run_of(run_id).state == "sending"
    assert len(outbox.sent) == people - len(nameless)
    found = rows()
    assert {found[index].reason for index in nameless} == {EMPTY}


def test_what_fails_again_counts_once(outbox: Outbox, failing: Callable[..., tuple[Campaign, int, list[int]]]) -> None:
    """One in forty fails, in each of its attempts: that is a fortieth, however often it is tried."""
    _, run_id, keys = failing(40, [7])
    for _ in range(4):
        db.session.execute(update(rows()[0].__class__).values(next_attempt_at=NOON))
        db.session.commit()
        outbox.deliver(keys)
    assert run_of(run_id).state == "sending"
    assert (rows()[7].status, rows()[7].reason) == ("failed", EMPTY)


def test_the_numbers_are_settings() -> None:
    paused: list[tuple[int, int, int, str]] = []
    counted = Failing(lambda *args: paused.append(args), share=0.5, least=4)
    assert not counted.failed(1, "no")
    assert not counted.failed(1, "no")
    assert not counted.made(1)
    assert counted.failed(1, "still no")
    assert paused == [(1, 3, 4, "still no")]
    assert not counted.failed(1, "no")
    assert not counted.failed(2, "no")


def test_a_failure_that_is_no_sentence_says_what_it_is() -> None:
    assert in_words(ContentError("The mail is empty.", field="body")) == "Body: The mail is empty."
    assert in_words(KeyError("month")) == "KeyError: 'month'"
    assert in_words(ZeroDivisionError()) == "ZeroDivisionError: the log has the details"
    assert in_words(ValueError("two\nlines\x00")) == "ValueError: two lines?"


def test_one_run_that_fails_lets_the_others_go(
    outbox: Outbox, failing: Callable[..., tuple[Campaign, int, list[int]]]
) -> None:
    _, broken, _ = failing(25, list(range(25)))
    whole = make_campaign("whole", cron=None, next_slot=None, next_run_at=None)
    _, keys = run_now(whole)
    outbox.deliver(keys)
    assert run_of(broken).state == "paused"
    assert outbox.subjects() == {"News": 25}
    assert db.session.scalars(select(Campaign.state)).all() == ["active", "active"]
