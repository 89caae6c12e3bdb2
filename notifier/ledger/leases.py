"""Leases: how long a claim holds, and what follows when its process does not renew it.

All moments here are those of one clock that every host shares, the database's: see `notifier.database.database_clock`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from notifier.ledger.claims import Claimed, load
from notifier.ledger.owners import host_of
from notifier.ledger.rows import changed, unknown
from notifier.ledger.settling import StoredReply, settle
from notifier.models import Attempt, Notification, OnUnknown, Status

_N = Notification

#: What an attempt says whose lease ran out.
LEASE_EXPIRED = "LEASE_EXPIRED"

#: The words of the partial index: without them neither database uses it.
_SENDING = text("status = 'sending'")
#: The words of another one: only attempts whose lease ran out name a process.
_LOST = text("owner IS NOT NULL")


def renew(session: Session, owners: Collection[str], *, now: datetime, until: datetime) -> int:
    """Let the claims of these sending processes hold until `until`. Returns how many. The caller commits.

    A lease that is over stays over: another host may be about to take the row. Rows that are being settled at this
    moment are passed over, because nobody may wait for anybody here.
    """
    ours = select(_N.id).where(_SENDING, _N.lease_until > now, _N.claimed_by.in_(owners))
    ours = ours.with_for_update(skip_locked=True, key_share=True)
    return changed(session, update(_N).where(_N.id.in_(ours), _SENDING).values(lease_until=until))


def expire_leases(
    session: Session, *, now: datetime, limit: int, lease_now: datetime | None = None, alone_from: int = 2
) -> int:
    """Give back the claims whose lease ran out: their process is gone, or cut off. Returns how many.

    `lease_now`: this moment by the database's clock; `now` if None.

    Nobody can know how far it came, so the attempt counts as unknown: rows whose policy is `resend` wait
    again, the others come to rest as unknown. The attempt names the process, so that its journal, should it come
    back, can correct the row.

    It may be what the process died of, so it counts as a death; a row that was made alone because of `alone_from`
    deaths comes to rest as unknown, or it would end one process after the other.
    """
    query = (
        select(_N.id, _N.claims, _N.attempts, _N.unknowns, _N.on_unknown, _N.claimed_by, _N.deaths)
        .where(_SENDING, _N.lease_until <= (lease_now or now))
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


def lapsed_of(session: Session, owner: str) -> list[tuple[Claimed, Status]]:
    """Return the rows of this process whose lease ran out and whose last attempt that was, with their status.

    They are unknown, or wait again. Rows that were claimed again, or decided, are not among them.
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


def learn(session: Session, facts: Collection[tuple[int, int, str | None, str | None, str | None]]) -> None:
    """Write (key, claim, Message-ID, template version, transport) of attempts that stay in doubt.

    Only where the row does not know them and was not claimed since. The caller commits.
    """
    for pk, claim, message_id, template_version, transport in facts:
        unaware = (_N.id == pk, _N.claims == claim, _N.message_id.is_(None))
        values = {"message_id": message_id, "template_version": template_version, "transport": transport}
        session.execute(update(_N).where(*unaware).values(values).execution_options(synchronize_session=False))


def later_than(session: Session, tries: Collection[tuple[int, int]]) -> list[int]:
    """Return the keys of those (key, claim) whose row has been claimed again since."""
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
    """Return the claims that were lost since then, by host, the latest first."""
    query = select(Attempt.owner, func.count(), func.max(Attempt.at)).where(_LOST, Attempt.at >= since)
    hosts: dict[str, Lost] = {}
    for owner, count, last in cast("Sequence[Any]", session.execute(query.group_by(Attempt.owner)).all()):
        host = host_of(owner)
        before = hosts.get(host, Lost(host, 0, last))
        hosts[host] = Lost(host, before.claims + count, max(before.last, last))
    return sorted(hosts.values(), key=lambda lost: lost.last, reverse=True)
