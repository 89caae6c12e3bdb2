"""Rows for tests. All functions store and commit them, and need an application context."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import func, insert, select

from notifier import clock, ledger
from notifier.emails.campaign_kind import CampaignKind
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, User
from notifier.services import services

#: A Friday, nine in the morning: three hours before `clocks.NOON`.
SLOT = datetime.fromisoformat("2026-11-20T09:00:00+00:00")

#: The content of a campaign of announcements.
CONTENT = {"subject": "News", "heading": "What is new", "paragraphs": ["One thing.", "Another thing."]}

_numbers = count(1)


def make_user(address: str = "ada@example.com", **values: Any) -> User:
    """Store a user. `values`: columns of `User`, such as `verified_at`."""
    user = User(email=address, identity_key=address.lower(), **values)
    db.session.add(user)
    db.session.commit()
    return user


def make_people(number: int, **values: Any) -> list[int]:
    """Store users who signed up and confirmed 100 days before SLOT, user<n>@example.com. Return their keys."""
    start = db.session.scalars(select(func.count()).select_from(User)).one()
    signed_up = values.get("created_at", SLOT - timedelta(days=100))
    common = {"created_at": signed_up, "verified_at": signed_up, "link_nonce": "n"} | values
    names = [f"user{start + each + 1}@example.com" for each in range(number)]
    db.session.execute(insert(User), [{"email": name, "identity_key": name, **common} for name in names])
    db.session.commit()
    found = select(User.id).where(User.identity_key.in_(names)).order_by(User.id)
    people = list(db.session.scalars(found))
    db.session.rollback()
    return people


def make_notification(
    user: User, kind: str = "verification", *, key: str | None = None, now: datetime | None = None, **values: object
) -> int:
    """Store the row of an email that is due. Return its key.

    Args:
        user: The recipient.
        kind: The name of the kind of email.
        key: Its dedupe key; None: one that no other row has.
        now: The moment at which it is due; None: the present one.
        values: Columns of `Notification`, such as `params`.
    """
    key = key or f"test:{next(_numbers)}"
    row = ledger.add(db.session(), kind=kind, user=user, dedupe_key=key, now=now or clock.now(), grace=timedelta(0))
    for name, value in values.items():
        setattr(row, name, value)
    db.session.commit()
    return row.id


def make_campaign(name: str = "news", **values: Any) -> Campaign:
    """Store a campaign, every day at nine, next at SLOT.

    Its kind is the campaign kind of this `name` if there is one, such as `activity_digest`; otherwise it sends
    announcements. `values`: columns of `Campaign`.
    """
    kind = values.get("kind") or (name if isinstance(services().kinds.get(name), CampaignKind) else "announcement")
    defaults: dict[str, Any] = {
        "kind": kind,
        "settings": CONTENT if kind == "announcement" else {},
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


def start_run(campaign: Campaign, slot: datetime = SLOT, **values: Any) -> int:
    """Store a run that is due, and return its key."""
    run = CampaignRun(campaign_id=campaign.id, slot=slot, **values)
    db.session.add(run)
    db.session.commit()
    return run.id
