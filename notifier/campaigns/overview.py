"""Campaigns and runs as plain values, for tables and programs."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notifier.audience import Kinds
from notifier.campaigns.content_versions import current, numbers
from notifier.campaigns.progress import counts_of
from notifier.campaigns.slots import slot_name, when
from notifier.emails.campaign_kind import CampaignKind
from notifier.models import Campaign, CampaignRun, Status, Trigger
from notifier.scheduling.descriptions import describe
from notifier.scheduling.errors import ScheduleError
from notifier.scheduling.schedule import Schedule

#: Runs shown with a campaign.
NEWEST = 10

#: Statuses of emails in the order in which people read them.
_ORDER = (
    Status.sent, Status.failed, Status.bounced, Status.complained, Status.unknown, Status.suppressed, Status.skipped,
    Status.cancelled, Status.expired, Status.sending, Status.pending,
)  # fmt: skip
_WORDS = {Status.pending: "waiting", Status.unknown: "delivery uncertain"}


def overview(session: Session, kinds: Kinds) -> list[dict[str, Any]]:
    """Return all campaigns by name, each with its newest run."""
    of_slots = CampaignRun.trigger != Trigger.prompt
    newest = select(func.max(CampaignRun.id)).where(of_slots).group_by(CampaignRun.campaign_id)
    last = {run.campaign_id: run for run in session.scalars(select(CampaignRun).where(CampaignRun.id.in_(newest)))}
    return [
        {
            "name": campaign.name,
            "title": campaign.title,
            "kind": campaign.kind,
            "state": campaign.state,
            "schedule": in_words(campaign),
            "next_slot": campaign.next_slot,
            "next": when(campaign, campaign.next_slot, kinds) if campaign.next_slot else "",
            "last_run": _brief(campaign, last[campaign.id]) if campaign.id in last else None,
        }
        for campaign in session.scalars(select(Campaign).order_by(Campaign.name))
    ]


def details(session: Session, campaign: Campaign, kinds: Kinds) -> dict[str, Any]:
    """Return everything about one campaign, with its newest runs."""
    columns = {column.key: getattr(campaign, column.key) for column in Campaign.__table__.columns}
    mine = (CampaignRun.campaign_id == campaign.id, CampaignRun.trigger != Trigger.prompt)
    runs = session.scalars(select(CampaignRun).where(*mine).order_by(CampaignRun.id.desc()).limit(NEWEST)).all()
    counts = counts_of(session, runs)
    facts = {
        "schedule": in_words(campaign),
        "next": when(campaign, campaign.next_slot, kinds) if campaign.next_slot else "",
        "content": numbers(session, campaign)[campaign.content_id],
    }
    return {
        "campaign": columns | _content(session, campaign, kinds) | facts,
        "runs": [_brief(campaign, run) | _numbers(run, counts[run.id]) for run in runs],
    }


def _content(session: Session, campaign: Campaign, kinds: Kinds) -> dict[str, Any]:
    """Return the texts of the version that counts, in place of the original settings; empty without a version."""
    version = current(session, campaign)
    if version is None:
        return {}
    kind = kinds.get(campaign.kind)
    texts = kind.text_settings if isinstance(kind, CampaignKind) else frozenset()
    settings = {name: value for name, value in campaign.settings.items() if name not in texts}
    said = {"subject": version.subject, "heading": version.heading, "body": version.body}
    return {"settings": settings} | said


def emails_in_words(emails: Mapping[str, int]) -> str:
    """Return numbers of emails by status: "9,940 sent, 60 failed". Every page and command says them like this."""
    shown = [(emails.get(status, 0), _WORDS.get(status, status.value)) for status in _ORDER]
    return ", ".join(f"{number:,} {words}" for number, words in shown if number) or "no emails"


def in_words(campaign: Campaign) -> str:
    """Return its schedule, for people."""
    try:
        return describe(Schedule.of(campaign))
    except ScheduleError as error:
        return f"cannot be used: {error}"


def _brief(campaign: Campaign, run: CampaignRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "slot": run.slot,
        "for": slot_name(campaign, run.slot, run.trigger),
        "trigger": run.trigger,
        "state": run.state,
        "reason": run.reason,
    }


def _numbers(run: CampaignRun, emails: Mapping[str, int]) -> dict[str, Any]:
    return {
        "planned": run.planned,
        "emails": emails,
        "excluded": run.excluded,
        "zone_fallbacks": run.zone_fallbacks,
        "finished_at": run.finished_at,
    }
