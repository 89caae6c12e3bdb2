"""Change many rows at once: add them by INSERT ... SELECT, cancel and wake them in portions."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    case,
    func,
    literal,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import FromClause

from notifier.database.keys import among, only_by_key
from notifier.ledger.giving_back import given_back, move_marks_back
from notifier.ledger.rows import changed, why
from notifier.ledger.telling import AtRest, tell
from notifier.ledger.waiting import latest_enqueue_at
from notifier.models import CampaignRun, Notification, RunState, Status
from notifier.reasons import ReasonCode, sentence

_N = Notification
_TABLE = cast("Any", Notification.__table__)

#: How long the sweep waits before it enqueues rows again that were handed to the broker: bulk email takes time.
ENQUEUE_AGAIN_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedColumns:
    """The values that all rows of one run share."""

    kind: str
    campaign_id: int
    run_id: int
    on_unknown: str
    #: The version of the content; None for the template files of the kind.
    content_id: int | None = None
    #: Whether a rate limits them: then due rows wait for their turn and are not enqueued.
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """The result of one statement."""

    #: The keys of the rows to enqueue, because they are due now.
    due: list[int]
    #: The number of rows added.
    planned: int
    #: The number of people excluded, by code.
    excluded: dict[str, int] = field(default_factory=dict)
    #: The number of included people whose own time zone is not usable.
    fallbacks: int = 0


def add_many(
    session: Session, people: Select[*tuple[Any, ...]], shared: SharedColumns, *, already: str, now: datetime
) -> Added:
    """Add a row for each of these people, except those with a code and those who already have this very email.

    The latter count as excluded with the code `already`. `people` selects user_id, recipient, code, fallback, due,
    deadline, reason_code, dedupe_key, params. The caller commits; no row is sent before.
    """
    if session.get_bind().dialect.name == "postgresql":
        rows = session.execute(_one_statement(people, shared, now)).all()
        made = [(pk, due) for pk, due, code, _, _ in rows if pk is not None]
        counted = [(code, number, fallbacks) for pk, _, code, number, fallbacks in rows if pk is None]
    else:
        # SQLite has one writer at a time, so both statements see the same rows.
        judged = people.cte("judged")
        counted = [(code, number, off) for code, number, off in session.execute(_counted(judged))]
        statement = sqlite.insert(_TABLE).from_select(_NAMES, _rows(judged, shared, now)).on_conflict_do_nothing()
        made = [(pk, due) for pk, due in session.execute(statement.returning(_N.id, _N.next_attempt_at))]
    excluded = {code: number for code, number, _ in counted if code is not None}
    chosen, fallbacks = next(((number, off) for code, number, off in counted if code is None), (0, 0))
    if chosen > len(made):
        excluded[already] = excluded.get(already, 0) + chosen - len(made)
    enqueued = [] if shared.limited else [pk for pk, due in made if due <= now]
    return Added(enqueued, len(made), excluded, fallbacks)


_NAMES = [
    "kind", "user_id", "recipient", "dedupe_key", "params", "bulk", "on_unknown", "campaign_id", "run_id",
    "content_id", "status", "reason_code", "reason", "next_attempt_at", "enqueue_at", "owed_at",
    "deadline", "created_at",
]  # fmt: skip


def _rows(judged: FromClause, shared: SharedColumns, now: datetime) -> Select[*tuple[Any, ...]]:
    person, columns = judged.c, _TABLE.c
    is_due = person.due <= literal(now, columns.enqueue_at.type)
    code: ColumnElement[str | None] = person.reason_code
    again: ColumnElement[datetime] = literal(now + ENQUEUE_AGAIN_AFTER, columns.enqueue_at.type)
    if shared.limited:
        code = case((is_due, ReasonCode.rate_limited.value), else_=code)
        again = latest_enqueue_at(now, person.deadline)
    return select(
        literal(shared.kind),
        person.user_id,
        person.recipient,
        person.dedupe_key,
        person.params,
        literal(True),
        literal(shared.on_unknown),
        literal(shared.campaign_id),
        literal(shared.run_id),
        literal(shared.content_id, BigInteger()),
        literal(Status.pending.value),
        code,
        _planned_reason(code),
        person.due,
        case((is_due, again), else_=person.due),
        person.due,
        person.deadline,
        literal(now, columns.created_at.type),
    ).where(person.code.is_(None))


def _planned_reason(code: ColumnElement[str | None]) -> ColumnElement[str | None]:
    """Return the sentence for a row that waits from the beginning; null for other rows."""
    reasons = (ReasonCode.quiet_hours, ReasonCode.rate_limited)
    return case(*((code == reason.value, sentence(reason)) for reason in reasons), else_=null())


def _counted(judged: FromClause) -> Select[*tuple[Any, ...]]:
    off = func.count().filter(judged.c.fallback != "")
    return select(judged.c.code, func.count(), off).group_by(judged.c.code)


def _one_statement(people: Select[*tuple[Any, ...]], shared: SharedColumns, now: datetime) -> Any:
    """Build one statement that selects, counts and inserts, so that all parts see the same people, evaluated once."""
    judged = people.cte("judged")
    insert_ = postgresql.insert(_TABLE).from_select(_NAMES, _rows(judged, shared, now)).on_conflict_do_nothing()
    made = insert_.returning(_TABLE.c.id, _TABLE.c.next_attempt_at).cte("made")
    counted = _counted(judged).subquery()
    return union_all(
        select(made.c.id, made.c.next_attempt_at, null(), null(), null()),
        select(null(), null(), *counted.c),
    )


def hold_paused(session: Session, pks: Collection[int], *, until: datetime) -> set[int]:
    """Defer those of these waiting rows whose run is paused, until `until`. Return their keys. The caller commits."""
    paused = select(CampaignRun.id).where(CampaignRun.state == RunState.paused)
    statement = (
        update(_N)
        .where(
            among(session, _N.id, pks),
            only_by_key(_N.status) == Status.pending,
            only_by_key(_N.run_id).in_(paused),
            _N.next_attempt_at < until,
        )
        .values(next_attempt_at=until, enqueue_at=until, **why(ReasonCode.run_paused))
        .returning(_N.id)
    )
    return set(session.scalars(statement.execution_options(synchronize_session=False)))


#: Why rows wait for an operator who resumes their run.
_PAUSED = (ReasonCode.run_paused.value, ReasonCode.provider_paused.value)


def wake_run(session: Session, run_id: int, *, now: datetime, limit: int) -> int:
    """Make rows due that wait because their run, or its emails to a provider, were paused, `limit` at most.

    Return how many. Rows that another transaction holds are left for the next call: a worker may defer them in another
    order, and neither must wait for the other. The caller commits.
    """
    held = (_N.run_id == run_id, _N.status == Status.pending, _N.reason_code.in_(_PAUSED))
    statement = (
        update(_N)
        .where(_N.id.in_(select(_N.id).where(*held).limit(limit).with_for_update(skip_locked=True)), *held)
        .values(next_attempt_at=now, enqueue_at=now, reason=None, reason_code=None)
    )
    return changed(session, statement)


def cancel_run(session: Session, run_id: int, *, now: datetime, limit: int) -> int:
    """Cancel waiting rows of this run, `limit` at most. Return how many. The caller commits.

    Rows that a worker holds are left to it: it sends them, or they wait again and the next call cancels them. Rows
    that cannot have been delivered release their key and the window of their digest, so that another run can reach the
    same people. The caller holds the lock of the campaign, because a run that is expanded meanwhile would begin its
    digest windows where these end.
    """
    waiting = (_N.run_id == run_id, _N.status == Status.pending)
    statement = (
        update(_N)
        .where(_N.id.in_(select(_N.id).where(*waiting).limit(limit)), *waiting)
        .values(status=Status.cancelled, settled_at=now, dedupe_key=given_back(), **why(ReasonCode.run_cancelled))
        .returning(_N.id, _N.campaign_id, _N.user_id)
    )
    cancelled = session.execute(statement.execution_options(synchronize_session=False)).all()
    move_marks_back(session, [(campaign_id, user_id) for _, campaign_id, user_id in cancelled])
    code = ReasonCode.run_cancelled.value
    tell(session, (AtRest(pk, Status.cancelled, code) for pk, _, _ in cancelled), now=now)
    return len(cancelled)


def latest_due(session: Session, run_id: int, *, now: datetime, limit: int) -> list[int]:
    """Return the keys of the newest due rows of a run that were never claimed.

    A process that crashed between commit and enqueue may have left them.
    """
    fresh = (_N.run_id == run_id, _N.status == Status.pending, _N.claims == 0, _N.next_attempt_at <= now)
    unmarked = func.coalesce(_N.reason_code, "") != ReasonCode.rate_limited
    return list(session.scalars(select(_N.id).where(*fresh, unmarked).order_by(_N.id.desc()).limit(limit)))


def is_over(session: Session, run_id: int) -> bool:
    """Return whether no row of a run is pending or sending."""
    live = select(_N.id).where(_N.run_id == run_id, _N.status.in_((Status.pending, Status.sending)))
    return session.scalar(live.limit(1)) is None
