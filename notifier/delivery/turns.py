"""Turns: mails in groups, each at the moment that the limits give it. Nothing is claimed while one waits."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.delivery.limits import Limits, Request
from notifier.models import Campaign, Notification
from notifier.reasons import ReasonCode

#: Mails whose moments lie so close together, in seconds, go together.
TOGETHER = 0.02


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
        """Those for whom there is room soon, each group at its moment; the others are deferred.

        `bulk`: they are of campaigns, which may have rates of their own. It sleeps between the groups.
        """
        requests = self._requests(pks, bulk=bulk)
        if not requests:
            yield pks
            return
        free = [pk for pk in pks if pk not in requests]
        if free and not self._limits.always:
            yield free
        started = time.monotonic()
        groups = self._reserved(list(requests.values()), now)
        held = {pk for group in groups.values() for pk in group}
        try:
            for moment, group in sorted(groups.items()):
                time.sleep(max(0.0, started + moment * TOGETHER - time.monotonic()))
                yield group
                self._limits.release([requests[pk] for pk in group])
                held.difference_update(group)
        finally:
            self._limits.release([requests[pk] for pk in held])

    def _reserved(self, requests: Sequence[Request], now: datetime) -> dict[int, list[int]]:
        groups: dict[int, list[int]] = {}
        later: dict[int, list[int]] = {}
        for grant in self._limits.reserve(requests):
            if grant.delay is None:
                later.setdefault(ceil(grant.retry_in or 1.0), []).append(grant.pk)
            else:
                groups.setdefault(ceil(grant.delay / TOGETHER), []).append(grant.pk)
        session = self._session()
        for seconds, group in later.items():
            ledger.defer(session, group, until=now + timedelta(seconds=seconds), code=ReasonCode.rate_limited)
            session.commit()
        return groups

    def _requests(self, pks: Sequence[int], *, bulk: bool) -> dict[int, Request]:
        """What each of these rows asks for. Empty where no limit is about any of them."""
        if not (bulk or self._limits.always):
            return {}
        session = self._session()
        query = (
            select(Notification.id, Notification.recipient, Notification.campaign_id, Campaign.rate)
            .outerjoin(Campaign, Campaign.id == Notification.campaign_id)
            .where(ledger.among(session, Notification.id, pks))
        )
        if not self._limits.always:
            query = query.where(Campaign.rate.is_not(None))
        found = {row[0]: Request(row[0], domain_of(row[1]), *row[2:]) for row in session.execute(query)}
        session.rollback()
        return {pk: found[pk] for pk in pks if pk in found}
