"""A campaign whose content mail servers refuse is paused by itself."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Notification
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import ACCEPTED, FakeMailServer
from tests.support.campaigns import expand, make_campaign, make_people, start_run

pytestmark = pytest.mark.usefixtures("frozen", "context")

SPAM = Outcome(Decision.FAIL, Phase.EOD, Scope.CONTENT, 554, "5.7.1", "looks like spam")


@pytest.fixture
def send(context: Flask) -> Callable[[int, Callable[[int], Outcome]], None]:
    """Sends a new campaign to so many people; the n-th mail meets what the function says."""

    def run(people: int, meets: Callable[[int], Outcome]) -> None:
        sender = services_of(context).sender
        FakeMailServer(lambda handed: meets(handed.number)).attach(sender)
        make_people(people)
        told: list[int] = []
        expand(start_run(make_campaign()), told)
        sender.deliver(told, bulk=True)

    return run


def by_status() -> dict[str, int]:
    db.session.rollback()
    query = select(Notification.status, func.count()).group_by(Notification.status)
    return {row[0]: row[1] for row in db.session.execute(query)}


def test_refused_content_pauses_the_campaign_and_its_run(send: Callable[..., None]) -> None:
    send(80, lambda number: SPAM if number % 10 == 9 else ACCEPTED)
    campaign, run = db.session.scalars(select(Campaign)).one(), db.session.scalars(select(CampaignRun)).one()
    assert (campaign.state, run.state) == ("paused", "paused")
    assert campaign.paused_reason == (
        "mail servers reject its content: 5 of the last 50 emails, now 554 looks like spam"
    )
    assert by_status() == {"sent": 45, "failed": 5, "pending": 30}


@pytest.mark.parametrize(
    ("people", "meets"),
    [
        (80, lambda number: SPAM if number % 40 == 39 else ACCEPTED),
        (49, lambda _: SPAM),
        (80, lambda _: Outcome(Decision.BOUNCE, Phase.RCPT, Scope.RECIPIENT, 550, "5.1.1", "no such user")),
    ],
    ids=["a few", "not enough to tell", "about the people"],
)
def test_other_refusals_do_not(send: Callable[..., None], people: int, meets: Callable[[int], Outcome]) -> None:
    send(people, meets)
    assert db.session.scalars(select(Campaign)).one().state == "active"
    assert by_status().get("pending", 0) == 0
