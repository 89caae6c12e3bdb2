"""What lists of emails show beside the rows: subjects, titles of campaigns, and why emails came back."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from notifier.admin.kit import came_back
from notifier.extensions import db
from notifier.models import Campaign, Notification
from notifier.services import services


def beside(rows: Sequence[Notification]) -> dict[str, Any]:
    """Return the variables of templates/admin/_mails.html for these rows, in few statements for any number of them."""
    campaigns = {row.campaign_id for row in rows} - {None}
    titles = select(Campaign.id, Campaign.title).where(Campaign.id.in_(campaigns))
    return {
        "results": came_back.results(rows),
        "subjects": services().previews.subjects(db.session(), [row.id for row in rows]) if rows else {},
        "titles": dict(db.session.execute(titles).all()) if campaigns else {},
    }
