"""Look again at runs under way: what came back before enough emails were answered may be too much by now.

An event is weighed when it arrives. If a brake needs 1,000 answered emails and all complaints come after 900, no event
is left that could stop the run, so the sweep asks both brakes again.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.database.expressions import DomainOf
from notifier.database.transaction import reading, transaction
from notifier.feedback.brakes import ADDRESS_DEAD, OPEN, Brakes
from notifier.feedback.scopes import scopes_of
from notifier.models import CampaignRun, Notification, Status

K = TypeVar("K")

_N, _R = Notification, CampaignRun

#: Time between two looks of a process: the sweep runs more often, and a large run takes a while to count.
EVERY = timedelta(seconds=30)
#: Groups of emails that are counted, and checks that are made, in one look; those with the most emails come first.
_MOST_GROUPS, _MOST_CHECKS = 5000, 100


class Suspects(NamedTuple):
    """Runs with many dead addresses, and (run, scope) with many complaints, the worst first."""

    dead: list[int]
    complaints: list[tuple[int, str]]


class SecondLook:
    """Ask the brakes again. One instance serves all threads of a process."""

    def __init__(self, session: Callable[[], Session], brakes: Brakes) -> None:
        """Look in short transactions of its own."""
        self._session = session
        self._brakes = brakes
        self._last: datetime | None = None

    def run(self) -> int:
        """Look at all runs under way, unless this process has within EVERY. Return how many stops followed."""
        now = clock.now()
        if self._last is not None and now - self._last < EVERY:
            return 0
        self._last = now
        with reading(self._session) as session:
            suspects = self._suspects(session)
        stopped = 0
        for run_id in suspects.dead:
            with transaction(self._session) as session:
                stopped += self._brakes.check_dead(session, run_id, now)
        for run_id, scope in suspects.complaints:
            with transaction(self._session) as session:
                stopped += self._brakes.check_complaints(session, run_id, scope, now, sparsely=False)
        return stopped

    def _suspects(self, session: Session) -> Suspects:
        """Return what may be over a limit.

        A share of N emails at least is exceeded by more than the share of N: nearly all runs have fewer, and nothing
        of them is counted.
        """
        since = or_(_R.braked_at.is_(None), func.coalesce(_N.sent_at, _N.settled_at) > _R.braked_at)
        limits = self._brakes.limits
        dead = _counted(session, ADDRESS_DEAD, since)
        complaints = _counted(session, _N.status == Status.complained)
        scopes = scopes_of(session, {domain for _, domain in complaints})
        by_scope: Counter[tuple[int, str]] = Counter()
        for (run_id, domain), number in complaints.items():
            by_scope[run_id, scopes[domain]] += number
        by_run: Counter[int] = Counter()
        for (run_id, _), number in dead.items():
            by_run[run_id] += number
        return Suspects(
            _above(by_run, limits.dead * limits.dead_of), _above(by_scope, limits.complaints * limits.complaints_of)
        )


def _counted(session: Session, *conditions: ColumnElement[bool]) -> dict[tuple[int, str], int]:
    """Count such emails of runs under way, by run and domain."""
    group = (_R.id, DomainOf(_N.recipient))
    query = select(*group, func.count()).join(_N, _N.run_id == _R.id).where(_R.state.in_(OPEN), *conditions)
    rows = session.execute(query.group_by(*group).order_by(func.count().desc()).limit(_MOST_GROUPS))
    return {(run_id, domain): number for run_id, domain, number in rows}


def _above(numbers: Counter[K], least: float) -> list[K]:
    return [key for key, number in numbers.most_common(_MOST_CHECKS) if number > least]
