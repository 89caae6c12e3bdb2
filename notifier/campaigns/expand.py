"""Expansion: turn a run into notifications, a chunk of users at a time.

Each chunk is one transaction: its rows, its counters and the cursor. So a killed expansion continues where it was, and
an operator who pauses or cancels the run waits for one chunk at most.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, and_, func, select, text, true
from sqlalchemy.orm import Session

from notifier import audience, clock, ledger, stopping
from notifier.audience import AudienceError, CampaignOccasion, Kinds
from notifier.campaigns.runs import USELESS, lock_campaign
from notifier.campaigns.unrecorded import has_unrecorded, settle_unrecorded
from notifier.database.transaction import transaction
from notifier.ledger import Added, SharedColumns
from notifier.mail.message_ids import Ids
from notifier.models import Campaign, CampaignRun, Notification, RunState, User
from notifier.reasons import ReasonCode, sentence

log = structlog.get_logger(__name__)

#: Users in one transaction: at most, at first, and at least when transactions take long.
CHUNK, FIRST, LEAST = 10_000, 2_500, 500

#: Seconds for a transaction below which chunks grow, and above which they shrink. An operator who pauses the run waits
#: for one, and so do other writers to SQLite.
GROW_BELOW_SECONDS, SHRINK_ABOVE_SECONDS = 0.25, 0.5


@dataclass(frozen=True, slots=True)
class _Step:
    """The result of one chunk: the keys to enqueue, whether it was the last chunk, and how far the run is now."""

    keys: list[int]
    over: bool
    cursor: int = 0
    planned: int = 0


class Expansion:
    """Expand runs in short transactions. Any number may work on one run: they take turns and make each row once."""

    def __init__(
        self,
        session: Callable[[], Session],
        publish: Callable[..., bool],
        kinds: Kinds,
        ids: Ids,
        *,
        chunk: int = CHUNK,
        is_limited: Callable[[Campaign], bool] = lambda campaign: False,
    ) -> None:
        """Expand into the outbox.

        Args:
            publish: Enqueues keys; the outbox's `publish(keys, bulk=...)`.
            ids: Recognises emails that were sent before the database was restored.
            is_limited: Returns whether a rate limits a campaign.
        """
        self._session = session
        self._publish = publish
        self._kinds = kinds
        self._ids = ids
        self.chunk = chunk
        self._is_limited = is_limited

    def run(self, run_id: int, told: Callable[..., None] = lambda **numbers: None) -> bool:
        """Expand this run to its end.

        Return False if another worker has it, if it is paused, cancelled or expanded, or if this task is to stop.

        Args:
            told: Is called after each chunk, outside of any transaction, with the numbers `current` and `total` (the
                last user looked at, and the newest one) and `planned` (rows added so far).
        """
        size, first, newest = min(FIRST, self.chunk), True, None
        while True:
            started = time.monotonic()
            with transaction(self._session) as session:
                step = self._step(session, run_id, size, first=first)
            size = self._next_size(size, time.monotonic() - started)
            if step is None:
                return False
            self._enqueue(step.keys)
            if step.over:
                return True
            newest = newest or self._newest()
            told(current=step.cursor, total=max(newest, step.cursor), planned=step.planned)
            if stopping.claims_no_more():  # the tick lets another worker continue here
                return False
            first = False

    def _newest(self) -> int:
        session = self._session()
        newest = session.scalar(select(func.max(User.id))) or 0
        session.rollback()
        return newest

    def _next_size(self, size: int, took: float) -> int:
        """Return the number of users of the next chunk, by the seconds that this one took."""
        if took < GROW_BELOW_SECONDS:
            return min(size * 2, self.chunk)
        return max(size // 2, min(LEAST, self.chunk)) if took > SHRINK_ABOVE_SECONDS else size

    def _step(self, session: Session, run_id: int, size: int, *, first: bool) -> _Step | None:
        # Locked, because two runs of one campaign at a time would list the same activities in two digests.
        campaign = lock_campaign(session, run_id)
        query = select(CampaignRun).where(
            CampaignRun.id == run_id, CampaignRun.state.in_((RunState.due, RunState.expanding))
        )
        query = query.with_for_update(skip_locked=True).execution_options(populate_existing=True)
        run = session.scalars(query).one_or_none()
        if run is None or campaign is None:
            return None
        run.touched_at = now = clock.now()
        try:
            if run.state == RunState.due:
                run.content_id, run.edition = campaign.content_id, campaign.edition
            occasion = audience.occasion_of_run(campaign, run, self._kinds)
        except AudienceError as error:
            _halted(run, error)
            return None
        # The process that worked on it before may have been killed between a commit and the enqueueing.
        taken_over = first and run.state == RunState.expanding
        untold = ledger.latest_due(session, run.id, now=now, limit=self.chunk) if taken_over else []
        run.state = RunState.expanding.value
        if run.deadline is not None and run.deadline <= now:
            run.reason_code, run.reason = ReasonCode.run_useless.value, USELESS
            return _finished(run, now, untold)
        upper = _upper(session, run.cursor, size, candidates(occasion))
        if upper is None:
            return _finished(run, now, untold)
        limited = self._is_limited(campaign)
        keys = untold + _expand(session, run, occasion, upper, now, self._ids, limited=limited)
        return _Step(keys, over=False, cursor=run.cursor, planned=run.planned)

    def _enqueue(self, keys: list[int]) -> None:
        """Enqueue rows that are due. If the broker refuses them, the next sweep enqueues them."""
        if keys and not self._publish(keys, bulk=True):
            with transaction(self._session) as session:
                now = clock.now()
                ledger.mark_enqueued(session, keys, seen=now + ledger.ENQUEUE_AGAIN_AFTER, again_at=now)


def _expand(
    session: Session,
    run: CampaignRun,
    occasion: CampaignOccasion,
    upper: int,
    now: datetime,
    ids: Ids,
    *,
    limited: bool,
) -> list[int]:
    """Add the rows of the users after the cursor, up to `upper`. Return the keys to enqueue."""
    made = owe_between(session, run, occasion, run.cursor, upper, now, ids, limited=limited)
    run.cursor = upper
    run.planned += made.planned
    run.excluded = dict(Counter(run.excluded) + Counter(made.excluded))
    run.zone_fallbacks += made.fallbacks
    return made.due


def owe_between(
    session: Session,
    run: CampaignRun,
    occasion: CampaignOccasion,
    after: int,
    upper: int,
    now: datetime,
    ids: Ids,
    *,
    limited: bool = False,
) -> Added:
    """Add this run's rows for the users with `after` < key <= `upper`. The caller counts and commits.

    `limited`: a rate limits them, so they wait for their turn and are not enqueued.
    """
    if session.get_bind().dialect.name == "postgresql":
        # The planner may believe that the tables being filled are empty, and scan them for each user.
        session.execute(text("SET LOCAL enable_seqscan = off"))
    among = and_(User.id > after, User.id <= upper, candidates(occasion))
    restored = has_unrecorded(session)
    newest = session.scalar(select(func.max(Notification.id))) or 0 if restored else 0
    made = ledger.add_many(
        session,
        audience.chosen(session, occasion, among, now=now),
        SharedColumns(
            kind=occasion.kind,
            campaign_id=run.campaign_id,
            run_id=run.id,
            on_unknown=occasion.on_unknown,
            content_id=run.content_id,
            limited=limited,
        ),
        already=audience.ALREADY,
        now=now,
    )
    if restored:
        made = settle_unrecorded(session, run.id, made, ids, after=newest, now=now)
    for statement in occasion.kind_of.after_expansion(occasion, select(User.id).where(among)):
        session.execute(statement)
    return made


def candidates(occasion: CampaignOccasion) -> ColumnElement[bool]:
    """Return a condition on User: the people that a run looks at. All accounts, except in prompt runs."""
    return occasion.kind_of.prompted() if occasion.prompt else true()


def _upper(session: Session, cursor: int, chunk: int, among: ColumnElement[bool]) -> int | None:
    """Return the last user of the next chunk; None if there are no more."""
    ids = select(User.id).where(User.id > cursor, among).order_by(User.id).limit(chunk).subquery()
    last: int | None = session.scalar(select(func.max(ids.c.id)))
    return last


def _finished(run: CampaignRun, now: datetime, keys: list[int]) -> _Step:
    run.state = RunState.sending.value
    run.expanded_at = now
    log.info("expand.done", run=run.id, planned=run.planned, excluded=run.excluded)
    return _Step(keys, over=True)


def _halted(run: CampaignRun, error: AudienceError) -> None:
    """Pause a run whose campaign cannot be read, with the reason for the operator who has to repair it."""
    log.error("expand.halted", run=run.id, error=str(error))
    run.resume_to = run.state
    run.state = RunState.paused.value
    run.reason_code = ReasonCode.campaign_unreadable.value
    run.reason = sentence(ReasonCode.campaign_unreadable, error=error)
