"""Turns: send emails in groups, each at the moment that the limits give it. No row is claimed while it waits.

A task waits for a moment only if it comes soon, because it occupies a slot of its worker meanwhile. Other rows are
marked and left to the pump.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from math import ceil

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.delivery.throttle.limit_requests import MAX_AHEAD_SECONDS, Request
from notifier.delivery.throttle.rate_limits import Limits
from notifier.delivery.throttle.timed_starts import Turn
from notifier.models import Campaign, Notification, Status

#: Emails whose moments lie within so many seconds go together.
SAME_TURN_SECONDS = 0.02

#: Seconds ahead that the moment of an email sent by a task may lie. A transactional email (False) comes after those
#: that the pump has given to campaigns, but begins before its moment; a campaign's email (True) does not.
MAX_WAIT_SECONDS = {False: MAX_AHEAD_SECONDS, True: 0.1}


def domain_of(address: str) -> str:
    """Return the recipient domain, in the form that limits and pauses use."""
    return address.rpartition("@")[2].lower()


def domains(session: Session, pks: Sequence[int]) -> dict[int, str]:
    """Return the recipient domains of these rows, in the order given. Deleted rows are missing."""
    query = select(Notification.id, Notification.recipient).where(ledger.among(session, Notification.id, pks))
    found = {pk: domain_of(recipient) for pk, recipient in session.execute(query)}
    session.rollback()
    return {pk: found[pk] for pk in pks if pk in found}


class Turns:
    """Give moments to the emails of a task, if limits are set."""

    def __init__(self, session: Callable[[], Session], limits: Limits) -> None:
        """Give moments by `limits`. `session` returns the current session; each call is a transaction of its own."""
        self._session = session
        self._limits = limits

    def groups(self, pks: Sequence[int], now: datetime, *, bulk: bool) -> Iterator[Sequence[int]]:
        """Yield the rows for which there is room soon, each group at its moment. The others wait for a turn.

        `bulk`: the rows belong to campaigns, which may have rates of their own. It sleeps between the groups.
        """
        requests, free = self._requests(pks, now, bulk=bulk)
        if free:
            yield free
        started = time.monotonic()
        groups = self._reserved(list(requests.values()), now, within=MAX_WAIT_SECONDS[bulk]) if requests else {}
        held = {pk for group in groups.values() for pk in group}
        try:
            for moment, group in sorted(groups.items()):
                asked = [requests[pk] for pk in group]
                turn = Turn(started + moment * SAME_TURN_SECONDS, asked, urgent=not bulk)
                while (seconds := turn.wait(self._limits)) > 0:
                    time.sleep(seconds)
                yield group
                self._limits.release(asked)
                held.difference_update(group)
        finally:
            self._limits.release([requests[pk] for pk in held])

    def _reserved(self, requests: Sequence[Request], now: datetime, *, within: float) -> dict[int, list[int]]:
        groups: dict[int, list[int]] = {}
        later: list[int] = []
        for grant in self._limits.reserve(requests, within=within):
            if grant.delay is None:
                later.append(grant.pk)
            else:
                groups.setdefault(ceil(grant.delay / SAME_TURN_SECONDS), []).append(grant.pk)
        if later:
            session = self._session()
            ledger.wait_for_turn(session, later, now=now)
            session.commit()
        return groups

    def _requests(self, pks: Sequence[int], now: datetime, *, bulk: bool) -> tuple[dict[int, Request], Sequence[int]]:
        """Return the requests of rows that a limit applies to and that may go now, and the rows that need no moment."""
        if not (bulk or self._limits.always):
            return {}, pks
        session = self._session()
        query = (
            select(Notification.id, Notification.recipient, Notification.campaign_id, Campaign.rate)
            .outerjoin(Campaign, Campaign.id == Notification.campaign_id)
            .where(ledger.among(session, Notification.id, pks))
        )
        # A moment given to a row that cannot be claimed would be lost.
        may_go = (Notification.status == Status.pending) & (Notification.next_attempt_at <= now)
        if not self._limits.always:
            query = query.where(Campaign.rate.is_not(None))
        rows = session.execute(query.add_columns(may_go)).all()
        session.rollback()
        found = {row[0]: Request(row[0], domain_of(row[1]), *row[2:4]) for row in rows if row[4]}
        limited = {row[0] for row in rows}
        free = [] if self._limits.always else [pk for pk in pks if pk not in limited]
        return {pk: found[pk] for pk in pks if pk in found}, free
