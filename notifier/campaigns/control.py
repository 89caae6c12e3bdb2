"""Pause, resume, cancel and start campaigns and runs.

The caller commits, then calls `RunEffects` for the rows, which takes longer. If it does not, or is killed there,
nothing is lost: paused rows are refused at the claim, the tick cancels the waiting rows of a cancelled run, and rows
that waited for a pause are rechecked within an hour.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.audience import Kinds
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.runs import Planned, add_runs, run_of
from notifier.campaigns.slots import slot_name
from notifier.campaigns.tick import CHUNK, cancel_rows, close
from notifier.database.transaction import transaction
from notifier.events import EventType, record
from notifier.models import OPEN, Campaign, CampaignRun, CampaignState, RunState, Trigger
from notifier.reasons import ReasonCode, sentence


def find(session: Session, name: str) -> Campaign:
    """Return the campaign of this name, locked until the transaction ends. Raise CampaignError."""
    query = select(Campaign).where(Campaign.name == name).with_for_update()
    campaign = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if campaign is None:
        raise CampaignError(f"there is no campaign {name!r}: `notifier campaign list` shows all")
    return campaign


def find_run(session: Session, run_id: int, *, of: Campaign | None = None) -> CampaignRun:
    """Return the run, locked until the transaction ends. `of`: it must belong to this campaign. Raise CampaignError."""
    query = select(CampaignRun).where(CampaignRun.id == run_id).with_for_update()
    run = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if run is None:
        raise CampaignError(f"there is no run {run_id}")
    if of is not None and run.campaign_id != of.id:
        raise CampaignError(
            f"run {run_id} belongs to another campaign than {of.name}: "
            f"`notifier campaign show {of.name}` lists its runs"
        )
    return run


def open_runs(session: Session, campaign: Campaign) -> list[CampaignRun]:
    """Return its runs that are not over, locked, oldest first."""
    query = select(CampaignRun).where(CampaignRun.campaign_id == campaign.id, CampaignRun.state.in_(OPEN))
    query = query.order_by(CampaignRun.slot).with_for_update()
    return list(session.scalars(query.execution_options(populate_existing=True)))


def pause_run(session: Session, run: CampaignRun, code: ReasonCode, **details: object) -> bool:
    """Stop this run within one batch because of `code`.

    Return False if it is paused or over. The caller commits.
    """
    if run.state not in OPEN or run.state == RunState.paused:
        return False
    run.resume_to, run.state = run.state, RunState.paused.value
    run.reason_code, run.reason = code.value, sentence(code, **details)
    session.flush()
    _tell_paused(session, run, code, None, clock.now())
    return True


def pause_provider(
    session: Session, run_id: int, scope: str, code: ReasonCode, *, at: datetime, **details: object
) -> bool:
    """Stop the run's emails to one provider within one batch because of `code`; the others go on.

    Return False if they wait already, or if the run is over. The caller commits.
    """
    run = run_of(session, run_id, lock=True)
    if run is None or run.state not in OPEN or scope in run.paused_providers:
        return False
    reason = sentence(code, **details)
    run.provider_brakes = run.provider_brakes | {scope: {"at": at.isoformat(), "reason": reason, "paused": True}}
    if run.state != RunState.paused:
        run.reason_code, run.reason = code.value, reason
    session.flush()
    _tell_paused(session, run, code, scope, at)
    return True


def _tell_paused(session: Session, run: CampaignRun, code: ReasonCode, provider: str | None, at: datetime) -> None:
    """Tell other applications that a run was paused; `provider`: only its emails to this one were."""
    facts = {"id": run.id, "campaign": run.campaign_id, "reason_code": code.value, "provider": provider}
    record(session, [(EventType.run_paused, facts)], at=at)


def resume_run(session: Session, run: CampaignRun) -> bool:
    """Let this run continue, or its emails to providers if it is not paused itself.

    Return False if neither is paused. The caller commits and calls RunEffects.resumed.
    """
    if run.state == RunState.paused:
        run.state, run.resume_to = run.resume_to or RunState.due.value, None
    elif run.state in OPEN and run.paused_providers:
        run.provider_brakes = {scope: brake | {"paused": False} for scope, brake in run.provider_brakes.items()}
    else:
        return False
    waiting = list(run.paused_providers.values())
    run.reason_code = ReasonCode.too_many_complaints.value if waiting else None
    run.reason = waiting[-1] if waiting else None
    session.flush()
    return True


def cancel_run(session: Session, run: CampaignRun, *, reason: str) -> bool:
    """End this run: emails not sent yet are cancelled. Return False if it is over.

    The caller commits and calls RunEffects.cancelled.
    """
    if run.state not in OPEN:
        return False
    run.state = RunState.cancelled.value
    run.reason_code = ReasonCode.cancelled_by_hand.value
    run.reason = sentence(ReasonCode.cancelled_by_hand, why=reason)
    session.flush()
    return True


def pause(session: Session, campaign: Campaign, *, reason: str) -> list[int]:
    """Pause the campaign's schedule and its open runs. Return the keys of these runs. The caller commits."""
    _not_archived(campaign)
    campaign.state, campaign.paused_reason = CampaignState.paused.value, reason[:200] or None
    runs = [run.id for run in open_runs(session, campaign) if pause_run(session, run, ReasonCode.campaign_paused)]
    session.flush()
    return runs


