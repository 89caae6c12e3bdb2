"""Campaigns, people and runs for tests. All need an application context."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from notifier.campaigns.expand import Expansion
from notifier.campaigns.tick import Tick, Ticked
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Notification, User

#: A Friday, nine in the morning, three hours before the tests' noon.
SLOT = datetime.fromisoformat("2026-11-20T09:00:00+00:00")

WORDS = {"subject": "News", "heading": "What is new", "paragraphs": ["One thing.", "Another thing."]}


def make_campaign(name: str = "news", **values: Any) -> Campaign:
    """A stored campaign of announcements at nine every day, next at SLOT, unless told otherwise."""
    defaults: dict[str, Any] = {
        "kind": "announcement",
        "settings": WORDS if values.get("kind", "announcement") == "announcement" else {},
        "title": name,
        "cron": "0 9 * * *",
        "next_slot": SLOT,
        "next_run_at": SLOT,
        "created_at": SLOT - timedelta(days=100),
    }
    campaign = Campaign(name=name, **defaults | values)
    db.session.add(campaign)
    db.session.commit()
    return campaign


def make_people(count: int, **values: Any) -> list[int]:
    """So many stored users, alike but for their addresses, who signed up and confirmed 100 days before SLOT."""
    start = len(db.session.scalars(select(User.id)).all())
    signed_up = values.get("created_at", SLOT - timedelta(days=100))
    common = {"created_at": signed_up, "verified_at": signed_up, "link_nonce": "n"} | values
    names = [f"user{start + number + 1}@example.com" for number in range(count)]
    db.session.execute(insert(User), [{"email": name, "identity_key": name, **common} for name in names])
    db.session.commit()
    found = select(User.id).where(User.identity_key.in_(names)).order_by(User.id)
    people = list(db.session.scalars(found))
    db.session.rollback()
    return people


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

    return Expansion(db.session, publish, KINDS, chunk=chunk).run(run_id)


def start_run(campaign: Campaign, slot: datetime = SLOT, **values: Any) -> int:
    """A stored run that is due."""
    run = CampaignRun(campaign_id=campaign.id, slot=slot, **values)
    db.session.add(run)
    db.session.commit()
    return run.id


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
