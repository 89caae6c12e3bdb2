"""Edited content: versions are only added, and emails have the version of their planning."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import DBAPIError

from notifier import audience
from notifier.campaigns import content_versions
from notifier.campaigns.errors import Changed
from notifier.campaigns.expand import Expansion
from notifier.content import Content, ContentError, shape_of
from notifier.content.schema import fit
from notifier.delivery.deliver import Sender
from notifier.emails import KINDS, Owed
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.content_variables import offered, values
from notifier.explain.plan import as_claimed
from notifier.explain.plan_token import PlanChanged
from notifier.extensions import db
from notifier.mail.message import Message
from notifier.models import AuditEntry, Campaign, CampaignRun, ContentVersion, Notification, User
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from notifier.testing.mail_server import ACCEPTED, BUSY, FakeMailServer
from tests.support.applications import NOON
from tests.support.campaigns import IDS, SLOT, expand, make_campaign, make_people, run_row, start_run
from tests.support.kinds import happened, rows_of

pytestmark = pytest.mark.usefixtures("frozen", "context")

HOUR = timedelta(hours=1)
FIRST = Content("First {{ user.name|default('friend') }}", "One", "The first words.")
SECOND = Content("Second", "Two", "The second words.")


@pytest.fixture
def server(context: Flask) -> FakeMailServer:
    return FakeMailServer().attach(context)


@pytest.fixture
def sent(server: FakeMailServer) -> list[Message]:
    return server.sent


@pytest.fixture
def sender(context: Flask, server: FakeMailServer) -> Sender:
    return services_of(context).sender


def save(campaign: Campaign, words: Content, seen: int | None = None) -> ContentVersion:
    """A new version, committed."""
    seen = (campaign.content_id or 0) if seen is None else seen
    row = content_versions.save(
        db.session(), campaign, words, KINDS, seen=seen, by=COMMAND_LINE, note="", now=NOON
    )  # fmt: skip
    db.session.commit()
    return row


def plan(campaign: Campaign, slot: datetime = SLOT) -> list[int]:
    told: list[int] = []
    expand(start_run(campaign, slot), told)
    return told


def pinned() -> list[int | None]:
    db.session.rollback()
    return list(db.session.scalars(select(Notification.content_id).order_by(Notification.id)))


def test_what_is_planned_says_what_was_meant_then(sender: Sender, sent: list[Message]) -> None:
    make_people(2)
    campaign = make_campaign(settings={"subject": "News", "heading": "H", "paragraphs": ["P."], "again": True})
    delivered = plan(campaign)
    one = save(campaign, FIRST).id
    first = plan(campaign, SLOT + HOUR)
    two = save(campaign, SECOND).id
    second = plan(campaign, SLOT + 2 * HOUR)
    assert pinned() == [None, None, one, one, two, two]
    sender.deliver([*first, *second, *delivered], bulk=True)
    assert [message.subject for message in sent] == ["First friend"] * 2 + ["Second"] * 2 + ["News"] * 2
    assert "The first words." in sent[0].text
    assert "The first words." in sent[0].html
    assert "The second words." in sent[2].text
    assert "Unsubscribe" in sent[2].html
    assert ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click") in sent[2].headers
    db.session.rollback()
    versions = db.session.scalars(select(Notification.template_version).order_by(Notification.id)).all()
    assert versions[0] == versions[1]
    assert not versions[0].startswith("w")
    assert [version[: len(f"w{one}-")] for version in versions[2:]] == [f"w{one}-"] * 2 + [f"w{two}-"] * 2
    assert all(len(version) <= 32 for version in versions)


def test_a_second_try_says_the_same_though_the_words_changed(sender: Sender, server: FakeMailServer) -> None:
    make_people(1)
    campaign = make_campaign()
    save(campaign, FIRST)
    keys = plan(campaign)
    server.answer = BUSY
    sender.deliver(keys, bulk=True)
    save(campaign, SECOND)
    db.session.execute(update(Notification).values(next_attempt_at=NOON, status="pending"))
    db.session.commit()
    server.answer = ACCEPTED
    sender.deliver(keys, bulk=True)
    first, again = (handed.message for handed in server.handed)
    assert (first.subject, first.text, first.html) == (again.subject, again.text, again.html)
    assert first.message_id == again.message_id


def test_one_run_says_one_thing_though_it_takes_long() -> None:
    make_people(6)
    campaign = make_campaign()
    one = save(campaign, FIRST).id
    run_id = start_run(campaign)

    def publish(keys: Any, *, bulk: bool) -> bool:
        if len(pinned()) == 2:
            save(campaign, SECOND)
        return True

    Expansion(db.session, publish, KINDS, IDS, chunk=2).run(run_id)
    assert pinned() == [one] * 6
    assert run_row(run_id).content_id == one
    assert db.session.get_one(Campaign, campaign.id).content_id != one


def test_the_words_of_a_batch_are_asked_for_once(sender: Sender, sent: list[Message]) -> None:
    make_people(30)
    campaign = make_campaign()
    save(campaign, FIRST)
    keys, asked = plan(campaign), []
    event.listen(
        db.engine, "before_cursor_execute",
        lambda _c, _u, query, *_: asked.append(query) if "FROM notifier_content_versions" in query else None,
    )  # fmt: skip
    sender.deliver(keys[:20], bulk=True)
    sender.deliver(keys[20:], bulk=True)
    assert (len(sent), len(asked)) == (30, 1)


def test_words_that_a_later_program_does_not_know_fail_their_mail_alone(sender: Sender, sent: list[Message]) -> None:
    make_people(1)
    broken, whole = make_campaign("broken"), make_campaign("whole")
    row = ContentVersion(campaign_id=broken.id, number=1, subject="S", heading="H", body="{{ gone.long_ago }}")
    db.session.add(row)
    db.session.flush()
    broken.content_id = row.id
    db.session.commit()
    save(whole, SECOND)
    keys = plan(broken) + plan(whole)
    sender.deliver(keys, bulk=True)
    assert [message.subject for message in sent] == ["Second"]
    db.session.rollback()
    assert db.session.get_one(Notification, keys[0]).status != "sent"


def test_the_plan_shows_the_words_that_would_go_and_changes_with_them(context: Flask) -> None:
    make_people(1)
    campaign = make_campaign()
    name, planner = campaign.name, services_of(context).planner
    db.session.rollback()
    before = planner.plan(name)
    assert before.sample.subject == "News"
    save(campaign, SECOND)
    after = planner.plan(name)
    assert after.sample.subject == "Second"
    assert "content" in before.planned.basis.changed_to(after.planned.basis)
    db.session.rollback()
    with pytest.raises(PlanChanged, match="its content changed"):
        planner.confirm(before.token, name, "next")


def test_of_two_editors_the_second_is_told_and_nothing_is_lost() -> None:
    campaign = make_campaign()
    save(campaign, FIRST, seen=0)
    with pytest.raises(Changed, match=r"A command saved version 1 meanwhile, at 12:00 UTC\."):
        save(campaign, SECOND, seen=0)
    db.session.rollback()
    assert content_versions.written(content_versions.current(db.session(), campaign)) == FIRST  # type: ignore[arg-type]
    assert [each.number for each in content_versions.versions(db.session(), campaign)] == [1]
    second = save(campaign, SECOND)
    assert second.number == 2
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.action, entry.before["version"], entry.after["version"]) for entry in entries] == [
        ("content.saved", "the default text", 1),
        ("content.saved", 1, 2),
    ]


def test_versions_only_grow() -> None:
    campaign = make_campaign()
    one = save(campaign, FIRST)
    save(campaign, SECOND)
    three = save(campaign, content_versions.written(one))
    assert (three.number, content_versions.written(three)) == (3, FIRST)
    content_versions.drop(db.session(), campaign, KINDS, seen=three.id, by=COMMAND_LINE)
    db.session.commit()
    assert db.session.get_one(Campaign, campaign.id).content_id is None
    assert save(campaign, SECOND).number == 4
    one.subject = "rewritten"
    with pytest.raises(TypeError, match="only ever added"):
        db.session.flush()
    db.session.rollback()
    with pytest.raises(DBAPIError, match="only ever added"):
        db.session.execute(text("UPDATE notifier_content_versions SET subject = 'rewritten'"))
    db.session.rollback()
    assert len(content_versions.versions(db.session(), campaign)) == 4


def test_words_that_are_refused_are_not_stored() -> None:
    campaign = make_campaign()
    with pytest.raises(ContentError, match=r"Body, line 2: `nme` is not available in this email"):
        save(campaign, Content("S", "H", "\n{{ nme }}"))
    db.session.rollback()
    assert db.session.scalars(select(ContentVersion)).all() == []


@pytest.mark.parametrize("name", ["announcement", "verification_reminder", "monthly_report", "activity_digest"])
def test_a_mail_brings_all_that_its_kind_offers(context: Flask, name: str) -> None:
    """In the shape that the words were checked against; and what it begins with says what the files say."""
    confirmed = name != "verification_reminder"
    values_of = {"created_at": SLOT - timedelta(days=5), "verified_at": SLOT - timedelta(days=5) if confirmed else None}
    [user_id] = make_people(1, display_name="Ada", **values_of)
    happened(user_id, SLOT - timedelta(days=1), SLOT - timedelta(days=30))
    campaign, kind = make_campaign(kind=name), KINDS[name]
    assert isinstance(kind, CampaignKind)
    occasion = audience.occasion_of(campaign, SLOT, KINDS)
    row = as_claimed(db.session(), occasion, user_id, NOON)
    assert row.user
    composer = services_of(context).sender.composer
    owed = Owed(row, row.user, services_of(context).links, kind.load(db.session(), [row]).get(row.id))
    known = values(owed, composer._common(owed) | kind.context(owed))
    names = offered(kind)
    found = fit(shape_of(names), known)
    assert found.keys() == names.keys()
    assert found["user"] == {"name": "Ada" if confirmed else "", "email": "user1@example.com"}
    as_files = composer.compose(owed).message
    save(campaign, content_versions.begin_with(campaign, KINDS))
    occasion = audience.occasion_of(campaign, SLOT, KINDS)
    again = owed.__class__(row._replace(content_id=occasion.content_id), row.user, owed.links, owed.data)
    composer.content_cache.fetch(db.session(), [again.notification])
    worded = composer.compose(again).message
    assert worded.subject == as_files.subject
    said, before = (set(re.findall(r"https?://[^\s<>]+|\w+", message.text)) for message in (worded, as_files))
    assert before - said <= {"Please", "by", "opening", "We", "wasn", "t", "week"}, before - said


def test_rows_of_a_run_are_looked_at_with_their_words() -> None:
    make_people(1)
    campaign = make_campaign()
    one = save(campaign, FIRST).id
    plan(campaign)
    assert [row.content_id for row in rows_of()] == [one]
    assert db.session.scalars(select(CampaignRun.content_id)).all() == [one]
    assert db.session.scalars(select(User.id)).all() == [rows_of()[0].user.id]  # type: ignore[union-attr]