def stop(session: Callable[[], Session], campaign_id: int, reason: str) -> None:
    """Pause a campaign because sending it does harm, in a transaction of its own: a sending thread calls it."""
    with transaction(session) as current:
        campaign = current.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)
        if campaign is not None and campaign.state == CampaignState.active:
            pause(current, campaign, reason=reason)


def stop_run(session: Callable[[], Session], run_id: int, code: ReasonCode, **details: object) -> None:
    """Pause a run whose emails cannot be composed, in a transaction of its own: a sending thread calls it."""
    with transaction(session) as current:
        stop_run_in(current, run_id, code, **details)


def stop_run_in(session: Session, run_id: int, code: ReasonCode, **details: object) -> bool:
    """Pause a run within the caller's transaction. Return False if it is paused or over."""
    run = run_of(session, run_id, lock=True)
    return run is not None and pause_run(session, run, code, **details)


def resume(session: Session, campaign: Campaign) -> list[int]:
    """Resume the campaign's schedule and runs; the next tick applies the misfire policy to slots missed in between.

    Runs that paused by themselves, for example because their content could not be rendered, resume too. Runs that a
    person paused stay paused. Return the keys of the resumed runs; the caller commits and calls RunEffects.resumed.
    """
    _not_archived(campaign)
    campaign.state, campaign.paused_reason = CampaignState.active.value, None
    waiting = [run for run in open_runs(session, campaign) if run.reason_code != ReasonCode.paused_by_hand]
    runs = [run.id for run in waiting if resume_run(session, run)]
    session.flush()
    return runs


def paused_runs(session: Session, campaign: Campaign) -> list[CampaignRun]:
    """Return its runs that are paused, or whose emails to a provider are, oldest first."""
    mine = (CampaignRun.campaign_id == campaign.id, CampaignRun.state.in_(OPEN))
    runs = session.scalars(select(CampaignRun).where(*mine).order_by(CampaignRun.id))
    return [run for run in runs if run.state == RunState.paused or run.paused_providers]


def cancel(session: Session, campaign: Campaign, *, reason: str, archive: bool = False) -> list[int]:
    """Cancel its open runs; `archive` also ends the campaign permanently.

    The caller commits and calls RunEffects.cancelled.
    """
    runs = [run.id for run in open_runs(session, campaign) if cancel_run(session, run, reason=reason)]
    if archive:
        campaign.state, campaign.next_slot, campaign.next_run_at = CampaignState.archived.value, None, None
    session.flush()
    return runs


def run_now(
    session: Session, campaign: Campaign, kinds: Kinds, *, slot: datetime | None = None, at_once: bool | None = None
) -> int:
    """Start a run by hand, for this moment or for `slot`. Return its key.

    `at_once`: send to all people now, not by the time in their time zone; by default True for a run without a slot.

    The caller commits and calls RunEffects.started. Raise CampaignError if the slot has a run, or if the campaign is
    not active.
    """
    if campaign.state != CampaignState.active:
        raise CampaignError(f"{campaign.name} is {campaign.state}: resume it first")
    now = clock.now()
    trigger = Trigger.now if (slot is None if at_once is None else at_once) else Trigger.manual
    slot = slot or now.replace(microsecond=0)
    made = add_runs(session, campaign, [Planned(slot, RunState.due, trigger=trigger)], kinds, now)
    if not made:
        raise CampaignError(_why_no_run(session, campaign, slot))
    return made[0]


def _why_no_run(session: Session, campaign: Campaign, slot: datetime) -> str:
    query = select(CampaignRun).where(CampaignRun.campaign_id == campaign.id, CampaignRun.slot == slot)
    run = session.scalars(query).one()
    why = f" ({run.reason})" if run.reason else ""
    named = slot_name(campaign, slot, run.trigger)
    return f"{campaign.name} already has a run for {named}: run {run.id} is {run.state}{why}"


def _not_archived(campaign: Campaign) -> None:
    if campaign.state == CampaignState.archived:
        raise CampaignError(f"{campaign.name} is archived and cannot be changed")


class RunEffects:
    """Apply a change of runs to their rows, in short transactions, after the caller's commit."""

    def __init__(
        self, session: Callable[[], Session], enqueue: Callable[[Sequence[int]], bool], *, chunk: int = CHUNK
    ) -> None:
        """Apply changes, `chunk` rows in a transaction; `enqueue(run_ids)` enqueues expansions."""
        self._chunk = chunk
        self._session = session
        self._enqueue = enqueue

    def started(self, run_ids: Sequence[int]) -> bool:
        """Enqueue the expansions. Return False if the broker is unreachable: the tick enqueues them again."""
        return not run_ids or self._enqueue(run_ids)

    def resumed(self, run_ids: Sequence[int]) -> int:
        """Wake the rows that waited for these runs, and continue their expansion. Return the number of rows woken."""
        self.started(run_ids)
        return sum(self._woken(run_id) for run_id in run_ids)

    def cancelled(self, run_ids: Sequence[int]) -> int:
        """Cancel the waiting rows of these runs, and close runs without rows under way. Return the number of rows."""
        total = 0
        for run_id in run_ids:
            total += cancel_rows(self._session, run_id, self._chunk)
            close(self._session, run_id, clock.now())
        return total

    def _woken(self, run_id: int) -> int:
        total = 0
        while True:
            with transaction(self._session) as session:
                run = run_of(session, run_id)
                if run is None or run.state == RunState.paused:
                    return total  # the run was paused again
                woken = ledger.wake_run(session, run_id, now=clock.now(), limit=self._chunk)
            total += woken
            if not woken:
                return total
