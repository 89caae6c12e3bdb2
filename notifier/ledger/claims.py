"""Claims: who may send these rows now. A batch is claimed in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from notifier.models import Notification, Status, Suppression, User


@dataclass(frozen=True, slots=True)
class Recipient:
    """What a mail may say about its user, as it was when the row was claimed."""

    id: int
    identity_key: str
    display_name: str
    locale: str
    timezone: str
    verified_at: datetime | None
    link_nonce: str
    #: Why this address must not be mailed; None where it may.
    suppressed: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed row as plain values: it needs no session. `claim` is the token that a settle must name."""

    id: int
    claim: int
    kind: str
    recipient: str
    dedupe_key: str
    params: dict[str, Any] = field(repr=False)
    on_unknown: str
    attempts: int
    unknowns: int
    deadline: datetime | None
    created_at: datetime
    campaign_id: int | None
    #: None where the account is gone.
    user: Recipient | None = field(repr=False)


_N = Notification
_CLAIMED = (
    _N.user_id,
    _N.id,
    _N.claims,
    _N.kind,
    _N.recipient,
    _N.dedupe_key,
    _N.params,
    _N.on_unknown,
    _N.attempts,
    _N.unknowns,
    _N.deadline,
    _N.created_at,
    _N.campaign_id,
)


def claim(session: Session, pks: Sequence[int], *, now: datetime, lease: timedelta, owner: str) -> list[Claimed]:
    """Take these rows for one try each, in the order of `pks`.

    Left out: what is not due, taken, at rest, past its deadline, or gone. Of any number of callers one
    wins each row; nobody waits for another. The caller commits.
    """
    due = select(_N.id).where(
        _N.id.in_(pks),
        _N.status == Status.pending,
        _N.next_attempt_at <= now,
        (_N.deadline.is_(None)) | (_N.deadline > now),
    )
    # On SQLite the transaction holds the only write lock there is, and the clause is left out.
    due = due.with_for_update(skip_locked=True)
    won = session.execute(
        update(_N)
        .where(_N.id.in_(due))
        .values(status=Status.sending, claims=_N.claims + 1, lease_until=now + lease, claimed_by=owner)
        .returning(*_CLAIMED)
        .execution_options(synchronize_session=False)
    ).all()
    claimed = {row.id: row for row in _complete(session, won)}
    return [claimed[pk] for pk in pks if pk in claimed]


def held_by(session: Session, owner: str) -> list[Claimed]:
    """The rows that a sending process holds."""
    held = select(*_CLAIMED).where(_N.status == Status.sending, _N.claimed_by == owner)
    return _complete(session, session.execute(held).all())


def _complete(session: Session, rows: Sequence[Any]) -> list[Claimed]:
    users = _recipients(session, [row[0] for row in rows])
    return [Claimed(*(*row[1:], users.get(row[0]))) for row in rows]


def _recipients(session: Session, ids: Sequence[int | None]) -> dict[int | None, Recipient]:
    query = (
        select(
            User.id,
            User.identity_key,
            User.display_name,
            User.locale,
            User.timezone,
            User.verified_at,
            User.link_nonce,
            Suppression.reason,
        )
        .outerjoin(Suppression, Suppression.identity_key == User.identity_key)
        .where(User.id.in_([pk for pk in ids if pk is not None]))
    )
    return {row[0]: Recipient(*row) for row in session.execute(query)}
