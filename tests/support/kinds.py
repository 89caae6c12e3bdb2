"""Contents of a campaign's emails. All functions need an application context."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from notifier import ledger
from notifier.emails import KINDS, Owed
from notifier.emails.campaign_kind import CampaignKind
from notifier.extensions import db
from notifier.ledger import Claimed
from notifier.mail.message import Message
from notifier.models import Activity, Notification
from notifier.services import services


def happened(user_id: int, *moments: datetime, kind: str = "like", **values: Any) -> None:
    """Store an activity at each of these moments."""
    common = {"user_id": user_id, "kind": kind, "actor": "Ada", "object_key": "photo:1", "object_title": "Night train"}
    db.session.execute(insert(Activity), [common | values | {"occurred_at": moment} for moment in moments])
    db.session.commit()


def rows_of(run_id: int | None = None) -> list[Claimed]:
    """What the ledger owes for this run (for any), in the order in which it was owed."""
    db.session.rollback()
    query = select(Notification.id).order_by(Notification.id)
    keys = db.session.scalars(query if run_id is None else query.where(Notification.run_id == run_id)).all()
    found = {row.id: row for row in ledger.load(db.session(), keys)}
    return [found[key] for key in keys]


def owed(rows: Sequence[Claimed]) -> list[Owed]:
    """The rows as the sender has them before it renders."""
    links, made = services().links, []
    for row in rows:
        kind = KINDS[row.kind]
        assert isinstance(kind, CampaignKind)
        assert row.user
        made.append(Owed(row, row.user, links, kind.load(db.session(), [row])[row.id]))
    return made


def mails(rows: Sequence[Claimed]) -> list[Message]:
    """The mails of these rows."""
    composer = services().sender.composer
    return [composer.compose(each).message for each in owed(rows)]


def contexts(rows: Sequence[Claimed]) -> list[dict[str, Any]]:
    """What the templates of these rows get from their kinds."""
    return [KINDS[each.notification.kind].context(each) for each in owed(rows)]
