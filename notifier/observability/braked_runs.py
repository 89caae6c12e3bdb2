"""Runs that a brake paused, for people: why, since when, and what to do. None of them goes on by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.models import OPEN, Campaign, CampaignRun
from notifier.reasons import ReasonCode

#: Runs shown.
MOST = 20

#: What to do first, by the reason of the pause.
_FIRST = {
    ReasonCode.too_many_dead.value: "find out where these addresses come from",
    ReasonCode.too_many_complaints.value: "find out why these people complain",
    ReasonCode.content_failing.value: "correct the content",
}


@dataclass(frozen=True, slots=True)
class BrakedRun:
    """A run that is paused, or whose emails to a provider are, because it did harm."""

    id: int
    campaign_id: int
    #: The name of the campaign for commands, and its title for people.
    name: str
    title: str
    reason: str
    reason_code: str
    #: None if the brake does not record it.
    since: datetime | None

    @property
    def first(self) -> str:
        """What to do before it is resumed: the beginning of a sentence, in lower case."""
        return _FIRST[self.reason_code]

    @property
    def detail(self) -> str:
        """What happened and what to do, for a terminal."""
        since = "" if self.since is None else f" since {self.since:%Y-%m-%d %H:%M} UTC"
        resume, cancel = (f"notifier campaign {each} {self.name} --run {self.id}" for each in ("resume", "cancel"))
        return f"of {self.name}, paused{since}: {self.reason}; {self.first}, then run {resume}, or {cancel}"


def braked_runs(session: Session) -> Sequence[BrakedRun]:
    """Return the runs that brakes paused, oldest first, at most MOST."""
    query = (
        select(CampaignRun, Campaign)
        .join(Campaign, Campaign.id == CampaignRun.campaign_id)
        .where(CampaignRun.state.in_(OPEN), CampaignRun.reason_code.in_(_FIRST))
        .order_by(CampaignRun.id)
        .limit(MOST)
    )
    return [_shown(run, campaign) for run, campaign in session.execute(query)]


def _shown(run: CampaignRun, campaign: Campaign) -> BrakedRun:
    since = None
    if run.reason_code == ReasonCode.too_many_dead:
        since = run.braked_at
    elif run.reason_code == ReasonCode.too_many_complaints:
        stopped = [brake["at"] for brake in run.provider_brakes.values() if brake["paused"]]
        since = max(map(datetime.fromisoformat, stopped), default=None)
    code = run.reason_code or ""
    return BrakedRun(run.id, campaign.id, campaign.name, campaign.title, run.reason or "", code, since)
