"""The forecast: every slot of every schedule, with a remark on unusual ones."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from notifier.audience import Kinds
from notifier.campaigns.lookup import unreadable
from notifier.campaigns.slots import schedule_of
from notifier.models import Campaign, CampaignState
from notifier.scheduling import Schedule, ScheduleError, local_time, simulate
from notifier.scheduling.periods import Mark

_WORDS: dict[Mark, str] = {
    "": "",
    "gap": "gap: the clocks skip that time, so it comes right after",
    "fold": "fold: the clocks show that time twice",
}


@dataclass(frozen=True, slots=True, order=True)
class Fired:
    """A slot of a campaign, sorted by time."""

    slot: datetime
    campaign: str
    #: When the tick acts on it.
    run_at: datetime
    #: The local time in the campaign's time zone, with its offset.
    local: datetime
    zone: str
    mark: Mark
    #: When it is sent, if that is in each recipient's time zone. Else empty.
    when: str = ""

    @property
    def words(self) -> str:
        """The remark on the slot, for people."""
        return _WORDS[self.mark]


def forecast(
    campaigns: Iterable[Campaign], since: datetime, days: float, kinds: Kinds = MappingProxyType({})
) -> Iterator[Fired]:
    """Yield the slots with `since` <= slot < `since` + `days` times 24 hours. Archived campaigns have none.

    Paused campaigns are shown as if they were resumed. `kinds` say which slots have to wait for their period to end.
    Raise CampaignError for a schedule that cannot be used.
    """
    active = [campaign for campaign in campaigns if campaign.state != CampaignState.archived]
    return heapq.merge(*[_firings(campaign.name, _schedule(campaign, kinds), since, days) for campaign in active])


def _schedule(campaign: Campaign, kinds: Kinds) -> Schedule:
    try:
        return schedule_of(campaign, kinds)
    except ScheduleError as error:
        raise unreadable(campaign, error) from None


def _firings(name: str, schedule: Schedule, since: datetime, days: float) -> Iterator[Fired]:
    for firing in simulate(schedule, since, days):
        local = firing.slot.astimezone(schedule.zone)
        when = local_time(schedule, firing.slot) if schedule.recipient_local else ""
        yield Fired(firing.slot, name, firing.run_at, local, schedule.zone.key, firing.mark, when)
