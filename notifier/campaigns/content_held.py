"""Which version of a campaign's content its emails have, and which waiting emails can get another one."""

import enum
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, case, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.audience import Kinds
from notifier.campaigns.content_versions import kind_of, numbers
from notifier.campaigns.explanations import TAKEN
from notifier.models import OPEN, Campaign, CampaignRun, Notification, RunState, Status

_N = Notification

#: Runs without emails.
_EMPTY = (RunState.missed, RunState.coalesced)


class Holding(enum.StrEnum):
    """The state of an email as far as its content goes."""

    #: A mail server accepted it.
    have = "have"
    #: It waits, and no attempt began: it can get another version.
    can_move = "can_move"
    #: A worker holds it at this moment.
    sending = "sending"
    #: It waits, and the body of an attempt began: one Message-ID stands for the same bytes.
    begun = "begun"
    #: Delivery is uncertain: it may have arrived.
    uncertain = "uncertain"
    #: It ended without being sent.
    got_nothing = "got_nothing"


#: Emails that keep their version, with the reason.
KEEPS = {
    Holding.sending: "being sent right now",
    Holding.begun: "an attempt may have reached the mail server, and the next one has to say the same",
    Holding.uncertain: "delivery is uncertain, it may have arrived",
}


#: The state of an email by its status or, if it waits, by `_waiting`. All others got nothing.
_HOLDINGS = {
    **dict.fromkeys(map(str, TAKEN), Holding.have),
    str(Status.sending): Holding.sending,
    str(Status.unknown): Holding.uncertain,
    str(Holding.can_move): Holding.can_move,
    str(Holding.begun): Holding.begun,
}


@dataclass(frozen=True, slots=True)
class VersionGroup:
    """Emails of the same version and state."""

    #: The number of their version. 0: the campaign's original content.
    version: int
    holding: Holding
    emails: int


@dataclass(frozen=True, slots=True)
class Held:
    """The emails of an edition that a change of its content concerns."""

    groups: tuple[VersionGroup, ...]
    #: The number of the version that counts.
    current: int
    #: The keys of the open runs, whose waiting emails can get another version.
    runs: tuple[int, ...] = ()
    #: The keys of runs that will still add emails with a version other than the one that counts.
    behind: tuple[int, ...] = ()

    def of(self, *holdings: Holding) -> list[VersionGroup]:
        """Return the groups with one of these states, by version."""
        return [group for group in self.groups if group.holding in holdings]

    def emails(self, *holdings: Holding) -> int:
        """Return how many emails have one of these states."""
        return sum(group.emails for group in self.of(*holdings))

    @property
    def waiting(self) -> int:
        """The number of emails that could get a version saved now."""
        return self.emails(Holding.can_move)

    @property
    def to_move(self) -> int:
        """The number of emails that could get the version that counts, and have another one."""
        return sum(group.emails for group in self.of(Holding.can_move) if group.version != self.current)

    @property
    def is_behind(self) -> bool:
        """Whether emails of the open runs have, or would get, a version other than the one that counts."""
        return bool(self.to_move or self.behind)

    def sentences(self, *, saving: bool = False) -> list[str]:
        """Return one sentence per group that matters to a correction.

        The correction is the version that counts or, when `saving`, one that is not saved yet.
        """
        said = [f"{_counted(group, 'has', 'have')}." for group in self.of(Holding.have)]
        for group in self.of(Holding.can_move):
            moves = " and can move" if saving or group.version != self.current else ""
            said.append(f"{_counted(group, 'waits with', 'wait with')}{moves}.")
        return said + [f"{_counted(group, 'keeps', 'keep')}: {KEEPS[group.holding]}." for group in self.of(*KEEPS)]


def named(version: int) -> str:
    """Return the name of a version, for people."""
    return f"version {version}" if version else "the original version"


def _counted(group: VersionGroup, one: str, many: str) -> str:
    return f"{group.emails:,} {one if group.emails == 1 else many} {named(group.version)}"


def held(session: Session, campaign: Campaign, kinds: Kinds, *, run_id: int | None = None) -> Held:
    """Return the emails of a campaign's current edition by version.

    For a kind without editions, those of its open runs. `run_id`: only those of this run. Raise CampaignError if the
    campaign's kind does not exist.
    """
    mine = [CampaignRun.campaign_id == campaign.id, CampaignRun.state.not_in(_EMPTY)]
    if kind_of(campaign, kinds).editions:
        mine.append(or_(CampaignRun.edition == campaign.edition, CampaignRun.edition.is_(None)))
    else:
        mine.append(CampaignRun.state.in_(OPEN))
    if run_id is not None:
        mine.append(CampaignRun.id == run_id)
    runs = session.scalars(select(CampaignRun).where(*mine).order_by(CampaignRun.id)).all()
    open_ = [run for run in runs if run.state in OPEN]
    return Held(
        tuple(groups_of(session, campaign, [run.id for run in runs])),
        numbers(session, campaign).get(campaign.content_id, 0),
        tuple(run.id for run in open_),
        tuple(run.id for run in open_ if _is_behind(run, campaign)),
    )


def _is_behind(run: CampaignRun, campaign: Campaign) -> bool:
    pinned = run.edition is not None and run.expanded_at is None
    return pinned and run.content_id != campaign.content_id


def groups_of(session: Session, campaign: Campaign, run_ids: Collection[int]) -> list[VersionGroup]:
    """Return the emails of these runs of one campaign in groups, by version."""
    if not run_ids:
        return []
    number, found = numbers(session, campaign), Counter[tuple[int, Holding]]()
    # One statement, so that an email that is sent meanwhile counts once.
    for content_id, state, emails in session.execute(union_all(_not_waiting(run_ids), _waiting(run_ids))):
        found[number.get(content_id, 0), _HOLDINGS.get(state, Holding.got_nothing)] += emails
    groups = [VersionGroup(version, holding, emails) for (version, holding), emails in found.items()]
    return sorted(groups, key=lambda group: (group.version, list(Holding).index(group.holding)))


def _not_waiting(run_ids: Collection[int]) -> Select[*tuple[Any, ...]]:
    """Count the emails that do not wait, nearly all of a ledger. The index of runs answers, so no row is read."""
    mine = (_N.run_id.in_(run_ids), _N.status != Status.pending)
    return select(_N.content_id, _N.status, func.count()).where(*mine).group_by(_N.content_id, _N.status)


def _waiting(run_ids: Collection[int]) -> Select[*tuple[Any, ...]]:
    """Count the emails that wait. Their rows tell whether they can move."""
    open_ = select(CampaignRun.id).where(CampaignRun.id.in_(run_ids), CampaignRun.state.in_(OPEN))
    can_move = and_(ledger.never_began(), _N.run_id.in_(open_))
    state = case((can_move, Holding.can_move.value), else_=literal(Holding.begun.value)).label("state")
    mine = (_N.run_id.in_(run_ids), _N.status == Status.pending)
    return select(_N.content_id, state, func.count()).where(*mine).group_by(_N.content_id, "state")
