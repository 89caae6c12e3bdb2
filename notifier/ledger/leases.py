"""Renew the leases of claims, and settle claims whose process no longer renews them.

All moments here are of the database's clock, which every host shares: see `notifier.database.database_clock`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from notifier.ledger.claims import Claimed, load
from notifier.ledger.owners import host_of
from notifier.ledger.rows import between, changed, unknown
from notifier.ledger.settling import StoredReply, settle
from notifier.models import Attempt, Notification, OnUnknown, Status

_N = Notification

#: Stored as the decision of an attempt whose lease ran out.
LEASE_EXPIRED = "LEASE_EXPIRED"

#: The exact condition of the partial index: neither database uses the index without it.
_SENDING = text("status = 'sending'")
#: The condition of another partial index: only attempts whose lease ran out have an owner.
_LOST = text("owner IS NOT NULL")


def renew(session: Session, owners: Collection[str], *, now: datetime, until: datetime) -> int:
    """Extend the claims of these sending processes until `until`. Return how many. The caller commits.

    A lease that is over stays over, because another host may be about to take the row. Rows that are being settled at
    this moment are skipped, because a renewal must never wait for a lock.
    """
    ours = select(_N.id).where(_SENDING, _N.lease_until > now, _N.claimed_by.in_(owners))
    ours = ours.with_for_update(skip_locked=True, key_share=True)
    return changed(session, update(_N).where(_N.id.in_(ours), _SENDING).values(lease_until=until))


def expire_leases(
    session: Session,
    *,
    now: datetime,
    limit: int,
    lease_now: datetime | None = None,
    since: datetime | None = None,
    alone_from: int = 2,
) -> int:
    """Settle the claims whose lease ran out, because their process crashed or is cut off. Return how many.

    `lease_now` is this moment by the database's clock; `now` if None. Leases that ran out before `since`, by that
    clock too, are left out; None: none is. The caller commits.

    It is unknown how far the attempt came, so it counts as unknown: rows whose policy is `resend` wait again, the
    others come to rest as unknown. The attempt names the process, so that its journal can correct the row later.

    The row may have crashed the process, so this counts as a death. A row that was made alone, after `alone_from`
    deaths, comes to rest as unknown; otherwise it could crash one process after the other.
    """
    query = (
        select(_N.id, _N.claims, _N.attempts, _N.unknowns, _N.on_unknown, _N.claimed_by, _N.deaths)
        .where(_SENDING, *between(_N.lease_until, since, lease_now or now))
        .order_by(_N.lease_until)
        .limit(limit)
    )
    ends = []
    for pk, claim, attempts, unknowns, policy, owner, deaths in session.execute(query):
        lost = StoredReply(LEASE_EXPIRED, text=f"{host_of(owner) if owner else 'its worker'} did not renew the claim")
        policy = policy if deaths < alone_from else OnUnknown.never
        end = unknown(pk, claim, attempts, unknowns, policy, now=now, reply=lost)
        ends.append(end._replace(owner=owner, deaths=deaths + 1))
    return settle(session, ends, now=now)


def expired_leases_of(session: Session, owner: str) -> list[tuple[Claimed, Status]]:
    """Return the rows whose last attempt was this process's and ended with its lease, each with its status.

    They are unknown or pending. Rows that were claimed again, or decided, are not included.
    """
    query = (
        select(_N.id, _N.status)
        .join(Attempt, Attempt.notification_id == _N.id)
        .where(
            _LOST,
            Attempt.owner == owner,
            Attempt.decision == LEASE_EXPIRED,
            Attempt.claim == _N.claims,
            _N.status.in_((Status.unknown, Status.pending)),
        )
    )
    statuses = {pk: Status(status) for pk, status in session.execute(query)}
    return [(row, statuses[row.id]) for row in load(session, list(statuses))]


def store_facts(session: Session, facts: Collection[tuple[int, int, str | None, str | None, str | None]]) -> None:
    """Store (key, claim, Message-ID, template version, transport) of attempts that stay uncertain.

    Only rows that lack these facts and were not claimed since are changed. The caller commits.
    """
    for pk, claim, message_id, template_version, transport in facts:
        unaware = (_N.id == pk, _N.claims == claim, _N.message_id.is_(None))
        values = {"message_id": message_id, "template_version": template_version, "transport": transport}
        session.execute(update(_N).where(*unaware).values(values).execution_options(synchronize_session=False))


def claimed_since(session: Session, tries: Collection[tuple[int, int]]) -> list[int]:
    """Return the keys of the (key, claim) pairs whose row has been claimed again since."""
    claims = dict(tries)
    found: list[int] = []
    keys = list(claims)
    for start in range(0, len(keys), 500):
        rows = session.execute(select(_N.id, _N.claims).where(_N.id.in_(keys[start : start + 500])))
        found += [pk for pk, claim in rows if claim > claims[pk]]
    return found


class Lost(NamedTuple):
    """Claims of one host whose lease ran out."""

    host: str
    claims: int
    last: datetime


def lost_claims(session: Session, *, since: datetime) -> list[Lost]:
    """Return the claims lost since `since`, grouped by host, the latest first."""
    query = select(Attempt.owner, func.count(), func.max(Attempt.at)).where(_LOST, Attempt.at >= since)
    hosts: dict[str, Lost] = {}
    for owner, count, last in cast("Sequence[Any]", session.execute(query.group_by(Attempt.owner)).all()):
        host = host_of(owner)
        before = hosts.get(host, Lost(host, 0, last))
        hosts[host] = Lost(host, before.claims + count, max(before.last, last))
    return sorted(hosts.values(), key=lambda lost: lost.last, reverse=True)
