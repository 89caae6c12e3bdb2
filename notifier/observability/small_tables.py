"""Read what monitoring says about the small tables beside the ledger, all of them by one statement.

A scrape comes every few seconds, and a statement costs more than the few rows that it finds here.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Select, String, bindparam, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from notifier.database.types import UtcDateTime
from notifier.models import Campaign, CampaignRun, CampaignState, Heartbeat, ProviderHold, RunState, TransportState

#: Campaigns, and open runs, that are read.
MOST_CAMPAIGNS, MOST_RUNS = 200, 50


class SmallRow(NamedTuple):
    """One row, or several that are counted. What it does not say is empty."""

    #: The part: heartbeat, transport, provider, paused, next run or open run.
    what: str
    #: The name of the job, transport, scope or campaign.
    name: str = ""
    #: Why it is held or paused.
    code: str = ""
    #: When a job last ran, or a campaign runs next.
    at: datetime | None = None
    #: How many there are; of an open run, the emails planned.
    number: int = 0
    #: The key of an open run.
    key: int = 0


class SmallTables:
    """What was read."""

    def __init__(self, rows: Collection[SmallRow]) -> None:
        self._rows = rows

    @classmethod
    def read(cls, session: Session, transports: Collection[str]) -> "SmallTables":
        """Read the tables; of the held transports those with these names. The caller ends the transaction."""
        rows = session.execute(_EVERYTHING, {"transports": list(transports)})
        return cls([SmallRow(*row) for row in rows])

    def of(self, what: str) -> list[SmallRow]:
        """Return the rows of this part."""
        return [row for row in self._rows if row.what == what]

    def newest_open_runs(self) -> list[SmallRow]:
        """Return the newest open run of each campaign."""
        return list({row.name: row for row in sorted(self.of("open run"), key=lambda row: row.key)}.values())


def _part(what: str, **said: Any) -> Select[Any]:
    """Select the columns of SmallRow. All parts need the same types, and a missing value has one, too."""
    empty = {
        "name": literal("", String), "code": literal("", String), "at": cast(null(), UtcDateTime),
        "number": literal(0, BigInteger), "key": literal(0, BigInteger),
    }  # fmt: skip
    columns = empty | said
    return select(literal(what, String).label("what"), *(columns[name].label(name) for name in empty))


def _coming() -> Select[Any]:
    active = (Campaign.state == CampaignState.active, Campaign.next_run_at.is_not(None))
    first = select(Campaign.name, Campaign.next_run_at).where(*active).order_by(Campaign.next_run_at)
    found = first.limit(MOST_CAMPAIGNS).subquery().c
    return _part("next run", name=found.name, at=found.next_run_at)


def _open_runs() -> Select[Any]:
    open_ = (CampaignRun.state.in_((RunState.expanding, RunState.sending, RunState.paused)), CampaignRun.planned > 0)
    newest = select(CampaignRun.id, CampaignRun.planned, CampaignRun.campaign_id).where(*open_)
    found = newest.order_by(CampaignRun.id.desc()).limit(MOST_RUNS).subquery().c
    part = _part("open run", name=Campaign.name, number=cast(found.planned, BigInteger), key=found.id)
    return part.join(Campaign, Campaign.id == found.campaign_id)


def _held_transports() -> Select[Any]:
    names = bindparam("transports", expanding=True, type_=String())
    held = (TransportState.held_since.is_not(None), TransportState.name.in_(names))
    return _part("transport", name=TransportState.name, code=func.coalesce(TransportState.phase, "")).where(*held)


def _held_providers() -> Select[Any]:
    return _part("provider", name=ProviderHold.scope, number=func.count()).group_by(ProviderHold.scope)


def _paused_runs() -> Select[Any]:
    part = _part("paused", code=func.coalesce(CampaignRun.reason_code, ""), number=func.count())
    return part.where(CampaignRun.state == RunState.paused).group_by(CampaignRun.reason_code)


_EVERYTHING = union_all(
    _part("heartbeat", name=Heartbeat.name, at=Heartbeat.at),
    _held_transports(),
    _held_providers(),
    _paused_runs(),
    _coming(),
    _open_runs(),
)
