"""Rows of runs are counted by status, of several runs at once."""

import pytest
from sqlalchemy import select, update

from notifier import ledger
from notifier.extensions import db
from notifier.models import CampaignRun, Notification, Status
from tests.support.applications import NOON, make_owed
from tests.support.campaigns import make_campaign

pytestmark = pytest.mark.usefixtures("context")


def make_run(*statuses: Status) -> int:
    """Add a run with an email of each of these statuses."""
    campaign = make_campaign(name=f"news-{len(db.session.scalars(select(CampaignRun)).all())}")
    run = CampaignRun(campaign_id=campaign.id, slot=NOON, trigger="now", state="sending")
    db.session.add(run)
    db.session.flush()
    for number, status in enumerate(statuses):
        pk = make_owed(1000 * run.id + number)
        db.session.execute(update(Notification).where(Notification.id == pk).values(run_id=run.id, status=status.value))
    db.session.commit()
    return run.id


def test_each_run_has_its_own_numbers_of_every_status() -> None:
    every, two, none = make_run(*Status), make_run(Status.sent, Status.sent), make_run()
    make_owed(1)
    found = ledger.count_by_status(db.session(), [every, two, none])
    assert found == {every: dict.fromkeys(Status, 1), two: {"sent": 2}, none: {}}
    assert ledger.count_by_status(db.session(), [two]) == {two: {"sent": 2}}
    assert ledger.count_by_status(db.session(), []) == {}
