"""Turns: mails in groups, each at the moment that the limits give it. Nothing is claimed while one waits.

A task waits for a moment only if it comes soon, because it holds a slot of its worker meanwhile. The other rows are
marked and left to the pump.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from math import ceil

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.delivery.throttle.asking import MAX_AHEAD_SECONDS, Request
from notifier.delivery.throttle.limits import Limits
from notifier.delivery.throttle.pacing import Turn
from notifier.models import Campaign, Notification, Status

#: Mails whose moments lie so close together, in seconds, go together.
SAME_TURN_SECONDS = 0.02

#: How far ahead, in seconds, the moment of an email may lie that a task sends: of people's own (False), which is behind
#: those that the pump has given to campaigns, but which begins before it; and of one of a campaign (True).
MAX_WAIT_SECONDS = {False: MAX_AHEAD_SECONDS, True: 0.1}


def domain_of(address: str) -> str:
    """The recipient domain, as limits and pauses know it."""
    return address.rpartition("@")[2].lower()


def domains(session: Session, pks: Sequence[int]) -> dict[int, str]:
    """The recipient domain of each of these rows, in their order."""
    query = select(Notification.id, Notification.recipient).where(ledger.among(session, Notification.id, pks))
    found = {pk: domain_of(recipient) for pk, recipient in session.execute(query)}
    session.rollback()
    return {pk: found[pk] for pk in pks if pk in found}


class Turns:
    """Who goes when, where limits are set."""

    def __init__(self, session: Callable[[], Session], limits: Limits) -> None:
        """`session` gives the current session; what it does here is a transaction of its own."""
        self._session = session
        self._limits = limits

    def groups(self, pks: Sequence[int], now: datetime, *, bulk: bool) -> Iterator[Sequence[int]]:
        """Those for whom there is room soon, each group at its moment; the others wait for a turn.

        `bulk`: they are of campaigns, which may have rates of their own. It sleeps between the groups.
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
        """What those of these rows ask for that a limit is about and that may go now, and those that need not ask."""
        if not (bulk or self._limits.always):
            return {}, pks
        session = self._session()
        query = (
            select(Notification.id, Notification.recipient, Notification.campaign_id, Campaign.rate)
            .outerjoin(Campaign, Campaign.id == Notification.campaign_id)
            .where(ledger.among(session, Notification.id, pks))
        )
        # A moment for a row that nobody can claim would be lost.
        may_go = (Notification.status == Status.pending) & (Notification.next_attempt_at <= now)
        if not self._limits.always:
            query = query.where(Campaign.rate.is_not(None))
        rows = session.execute(query.add_columns(may_go)).all()
        session.rollback()
        found = {row[0]: Request(row[0], domain_of(row[1]), *row[2:4]) for row in rows if row[4]}
        limited = {row[0] for row in rows}
        free = [] if self._limits.always else [pk for pk in pks if pk not in limited]
        return {pk: found[pk] for pk in pks if pk in found}, free
