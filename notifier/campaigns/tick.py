"""The tick: turn due slots into runs, exactly once each, with any number of ticks and across crashes."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import ColumnElement, case, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.audience import Kinds
from notifier.campaigns.prompt_runs import prompt
from notifier.campaigns.runs import Planned, add_runs, changed, run_of
from notifier.campaigns.slots import schedule_of, slot_name
from notifier.database.transaction import transaction
from notifier.events import EventType, record
from notifier.metrics import Metric
from notifier.metrics.catalogue import RUN_LATENESS
from notifier.models import Campaign, CampaignRun, CampaignState, Notification, RunState
from notifier.observability import heartbeats
from notifier.scheduling.misfires import backlog, misfired

log = structlog.get_logger(__name__)

#: Time after which an untouched expansion is enqueued again: its worker crashed, or its message was lost.
STALE = timedelta(seconds=60)

#: Rows cancelled in one transaction.
CHUNK = 5000


@dataclass(slots=True)
class Ticked:
    """The result of one tick."""

    #: The keys of new runs that are due.
    started: list[int] = field(default_factory=list)
    #: The keys of prompt runs, which come between slots.
    prompted: list[int] = field(default_factory=list)
    #: The number of slots that became runs, by the state of the run.
    slots: Counter[str] = field(default_factory=Counter)
    #: Runs whose expansion was enqueued again.
    resumed: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    #: Campaigns that raised an error: `notifier health` shows them as late.
    failed: list[int] = field(default_factory=list)


class Tick:
    """Act on due slots in short transactions."""

    def __init__(
        self,
        session: Callable[[], Session],
        enqueue: Callable[[Sequence[int]], bool],
        kinds: Kinds,
        *,
        stale: timedelta = STALE,
        observe: Callable[[Metric, float], None] = lambda metric, seconds: None,
    ) -> None:
        """Act for these kinds.

        Args:
            enqueue: Enqueues the expansions of runs. Returns False if the broker did not take them.
            observe: Measures for monitoring.
            stale: Time without progress after which an expansion is enqueued again.
        """
        self.stale = stale
        self._observe = observe
        self._session = session
        self._enqueue = enqueue
        self._kinds = kinds

    def run(self, now: datetime | None = None) -> Ticked:
        """Tick once. Edits committed before it count."""
        now = now or clock.now()
        ticked = Ticked()
        self._beat(now)
        for campaign_id in self._due(now):
            try:
                self._fire(campaign_id, now, ticked)
            except Exception as error:
                # One campaign must not stop the others. Its slot stays due, and the health report shows it.
                log.error("tick.failed", campaign=campaign_id, exc_info=error)
                ticked.failed.append(campaign_id)
        ticked.prompted = self._prompt(now)
        self._enqueue([*ticked.started, *ticked.prompted])
        self._resume(now, ticked)
        self._finish(now, ticked)
        if ticked.slots or ticked.prompted or ticked.resumed or ticked.finished:
            counts = {name: len(getattr(ticked, name)) for name in ("prompted", "resumed", "finished")}
            log.info("tick.done", **ticked.slots, **counts)
        else:
            log.debug("tick.idle")
        return ticked

    def _beat(self, now: datetime) -> None:
        try:
            with transaction(self._session) as session:
                heartbeats.beat(session, "tick", now)
        except IntegrityError:
            log.debug("tick.first_beat_of_another")

    def _due(self, now: datetime) -> Sequence[int]:
        query = select(Campaign.id).where(Campaign.state == CampaignState.active, Campaign.next_run_at <= now)
        with transaction(self._session) as session:
            return session.scalars(query.order_by(Campaign.next_run_at)).all()

    def _fire(self, campaign_id: int, now: datetime, ticked: Ticked) -> None:
        with transaction(self._session) as session:
            campaign = session.get(Campaign, campaign_id, populate_existing=True)
            if campaign is None or not campaign.next_slot or not campaign.next_run_at or campaign.next_run_at > now:
                return
            due_at = campaign.next_run_at
            planned = self._advance(session, campaign, campaign.next_slot, now)
            if planned is None:
                return  # another tick, or an edit, was first
            started = add_runs(session, campaign, planned, self._kinds, now)
        if started:
            self._observe(RUN_LATENESS, max(0.0, (now - due_at).total_seconds()))
        ticked.started += started
        ticked.slots.update(each.state.value for each in planned)

    def _advance(self, session: Session, campaign: Campaign, slot: datetime, now: datetime) -> list[Planned] | None:
        """Move the campaign to its next slot, and return the judged slots up to now. None: another tick did so."""
        waiting = backlog(schedule_of(campaign, self._kinds), slot, now)
        within = None if campaign.misfire_within is None else timedelta(seconds=campaign.misfire_within)
        judged = misfired(
            [firing.slot for firing in waiting.firings],
            now,
            campaign.misfire,
            within,
            campaign.coalesce,
            newest=waiting.newest,
            named=partial(slot_name, campaign),
            run_at={firing.slot: firing.run_at for firing in waiting.firings},
        )
        following = waiting.following
        as_seen = (
            Campaign.id == campaign.id,
            Campaign.state == CampaignState.active,
            Campaign.version == campaign.version,
            Campaign.next_run_at == campaign.next_run_at,
        )
        values = {"next_slot": following and following.slot, "next_run_at": following and following.run_at}
        if changed(session, update(Campaign).where(*as_seen).values(**values)) != 1:
            return None
        return [Planned(each.slot, RunState(each.verdict), each.reason) for each in judged]

    def _prompt(self, now: datetime) -> list[int]:
        try:
            return prompt(self._session, self._kinds, now)
        except Exception as error:
            # Prompt runs are tried again soon; slots of schedules must not wait for them.
            log.error("tick.prompt_failed", exc_info=error)
            return []

    def _resume(self, now: datetime, ticked: Ticked) -> None:
        """Enqueue expansions that have stalled."""
        open_ = (CampaignRun.state.in_((RunState.due, RunState.expanding)), CampaignRun.touched_at <= now - self.stale)
        with transaction(self._session) as session:
            stale = session.scalars(select(CampaignRun.id).where(*open_)).all()
        if not stale or not self._enqueue(stale):
            return
        with transaction(self._session) as session:
            changed(session, update(CampaignRun).where(CampaignRun.id.in_(stale), *open_).values(touched_at=now))
        ticked.resumed += stale

    def _finish(self, now: datetime, ticked: Ticked) -> None:
        """Close runs that are over. Waiting rows of a cancelled run are cancelled first."""
        with transaction(self._session) as session:
            candidates = session.execute(select(CampaignRun.id, CampaignRun.state).where(*_unfinished())).all()
        for run_id, state in candidates:
            if state == RunState.cancelled:
                cancel_rows(self._session, run_id)
            if close(self._session, run_id, now):
                ticked.finished.append(run_id)


def cancel_rows(session: Callable[[], Session], run_id: int, chunk: int = CHUNK) -> int:
    """Cancel the waiting rows of a cancelled run, `chunk` in a transaction. Return the number of rows."""
    total = 0
    while True:
        with transaction(session) as current:
            run = run_of(current, run_id)
            if run is None or run.state != RunState.cancelled:
                return total
            # Locked as in an expansion, which starts digest windows at the marks that this moves back.
            lock = select(Campaign.id).where(Campaign.id == run.campaign_id).with_for_update(key_share=True)
            current.execute(lock)
            cancelled = ledger.cancel_run(current, run_id, now=clock.now(), limit=chunk)
        total += cancelled
        if cancelled < chunk:
            return total


def close_after(session: Callable[[], Session], pk: int) -> bool:
    """Close the run of this notification if it was the last one, rather than at the next tick."""
    with transaction(session) as current:
        run_id = current.scalar(select(Notification.run_id).where(Notification.id == pk))
    return run_id is not None and close(session, run_id, clock.now())


def close(session: Callable[[], Session], run_id: int, now: datetime) -> bool:
    """Close a run if all of its emails have ended. Return False if they have not."""
    with transaction(session) as current:
        # Locked before the rows are counted: what comes back moves a row and then the totals (`feedback/moving.py`).
        run = run_of(current, run_id, lock=True)
        if run is None or not ledger.is_over(current, run_id):
            return False
        totals = ledger.count_by_status(current, [run_id])[run_id]
        state = case((CampaignRun.state == RunState.sending, RunState.done.value), else_=CampaignRun.state)
        over = update(CampaignRun).where(CampaignRun.id == run_id, *_unfinished())
        closed = bool(changed(current, over.values(state=state, totals=totals, finished_at=now)))
        if closed:
            done = RunState.done if run.state == RunState.sending else RunState(run.state)
            facts = {"id": run_id, "campaign": run.campaign_id, "state": done.value, "totals": totals}
            record(current, [(EventType.run_finished, facts)], at=now)
        return closed


def _unfinished() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the condition for runs that are planned completely and not closed yet."""
    return CampaignRun.state.in_((RunState.sending, RunState.cancelled)), CampaignRun.finished_at.is_(None)
