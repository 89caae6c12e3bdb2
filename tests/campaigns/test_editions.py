"""Editions: a correction reaches people who have nothing yet, a new message everyone, and none gets one twice."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from notifier import ledger
from notifier.campaigns import control
from notifier.campaigns.content_held import Holding, held
from notifier.campaigns.content_moves import Moving
from notifier.campaigns.content_versions import ContentChange
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.expand import Expansion
from notifier.emails import KINDS
from notifier.explain.plan_values import Has
from notifier.explain.why import why
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Notification, User
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from notifier.testing.mail_server import ACCEPTED, NO_REPLY
from tests.support.applications import NOON
from tests.support.campaigns import CONTENT, IDS, make_campaign, make_people, start_run
from tests.support.content import GREYLISTED, LATER, Outbox, rows, run_now, run_of, save, stop
from tests.support.kinds import happened
from tests.support.services import replace_services

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)


@pytest.fixture
def outbox(context: Flask) -> Outbox:
    return Outbox(context)


def news(**values: Any) -> Campaign:
    """An announcement without a schedule, whose uncertain emails are not sent again."""
    return make_campaign(cron=None, next_slot=None, next_run_at=None, on_unknown="never", **values)


def plan(app: Flask, campaign: Campaign) -> Any:
    name = campaign.name
    db.session.rollback()
    return services_of(app).planner.plan(name, "now")


def test_a_correction_reaches_those_alone_who_have_nothing_yet(context: Flask, outbox: Outbox) -> None:
    make_people(10)
    campaign = news()
    first, keys = run_now(campaign)
    outbox.answer = lambda handed: NO_REPLY if handed.number == 2 else ACCEPTED
    outbox.deliver(keys[:4])
    assert stop(context, first) == 6
    save(campaign, "Corrected")
    found = plan(context, campaign)
    assert (found.count, found.content, found.edition) == (6, 1, 1)
    assert found.has == [Has(0, "sent", 3), Has(0, "unknown", 1)]
    outbox.answer = ACCEPTED
    second, keys = run_now(campaign, 1)
    outbox.deliver(keys)
    assert outbox.subjects() == {"News": 4, "Corrected": 6}
    assert outbox.most() == 1
    assert [row.status for row in rows(first)] == ["sent", "sent", "unknown", "sent", *["cancelled"] * 6]
    assert run_of(second).planned == 6
    db.session.rollback()
    report = services_of(context).audit.of()
    assert report.ok, report
    answers = {pk: why(db.session(), pk, KINDS)[0] for pk in db.session.scalars(select(User.id))}
    assert Counter(answer.outcome for answer in answers.values()) == {"got it": 9, "not": 1}
    assert Counter(answer.values.get("version") for answer in answers.values()) == {None: 4, 1: 6}
    db.session.rollback()
    assert not services_of(context).repair.look(second).any
    assert plan(context, campaign).count == 0


def test_a_new_message_reaches_everybody_once(context: Flask, outbox: Outbox) -> None:
    people = make_people(5)
    campaign = news()
    _, keys = run_now(campaign)
    outbox.deliver(keys[:3])
    save(campaign, "Another", ContentChange.new_message)
    assert plan(context, campaign).count == 5
    second, more = run_now(campaign, 1)
    outbox.deliver([*keys[3:], *more])
    # What waited of the first edition says what it said.
    assert outbox.subjects() == {"News": 5, "Another": 5}
    assert [row.dedupe_key for row in rows(second)] == [f"c{campaign.id}:e2:{pk}" for pk in people]
    assert plan(context, campaign).count == 0


def test_a_corrected_new_message_is_of_its_edition(context: Flask, outbox: Outbox) -> None:
    make_people(3)
    campaign = news()
    save(campaign, "Another", ContentChange.new_message)
    _, keys = run_now(campaign)
    outbox.deliver(keys)
    assert save(campaign, "Corrected").edition == 2
    assert plan(context, campaign).count == 0
    assert plan(context, campaign).has == [Has(1, "sent", 3)]


def test_the_same_again_goes_at_every_slot_whatever_was_corrected(outbox: Outbox) -> None:
    make_people(2)
    campaign = news(settings={**CONTENT, "again": True})
    for hours, change in enumerate((None, ContentChange.correction, ContentChange.new_message)):
        if change:
            save(campaign, change.value, change)
        outbox.deliver(run_now(campaign, hours)[1])
    assert outbox.subjects() == {"News": 2, "correction": 2, "new_message": 2}


def test_a_cancelled_email_in_doubt_keeps_its_key(context: Flask, outbox: Outbox) -> None:
    """Nobody can tell whether it arrived, so no run sends it again."""
    make_people(2)
    campaign = make_campaign(cron=None, next_slot=None, next_run_at=None, on_unknown="resend")
    first, keys = run_now(campaign)
    outbox.answer = NO_REPLY
    outbox.deliver(keys[:1])
    stop(context, first)
    assert [(row.status, row.unknowns, "~" in row.dedupe_key) for row in rows(first)] == [
        ("cancelled", 1, False), ("cancelled", 0, True),
    ]  # fmt: skip
    outbox.answer = ACCEPTED
    outbox.deliver(run_now(campaign, 1)[1])
    assert outbox.most() == 1
    assert len(outbox.sent) == 2


def test_two_runs_that_were_cancelled_are_in_nobodys_way(context: Flask, outbox: Outbox) -> None:
    make_people(3)
    campaign = news()
    for hours in range(2):
        run_id, _ = run_now(campaign, hours)
        assert stop(context, run_id) == 3
    outbox.deliver(run_now(campaign, 2)[1])
    assert (len(outbox.sent), outbox.most()) == (3, 1)
    assert services_of(context).audit.of().ok


def test_why_says_that_a_later_run_reaches_whom_a_cancelled_one_did_not(context: Flask) -> None:
    [person] = make_people(1)
    campaign = make_campaign(next_slot=NOON + DAY, next_run_at=NOON + DAY)
    run_id, _ = run_now(campaign)
    stop(context, run_id)
    [answer] = why(db.session(), person, KINDS)
    assert (answer.outcome, answer.code, answer.at) == ("will get it", "chosen", NOON + DAY)
    db.session.execute(update(Campaign).values(next_slot=None, next_run_at=None))
    db.session.commit()
    [answer] = why(db.session(), person, KINDS)
    assert (answer.outcome, answer.code) == ("not", "cancelled")


def paused(outbox: Outbox, people: int = 6) -> tuple[Campaign, int, list[int]]:
    """A run that was paused after its first email, with everything that an email can be."""
    make_people(people)
    campaign = news()
    run_id, keys = run_now(campaign)
    outcomes = [ACCEPTED, NO_REPLY, LATER, GREYLISTED]
    outbox.answer = lambda handed: outcomes[handed.number]
    outbox.deliver(keys[:4])
    ledger.claim(db.session(), [keys[4]], now=NOON, lease=DAY, owner="a worker")
    control.pause(db.session(), campaign, reason="a typo")
    db.session.commit()
    outbox.answer = ACCEPTED
    return campaign, run_id, keys


def test_what_waits_moves_unless_an_attempt_began(context: Flask, outbox: Outbox) -> None:
    campaign, run_id, keys = paused(outbox)
    before = [(row.id, row.dedupe_key) for row in rows()]
    one = save(campaign, "Corrected").id
    found = held(db.session(), campaign, KINDS)
    assert {group.holding: group.emails for group in found.groups} == {
        Holding.have: 1, Holding.uncertain: 1, Holding.begun: 1, Holding.sending: 1, Holding.can_move: 2,
    }  # fmt: skip
    assert (found.waiting, found.to_move, found.is_behind, found.runs) == (2, 2, True, (run_id,))
    assert found.sentences()[:2] == ["1 has the original version.", "2 wait with the original version and can move."]
    mover = services_of(context).moving
    assert mover.move([run_id], by=COMMAND_LINE) == 2
    assert mover.move([run_id], by=COMMAND_LINE) == 0
    assert [row.content_id for row in rows()] == [None, None, None, one, None, one]
    assert [(row.id, row.dedupe_key) for row in rows()] == before
    assert run_of(run_id).content_id == one
    assert not held(db.session(), campaign, KINDS).is_behind
    control.resume(db.session(), campaign)
    db.session.commit()
    db.session.execute(update(Notification).where(Notification.status == "pending").values(next_attempt_at=NOON))
    db.session.commit()
    outbox.deliver(keys)
    assert outbox.subjects() == {"News": 3, "Corrected": 2}
    assert outbox.most() == 1


def test_a_claim_that_comes_in_between_keeps_its_version(context: Flask, outbox: Outbox) -> None:
    """What a worker has taken says what the worker read."""
    make_people(2)
    campaign = news()
    run_id, keys = run_now(campaign)
    one = save(campaign, "Corrected").id
    claimed = ledger.claim(db.session(), keys[:1], now=NOON, lease=DAY, owner="a worker")
    db.session.commit()
    assert claimed[0].content_id is None
    assert services_of(context).moving.move([run_id], by=COMMAND_LINE) == 1
    assert [row.content_id for row in rows()] == [None, one]


def test_emails_that_a_moved_run_is_still_to_add_say_the_new_content(context: Flask) -> None:
    make_people(6)
    campaign = news()
    run_id = start_run(campaign, NOON)

    def publish(keys: Any, *, bulk: bool) -> bool:
        if len(rows()) == 2:
            save(campaign, "Corrected")
            services_of(context).moving.move([run_id], by=COMMAND_LINE)
        return True

    Expansion(db.session, publish, KINDS, IDS, chunk=2).run(run_id)
    assert len({row.content_id for row in rows()}) == 1
    assert rows()[0].content_id is not None


def test_a_run_keeps_the_edition_that_it_began_with(context: Flask) -> None:
    people = make_people(4)
    campaign = news()
    run_id = start_run(campaign, NOON)

    def publish(keys: Any, *, bulk: bool) -> bool:
        if len(rows()) == 2:
            save(campaign, "Another", ContentChange.new_message)
        return True

    Expansion(db.session, publish, KINDS, IDS, chunk=2).run(run_id)
    assert [row.dedupe_key for row in rows()] == [f"c{campaign.id}:e1:{pk}" for pk in people]
    with pytest.raises(CampaignError, match="it sends edition 1, and the content is of edition 2 by now"):
        services_of(context).moving.move([run_id], by=COMMAND_LINE)
    db.session.rollback()
    assert plan(context, campaign).count == 4
    # Repair goes by the edition of the run, too: whoever has it misses nothing.
    assert services_of(context).repair.look(run_id).people == 0


def test_a_run_that_is_over_moves_nothing(context: Flask) -> None:
    make_people(1)
    campaign = news()
    run_id, _ = run_now(campaign)
    save(campaign, "Corrected")
    stop(context, run_id)
    with pytest.raises(CampaignError, match="No email of run 1 can move: it is cancelled"):
        services_of(context).moving.move([run_id], by=COMMAND_LINE)
    db.session.rollback()
    assert {row.content_id for row in rows()} == {None}


def test_a_kind_without_editions_takes_corrections_alone(context: Flask, outbox: Outbox) -> None:
    [person] = make_people(1)
    happened(person, NOON - 31 * DAY)
    campaign = make_campaign(kind="monthly_report", cron=None, next_slot=None, next_run_at=None)
    with pytest.raises(CampaignError, match="has no editions"):
        save(campaign, "Another", ContentChange.new_message, body="{content}")
    db.session.rollback()
    save(campaign, "First", body="{content}")
    run_id, keys = run_now(campaign)
    save(campaign, "Corrected", body="{content}")
    assert services_of(context).moving.move([run_id], by=COMMAND_LINE) == 1
    outbox.deliver(keys)
    assert outbox.subjects() == {"Corrected": 1}
    assert plan(context, campaign).count == 0


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_a_move_that_is_killed_leaves_each_email_with_one_version(context: Flask, outbox: Outbox, moment: str) -> None:
    """kill -9 in the second of three portions: each email has one version or the other, and the next move goes on."""
    replace_services(context, moving=Moving(db.session, KINDS, chunk=3))
    make_people(9)
    campaign = news()
    run_id, keys = run_now(campaign)
    outbox.deliver(keys[:1])
    control.pause(db.session(), campaign, reason="a typo")
    db.session.commit()
    one = save(campaign, "Corrected").id
    # Committed: where the run leads, the first portion, and the second where the kill comes after it.
    name = campaign.name
    assert killed(lambda: services_of(context).moving.move([run_id], by=COMMAND_LINE), moment, 3)
    moved = 3 if moment == "before the commit" else 6
    assert Counter(row.content_id for row in rows()) == {None: 9 - moved, one: moved}
    campaign = control.find(db.session(), name)
    assert held(db.session(), campaign, KINDS).to_move == 8 - moved
    db.session.rollback()
    assert services_of(context).moving.move([run_id], by=COMMAND_LINE) == 8 - moved
    control.resume(db.session(), campaign)
    db.session.commit()
    outbox.deliver(keys)
    assert outbox.subjects() == {"News": 1, "Corrected": 8}
    assert outbox.most() == 1


def killed(work: Callable[[], object], moment: str, commits: int) -> bool:
    """Do this in a child that ends by kill -9 at its n-th commit."""
    db.session.remove()
    db.engine.dispose()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    done = 0

    def commit(_: Any) -> None:
        nonlocal done
        done += 1
        if done == commits:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(db.session(), moment.removesuffix(" the commit").strip() + "_commit", commit)
    work()
    os._exit(0)


def test_each_email_moves_with_its_run_alone(context: Flask) -> None:
    make_people(2)
    campaign = news(settings={**CONTENT, "again": True})
    first, _ = run_now(campaign)
    second, _ = run_now(campaign, 1)
    one = save(campaign, "Corrected").id
    assert services_of(context).moving.move([second], by=COMMAND_LINE) == 2
    assert {row.content_id for row in rows(first)} == {None}
    assert {row.content_id for row in rows(second)} == {one}
    assert db.session.scalars(select(CampaignRun.content_id).order_by(CampaignRun.id)).all() == [None, one]
