"""Campaigns, people and runs for tests. All need an application context."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from notifier.campaigns.expand import Expansion
from notifier.campaigns.tick import Tick, Ticked
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.mail.message_ids import Ids
from notifier.models import CampaignRun, Notification
from notifier.testing.factories import CONTENT, SLOT, make_campaign, make_people, start_run
from notifier.testing.settings import make_settings

__all__ = [
    "CONTENT",
    "IDS",
    "SLOT",
    "expand",
    "make_campaign",
    "make_people",
    "owed_to",
    "run_row",
    "start_run",
    "tick",
]

#: Ids with the key of `make_settings`.
IDS = Ids(make_settings().secret_keys)


def tick(now: datetime, called: list[int] | None = None) -> Ticked:
    """One tick; `called` gets the runs whose expansion it calls for."""

    def ring(runs: Any) -> bool:
        if called is not None:
            called.extend(runs)
        return True

    return Tick(db.session, ring, KINDS).run(now)


def expand(run_id: int, told: list[int] | None = None, chunk: int = 10_000) -> bool:
    """Expand a run; `told` gets the keys that were handed to the broker."""

    def publish(keys: Any, *, bulk: bool) -> bool:
        assert bulk
        if told is not None:
            told.extend(keys)
        return True

    return Expansion(db.session, publish, KINDS, IDS, chunk=chunk).run(run_id)


def run_row(run_id: int) -> CampaignRun:
    """The run as it is stored now."""
    db.session.rollback()
    return db.session.get_one(CampaignRun, run_id, populate_existing=True)


def owed_to(run_id: int | None = None) -> list[int | None]:
    """Whom the ledger owes mail of this run (of any), in the order of their keys."""
    db.session.rollback()
    query = select(Notification.user_id).where(Notification.run_id.is_not(None))
    if run_id is not None:
        query = query.where(Notification.run_id == run_id)
    return list(db.session.scalars(query.order_by(Notification.user_id)))
